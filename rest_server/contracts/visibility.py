"""Services and methods that are not for clients, by google/api/visibility.proto.

A restriction names labels, and clients with one of these labels may call. Here clients have no labels, so nothing that
is restricted is served. It can be called over gRPC, where the service itself decides.
"""

from __future__ import annotations

from typing import Any

from google.api.visibility_pb2 import api_visibility, method_visibility
from google.protobuf.descriptor_pb2 import MethodOptions, ServiceOptions
from google.protobuf.message import DecodeError
from protobuf import DescMethod, DescService


def is_restricted(described: DescService | DescMethod) -> bool:
    """Return whether a service, or a method by itself, is restricted, or its options cannot be read."""
    options: Any = ServiceOptions if isinstance(described, DescService) else MethodOptions
    extension = api_visibility if isinstance(described, DescService) else method_visibility
    written = described.proto.options
    try:
        read = options.FromString(written.to_binary() if written else b"")
    except DecodeError:
        return True
    return bool(read.Extensions[extension].restriction)
