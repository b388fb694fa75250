"""Request ids (AIP-155): a request that comes twice is done once."""

from __future__ import annotations

import hashlib

from google.protobuf.message import Message


def request_digest(request: Message) -> str:
    """Sum up the arguments of a request, all but its `request_id`, to know it from another with the same id."""
    plain = type(request)()
    plain.CopyFrom(request)
    plain.ClearField("request_id")
    return hashlib.blake2b(plain.SerializeToString(deterministic=True), digest_size=16).hexdigest()
