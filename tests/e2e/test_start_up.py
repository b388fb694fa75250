"""A server that cannot start prints the cause in one sentence, without the password, and ends with exit status 1."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest

from tests.support.postgresql import PostgresqlServer
from tests.support.processes import ROOT
from tests.support.stores import FreshDatabases, ServerName

PASSWORD = "open-sesame-7"


def run(tmp_path: Path, server: ServerName, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run `library-admin` or `library-frontend` to its end, which has to come by itself."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("LIBRARY_")}
    environment["PYTHONPATH"] = os.pathsep.join([str(ROOT), str(ROOT / "generated")])
    command = [sys.executable, "-m", f"{server}_server", *arguments]
    return subprocess.run(
        command, env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=100, check=False
    )


def complaint(done: subprocess.CompletedProcess[str], server: ServerName) -> str:
    """The one sentence that the program ends with. gRPC's own core may log a line of its own before it."""
    assert done.returncode == 1, done
    assert done.stdout == ""
    *lines, last = done.stderr.splitlines()
    assert [line for line in lines if "add_port.cc" not in line and '"event": "listening"' not in line] == []
    assert last.startswith(f"library-{server}: ")
    return last.removeprefix(f"library-{server}: ")


@pytest.mark.parametrize("server", ["admin", "frontend"])
def test_a_taken_port(tmp_path: Path, server: ServerName) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        done = run(tmp_path, server, "serve", "--listen", address, "--database-url", "sqlite:///library.db")
    assert complaint(done, server) == (
        f"cannot listen on {address}: another program has the port, or the address is not this machine's. "
        "Stop that program or listen elsewhere (--listen HOST:PORT)."
    )


UNUSABLE = [
    (f"postgresql://library:{PASSWORD}@127.0.0.1:1/library", "postgresql://library@127.0.0.1:1/library: connection"),
    (f"postgresql://127.0.0.1:1/library?user=library&password={PASSWORD}", "postgresql://127.0.0.1:1/library: conn"),
    (f"postgres://library:{PASSWORD}@[::1/library", "cannot open the store: the database URL cannot be read"),
    (f"mysql://library:{PASSWORD}@127.0.0.1/library", "a database URL begins with sqlite:/// or postgresql://, and "),
    ("library.db", "a database URL begins with sqlite:/// or postgresql://, and this one does not"),
    ("sqlite:///", "a SQLite URL names a file, as in sqlite:///library.db"),
    ("sqlite:///folder", "cannot open the store sqlite:///{here}/folder: "),
    ("sqlite:///text", "cannot open the store sqlite:///{here}/text: "),
    ("sqlite:///text/library.db", "cannot make the folder text for the store: File exists"),
]


@pytest.mark.parametrize(("url", "expected"), UNUSABLE)
def test_an_unusable_database_url(tmp_path: Path, url: str, expected: str) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "text").write_text("Not a database, but a text, and one that is longer than the header of one. " * 9)
    done = run(tmp_path, "admin", "serve", "--listen", "127.0.0.1:0", "--database-url", url)
    assert expected.replace("{here}", str(tmp_path)) in complaint(done, "admin")
    assert PASSWORD not in done.stderr


@pytest.mark.parametrize("command", ["serve", "migrate"])
def test_the_frontend_and_migrate_report_it_too(tmp_path: Path, command: str) -> None:
    url = f"postgresql://library:{PASSWORD}@127.0.0.1:1/library"
    done = run(tmp_path, "frontend", command, "--database-url", url)
    assert "cannot open the store postgresql://library@127.0.0.1:1/library: " in complaint(done, "frontend")
    assert PASSWORD not in done.stderr


def test_a_missing_database(tmp_path: Path, postgresql: PostgresqlServer) -> None:
    done = run(tmp_path, "admin", "serve", "--listen", "127.0.0.1:0", "--database-url", postgresql.url("nowhere"))
    assert 'database "nowhere" does not exist' in complaint(done, "admin")


def test_a_store_that_may_not_be_migrated(tmp_path: Path, databases: FreshDatabases) -> None:
    """Since PostgreSQL 15 a user may make no tables in a database of somebody else's."""
    url = databases.empty("postgresql")
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("DROP ROLE IF EXISTS guest")
        connection.execute(f"CREATE ROLE guest LOGIN PASSWORD '{PASSWORD}'")
    guests_url = with_user(url, f"guest:{PASSWORD}")
    done = run(tmp_path, "admin", "serve", "--listen", "127.0.0.1:0", "--database-url", guests_url)
    printed = complaint(done, "admin")
    assert printed.startswith("cannot bring the store postgresql://guest@")
    assert "permission denied for schema public" in printed
    assert PASSWORD not in done.stderr


def with_user(url: str, user: str) -> str:
    """The URL of a database, for another user of it."""
    scheme, _, rest = url.partition("://")
    return f"{scheme}://{user}@{rest.rpartition('@')[2]}"
