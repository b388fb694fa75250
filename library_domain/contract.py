"""The contract as reflection serves it: its descriptors, with the comments."""

from __future__ import annotations

import importlib.resources

import library.v1.error_reason_pb2  # noqa: F401 - no message names it, so else reflection would not know the reasons


def contract_descriptors() -> bytes:
    """The serialized FileDescriptorSet that `make generate` writes, source info included."""
    return (importlib.resources.files("library") / "contract.binpb").read_bytes()
