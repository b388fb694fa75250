"""Ids that sort by the time of their making."""

from __future__ import annotations

import uuid_utils


def new_id() -> str:
    """Make a UUIDv7 (RFC 9562), lower case with hyphens."""
    return str(uuid_utils.uuid7())
