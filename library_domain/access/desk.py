"""Fields of requests that say who works at the desk, and which refusals are overridden."""

from __future__ import annotations

from typing import Any

from google.protobuf.descriptor import Descriptor

from library.access.v1.access_pb2 import ROLE_MANAGER
from library_domain.access.callers import EACH, Caller
from library_domain.access.errors import OverrideNotPermitted

STAFF = "staff"
OVERRIDES = "overrides"

MOST_OF_STAFF = 100
"""The most characters of the field `staff`."""

MOST_NAMED = 20
"""The most refusals that an error names."""


class DeskFields:
    """The fields of the requests of a method."""

    def __init__(self, request: Descriptor) -> None:
        """Take the type of the requests."""
        self._has_staff = STAFF in request.fields_by_name
        self._has_overrides = OVERRIDES in request.fields_by_name

    @staticmethod
    def are_in(request: Descriptor) -> bool:
        """Return whether a request has one of the fields."""
        return STAFF in request.fields_by_name or OVERRIDES in request.fields_by_name

    def apply(self, request: Any, caller: Caller) -> None:
        """Set `staff` to the name of the caller, and check which refusals the caller overrides.

        Raises:
            OverrideNotPermitted: The caller may not override one of them.
        """
        if self._has_overrides and request.overrides:
            check_overrides({override.refusal for override in request.overrides}, caller)
        if self._has_staff:
            request.staff = caller.display_name[:MOST_OF_STAFF]


def check_overrides(refusals: set[str], caller: Caller) -> None:
    """Raise `OverrideNotPermitted` for refusals that the caller may not override."""
    if caller.role >= ROLE_MANAGER or caller.override_reasons == EACH:
        return
    forbidden = sorted(refusals - caller.override_reasons)[:MOST_NAMED]
    if forbidden:
        raise OverrideNotPermitted(refusals=", ".join(name[:100] for name in forbidden))
