"""The time zone of the machine."""

from __future__ import annotations

from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import tzlocal


def machine_zone() -> ZoneInfo:
    """Return the zone that the variable TZ or the machine's settings name, or UTC if that is not an IANA name."""
    try:
        return ZoneInfo(tzlocal.get_localzone_name() or "UTC")
    except (ZoneInfoNotFoundError, ValueError, OSError):  # a name that is not known, two settings that differ, a folder
        return ZoneInfo("UTC")
