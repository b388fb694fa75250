"""The contract that reflection serves: its descriptors, with the comments."""

from __future__ import annotations

import importlib.resources

import library.v1.error_reason_pb2  # noqa: F401 - no message refers to it, so it has to be loaded for reflection


def contract_descriptors() -> bytes:
    """Return the serialized FileDescriptorSet that `make generate` writes, with source info."""
    return (importlib.resources.files("library") / "contract.binpb").read_bytes()
