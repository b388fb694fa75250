"""Which tests one worker runs, one after another: those of a file, and of a file on both engines those of each."""

from __future__ import annotations

import re

from xdist.scheduler import LoadScopeScheduling

WHOLE = ("tests/soak/",)
"""Folders whose files are not shared: a soak judges how busy the machine is, and its halves would disturb it."""

_ON_POSTGRESQL = re.compile(r"\[(.*-)?postgresql(-.*)?\]\Z", re.DOTALL)


class ByFileAndEngine(LoadScopeScheduling):  # type: ignore[misc]
    """Of a file, the tests on each engine have servers and stores of their own, so two workers share it at no cost."""

    def _split_scope(self, nodeid: str) -> str:
        file, _, test = nodeid.partition("::")
        if file.startswith(WHOLE):
            return file
        return f"{file} on PostgreSQL" if _ON_POSTGRESQL.search(test) else file
