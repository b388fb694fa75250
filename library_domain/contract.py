"""The contract as reflection serves it: its descriptors, with the comments."""

from __future__ import annotations

import importlib.resources


def contract_descriptors() -> bytes:
    """The serialized FileDescriptorSet that `make generate` writes, source info included."""
    return (importlib.resources.files("library") / "contract.binpb").read_bytes()
