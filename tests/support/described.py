"""Contracts as library-rest learns them: the library's own, and any other, compiled from its text."""

from __future__ import annotations

import importlib
import importlib.resources
import tempfile
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any

import google.api
import grpc_tools
from google.protobuf.descriptor import Descriptor
from google.protobuf.descriptor_pb2 import DescriptorProto, FileDescriptorProto, FileDescriptorSet
from grpc_tools import protoc

from buf.validate import validate_pb2
from library_domain.contract import contract_descriptors
from rest_server.contracts.contract import Contract, compiled
from rest_server.contracts.reflection import Description

TRANSCODING = Path(__file__).parent / "transcoding"
"""Where messages.proto is, whose messages have a field of every kind."""

_PACKAGES = {
    "frontend": ("library.frontend.v1", "library.access.v1"),
    "admin": ("library.admin.v1", "library.sync.v1", "google.longrunning"),
}
"""The packages whose services each server has."""


@cache
def library_contracts() -> tuple[Contract, ...]:
    """Return the frontend's contract and the admin's with all their services and with comments."""
    commented = FileDescriptorSet.FromString(contract_descriptors())
    imported: dict[str, FileDescriptorProto] = {}
    for file in commented.file:
        module = importlib.import_module(file.name.removesuffix(".proto").replace("/", ".") + "_pb2")
        _add_with_imports(module.DESCRIPTOR, imported)
    files = FileDescriptorSet(file=(imported | {file.name: file for file in commented.file}).values())
    described = files.SerializeToString()
    return tuple(
        compiled(
            name,
            Description(
                tuple(
                    f"{file.package}.{service.name}"
                    for file in commented.file
                    if file.package in packages
                    for service in file.service
                ),
                described,
            ),
        )
        for name, packages in _PACKAGES.items()
    )


def contract(text: str, *services: str) -> Contract:
    """Compile the source of a .proto. Services without a package have the package `p`."""
    roots = [
        TRANSCODING,
        importlib.resources.files(grpc_tools) / "_proto",  # google/protobuf
        Path(google.api.__path__[0]).parents[1],  # google/api
    ]
    with tempfile.TemporaryDirectory() as scratch:
        source, rules, out = (Path(scratch) / name for name in ("p.proto", "rules.binpb", "contract.binpb"))
        source.write_text(text)
        files: dict[str, FileDescriptorProto] = {}
        _add_with_imports(validate_pb2.DESCRIPTOR, files)
        rules.write_bytes(FileDescriptorSet(file=files.values()).SerializeToString())
        options = ["--include_imports", "--include_source_info", f"--descriptor_set_in={rules}"]
        includes = [f"-I{root}" for root in (scratch, *roots)]
        status = protoc.main(["protoc", *includes, *options, f"--descriptor_set_out={out}", str(source)])
        assert status == 0, f"protoc refuses:\n{text}"
        described = out.read_bytes()
    return compiled("p", Description(tuple(one if "." in one else f"p.{one}" for one in services), described))


def _add_with_imports(file: Any, files: dict[str, FileDescriptorProto]) -> None:
    for imported in file.dependencies:
        _add_with_imports(imported, files)
    if file.name not in files:
        files[file.name] = FileDescriptorProto.FromString(file.serialized_pb)
        _name_in_json(files[file.name].message_type, file.message_types_by_name.values())


def _name_in_json(messages: Iterable[DescriptorProto], described: Iterable[Descriptor]) -> None:
    """Generated Python leaves out the names in JSON, which a server's reflection has."""
    for message, its in zip(messages, described, strict=True):
        for field, one in zip(message.field, its.fields, strict=True):
            field.json_name = one.json_name
        _name_in_json(message.nested_type, its.nested_types)
