"""Etags: identifiers of the versions of a resource (AIP-154)."""

from __future__ import annotations


def etag_of(revision: int, update_time: int) -> str:
    """Return the etag of the version of a row with this revision and time, in microseconds since 1970.

    It includes the time, as a store restored from a backup uses revisions again.
    """
    return f"{revision:x}-{update_time:x}"
