"""Counting refused calls, so that a flood of them makes few entries in the audit log.

Refused calls of one caller, method, reason and address are one group. The first call of a group is an entry within
`first_seconds`; those that follow within `group_seconds` are one entry, which counts them. Entries of groups come out
of a budget. When it is used up, calls are counted by their reason alone until it has grown again, so the entries of a
day are bounded for any methods and addresses.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from library.v1.audit_pb2 import AuditEntry
from library_domain.access.audited_objects import MOST_OBJECTS
from service_kit.ids import new_id


@dataclass(frozen=True)
class Limits:
    """How many entries refused calls can make. By default 1,000 at once, and 7,200 a day."""

    first_seconds: float = 1.0
    group_seconds: float = 60.0
    groups: int = 1_000
    """Groups at a time, and the most that the budget can be."""
    budget_per_second: float = 7_200 / 86_400


@dataclass
class _Group:
    """Calls that are counted together since the last entry of them."""

    due: float
    """When the next entry is written, by the monotonic clock."""
    entry: AuditEntry | None = None
    """The next entry; None if no call has come since the last one."""
    objects: dict[str, None] = field(default_factory=dict)


_Key = tuple[str, ...]


class Refusals:
    """The refused calls that no entry counts yet. Threads share it."""

    def __init__(self, limits: Limits, clock: Callable[[], float] = time.monotonic) -> None:
        self.limits = limits
        self._clock = clock
        self._groups: dict[_Key, _Group] = {}
        self._budget = float(limits.groups)
        self._budget_time = clock()
        self._lock = threading.Lock()

    def count(self, entry: AuditEntry) -> None:
        """Count a call, which `entry` describes with a count of 1."""
        now = self._clock()
        key: _Key = (entry.caller_user_id, entry.credential_id, entry.method, entry.reason, entry.address)
        with self._lock:
            group = self._groups.get(key)
            if (group is None or group.entry is None) and not self._spend(now):
                key, entry = (entry.reason,), _by_reason(entry)
                group = self._groups.get(key)
            if group is None:
                group = self._groups[key] = _Group(now + self.limits.first_seconds)
            _add(group, entry)

    def due(self, *, everything: bool = False) -> list[AuditEntry]:
        """Take the entries that are due, or all of them."""
        now = self._clock()
        entries = []
        with self._lock:
            for key, group in list(self._groups.items()):
                if group.due > now and not everything:
                    continue
                if group.entry is None:
                    del self._groups[key]
                    continue
                group.entry.objects.extend(group.objects)
                entries.append(group.entry)
                self._groups[key] = _Group(now + self.limits.group_seconds)
        return entries

    def _spend(self, now: float) -> bool:
        """Take one entry out of the budget. Return False if it is used up."""
        grown = self._budget + (now - self._budget_time) * self.limits.budget_per_second
        self._budget, self._budget_time = min(grown, float(self.limits.groups)), now
        if self._budget < 1:
            return False
        self._budget -= 1
        return True


def _by_reason(entry: AuditEntry) -> AuditEntry:
    """Return an entry for calls of any caller and method that were refused for one reason."""
    return AuditEntry(id=new_id(), time=entry.time, reason=entry.reason, result=entry.result, call_count=1)


def _add(group: _Group, entry: AuditEntry) -> None:
    if group.entry is None:
        group.entry = AuditEntry()
        group.entry.CopyFrom(entry)
        group.entry.ClearField("objects")
    else:
        group.entry.call_count = min(group.entry.call_count + 1, 2**31 - 1)
    room = MOST_OBJECTS - len(group.objects)
    group.objects.update(dict.fromkeys([text for text in entry.objects if text not in group.objects][:room]))
