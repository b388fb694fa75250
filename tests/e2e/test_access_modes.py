"""Server processes in the mode `open`: anyone who reaches them may call, so they start only where others do not."""

from __future__ import annotations

import pytest

from tests.support.access_servers import NO_ADMIN
from tests.support.processes import ServerDied, Servers
from tests.support.stores import FreshDatabases, ServerName


@pytest.mark.parametrize("name", ["admin", "frontend"])
def test_an_open_server_that_others_reach_starts_only_if_it_is_allowed(
    databases: FreshDatabases, servers: Servers, name: ServerName
) -> None:
    url = databases.migrated(name, "sqlite")
    settings = {"LISTEN": "0.0.0.0:0", **({"ADMIN_TARGET": NO_ADMIN} if name == "frontend" else {})}
    with pytest.raises(ServerDied, match=f"library-{name}: 0.0.0.0:0 can be reached from other machines"):
        servers.start(name, url, **settings)
    allowed = servers.start(name, url, ALLOW_OPEN="true", **settings)
    assert allowed.stop() == 0
