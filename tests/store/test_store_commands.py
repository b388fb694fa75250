"""The commands that work on a store and end, in this process: they leave no connection open."""

from __future__ import annotations

import importlib

import pytest
from click.testing import CliRunner

from service_kit.ids import new_id
from tests.support.postgresql import PostgresqlServer
from tests.support.stores import FreshDatabases, ServerName


@pytest.mark.parametrize(
    ("server", "arguments"),
    [("admin", ["migrate"]), ("frontend", ["migrate"]), ("admin", ["accept-frontend", new_id()])],
)
def test_a_command_that_ends_closes_its_store(
    databases: FreshDatabases,
    postgresql: PostgresqlServer,
    server: ServerName,
    arguments: list[str],
) -> None:
    url = databases.migrated(server, "postgresql")
    command = importlib.import_module(f"{server}_server.__main__")

    done = CliRunner().invoke(command.commands, [*arguments, "--database-url", url])

    assert (done.exit_code, done.exception) == (0, None), done.output
    assert postgresql.wait_until_unused(postgresql.name_of(url))
