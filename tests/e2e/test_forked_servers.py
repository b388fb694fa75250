"""Servers that the tests fork end as programs of their own do, and the tests see how."""

from __future__ import annotations

import signal

from tests.support.processes import Servers
from tests.support.stores import FreshDatabases


def test_the_exit_status_of_a_forked_server_is_known(servers: Servers, databases: FreshDatabases) -> None:
    server = servers.start("admin", databases.migrated("admin", "sqlite"))
    assert server.kill() == -signal.SIGKILL
    server.start()
    assert server.stop() == 0
    nowhere = servers.prepare("admin", "mysql://user@host/name")
    nowhere.launch()
    assert nowhere.wait() == 1
    assert "cannot open the store" in nowhere.log_tail()
