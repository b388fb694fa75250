"""The methods of the contract that change something, by their names."""

from __future__ import annotations

import importlib
import re

from google.protobuf import descriptor_pool
from google.protobuf.descriptor import MethodDescriptor, ServiceDescriptor
from google.protobuf.descriptor_pb2 import FileDescriptorProto, FileDescriptorSet

from library_domain.contract import contract_descriptors

SYNC_NOW = "library.frontend.v1.SyncService/SyncNow"
"""Makes both stores what they would be a moment later, however often it is called."""

WITHOUT_REQUEST_ID = frozenset({"library.admin.v1.StaffService/CreateApiToken"})
"""Their answers contain secrets, which must not be in the table of answers."""

PACKAGES = ("library.frontend.v1", "library.admin.v1")


def _services_of(file: FileDescriptorProto) -> list[ServiceDescriptor]:
    importlib.import_module(file.name.replace("/", ".").removesuffix(".proto") + "_pb2")  # into the default pool
    pool = descriptor_pool.Default()
    return [pool.FindServiceByName(f"{file.package}.{service.name}") for service in file.service]


def _changing_methods() -> dict[str, MethodDescriptor]:
    files = FileDescriptorSet.FromString(contract_descriptors()).file
    found = {}
    for service in (service for file in files if file.package in PACKAGES for service in _services_of(file)):
        for method in service.methods:
            name = f"{service.full_name}/{method.name}"
            reads = re.match(r"(Get|List|Search|Lookup|Explain|Export|Wait|WhoAmI)(?![a-z])", method.name)
            streams = method.client_streaming or method.server_streaming
            if not (reads or streams or name == SYNC_NOW):
                found[name] = method
    return found


CHANGING_METHODS = _changing_methods()
"""By name, such as library.frontend.v1.LendingService/BorrowBook: all unary ones but those that read, and SyncNow."""
