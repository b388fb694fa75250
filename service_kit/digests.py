"""Digests that fit into an integer column."""

from __future__ import annotations

import hashlib


def digest_64(content: bytes) -> int:
    """Return a digest as a signed number of 64 bits. Different contents can have the same one."""
    return int.from_bytes(hashlib.blake2b(content, digest_size=8).digest(), "big", signed=True)
