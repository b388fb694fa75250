"""No command shows a password of a database URL, or a piece of it, however odd the URL is."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import grpc
import psycopg
import pytest

from library.admin.v1.catalog_service_pb2 import AddBookRequest
from service_kit.database_urls import HIDDEN, safe_url
from tests.support.clients import STATUS_DETAILS
from tests.support.postgresql import PostgresqlServer
from tests.support.processes import ROOT, Servers
from tests.support.stores import FreshDatabases

SECRETS = [
    "zqxjkvbw",  # plain, for the other forms
    "zqxj%kvbw",
    "zqxjkvbw%",
    "%zqxjkvbw",
    "zqxj%zzkvbw",
    "zqxj@kvbw",
    "zqxj@@kvbw",
    "@zqxjkvbw",
    "zqxjkvbw@",
    "zqxj@kvbw@yfgh",
    "zqxj/kvbw",
    "4711/kvbw",
    "zqxj@kvbw/yfgh",
    "zqxj?kvbw",
    "zqxj@yfgh?kvbw",
    "zqxj@yfgh?kvbw=1",
    "zqxj#kvbw",
    "zqxj@yfgh#kvbw",
    "zqxj kvbw",
    "zqxj@yfgh kvbw",
    "zqxj:kvbw",
    "zqxj@yfgh:kvbw",
    "zqxj@yfgh,kvbw",
    "zqxj&kvbw",
    "zqxj=kvbw",
    "zqxj[kvbw]",
    "zqxj@[kvbw]",
    "zqxj\\kvbw",
    "zqxj'kvbw",
    'zqxj"kvbw',
    "zqxj\nkvbw",
    "zqxjükvbw",
    "zqxj%40kvbw",
    "zqxj%2Fkvbw",
    "zqxj%00kvbw",
]
FORMS = [
    "postgresql://user:{}@127.0.0.1:1/library",
    "postgres://user:{}@127.0.0.1:1,127.0.0.1:2/library",
    "postgresql://user@127.0.0.1:1/library?password={}&sslpassword={}",
    "sqlite://user:{}@127.0.0.1:1/library",
    "host=127.0.0.1 port=1 user=user password={}",
]
OTHERS = [
    "postgresql://user:zqxjkvbw@[::1]:1/library",
    "postgresql://user:zqxjkvbw@[::1/library",
    "postgresql://user:zqxjkvbw@/library?host=/nowhere",
    "postgresql://user:zqxjkvbw@%2Fnowhere/library",
    "postgresql:///library?host=127.0.0.1&port=1&user=user&password=zqxjkvbw",
    "postgresql://127.0.0.1:1/library?user=user&passwort=zqxjkvbw",
    "postgresql://127.0.0.1:1/library?options=-cpassword%3Dzqxjkvbw",
    "postgresql://127.0.0.1:1/library?sslmode=zqxjkvbw",
    "postgresql://127.0.0.1:1/library?password=zqxj&kvbw",
    "postgresql:user:zqxjkvbw@127.0.0.1/library",
    "postgresql:/user:zqxjkvbw@127.0.0.1/library",
    "POSTGRESQL://user:zqxjkvbw@127.0.0.1:1/library",
    "postgresql+psycopg://user:zqxjkvbw@127.0.0.1:1/library",
    "mysql://user:zqxjkvbw@127.0.0.1/library",
    "//user:zqxjkvbw@127.0.0.1/library",
    "user:zqxjkvbw@127.0.0.1/library",
    "dbname=library host='127.0.0.1' password='zqxj kvbw'",
    "sqlite:user:zqxjkvbw@127.0.0.1/library",
    "sqlite:///user:zqxjkvbw@127.0.0.1/library",
    "sqlite:///postgresql://user:zqxjkvbw@127.0.0.1/library",
    "sqlite:///nowhere/library.db?password=zqxjkvbw",
    "sqlite:///nowhere/library.db#zqxjkvbw",
    " postgresql://user:zqxjkvbw@127.0.0.1:1/library",
]
URLS = [form.replace("{}", secret) for form in FORMS for secret in SECRETS] + OTHERS
LETTERS = ["zqxj", "kvbw", "yfgh"]
"""What the secrets are made of: no message has these letters in a row."""

RUN_ALL = """
import importlib, json, os, sys, traceback

def run(program, *arguments):
    module = importlib.import_module(program)
    sys.argv = [program, *arguments]
    try:
        module.main()
    except SystemExit as end:
        if isinstance(end.code, str):
            print(end.code, file=sys.stderr)
        return
    except BaseException:
        traceback.print_exc()
    print("NOT REFUSED", program, arguments)

folder, urls = sys.argv[1], json.load(sys.stdin)
for url in urls:
    for variable in ("LIBRARY_ADMIN_DATABASE_URL", "LIBRARY_FRONTEND_DATABASE_URL"):
        os.environ[variable] = url.replace(chr(0), "")
    for program in ("admin_server.__main__", "frontend_server.__main__"):
        run(program, "serve", "--listen", "127.0.0.1:0")
        run(program, "migrate")
    run("admin_server.__main__", "accept-frontend", "00000000-0000-0000-0000-00000000000f")
    run("frontend_server.__main__", "accept-clock", "--yes", "--database-url", url)
    run("library_cli.__main__", "backup", folder + "/backup")
    run("library_cli.__main__", "backup", folder + "/backup", "--admin-database-url", url)
    run("library_cli.__main__", "restore", folder + "/good")
    run("library_cli.__main__", "verify", folder + "/backup")
run("library_cli.__main__", "users", "--frontend-target", "127.0.0.1:1")
run("library_cli.__main__", "status", "--frontend-target", "127.0.0.1:1", "--admin-target", "127.0.0.1:1")
"""


def pieces_in(text: str) -> set[str]:
    return {piece for piece in LETTERS if piece in text}


def test_there_are_many_odd_urls() -> None:
    assert len(set(URLS)) > 150


@pytest.mark.parametrize("url", ["postgresql://user:zqxjkvbw@h/db", *URLS])
def test_what_is_shown_of_a_url_has_no_piece_of_the_secret(url: str) -> None:
    assert not pieces_in(safe_url(url))


def test_no_command_shows_a_piece_of_the_secret(databases: FreshDatabases, tmp_path: Path) -> None:
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("LIBRARY_")},
        "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "generated")]),
    }
    urls = {
        "LIBRARY_ADMIN_DATABASE_URL": databases.migrated("admin", "sqlite"),
        "LIBRARY_FRONTEND_DATABASE_URL": databases.migrated("frontend", "sqlite"),
    }
    subprocess.run(
        [sys.executable, "-m", "library_cli", "backup", str(tmp_path / "good")],
        env={**environment, **urls}, cwd=tmp_path, check=True, capture_output=True,
    )  # fmt: skip
    done = subprocess.run(
        [sys.executable, "-c", RUN_ALL, str(tmp_path)],
        input=json.dumps(URLS), env=environment, cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-5_000:]
    lines = [line for line in (done.stdout + done.stderr).splitlines() if pieces_in(line)]
    assert lines == []
    assert "NOT REFUSED" not in done.stdout
    assert "Traceback" not in done.stderr
    assert not [file for file in tmp_path.rglob("*") if pieces_in(str(file))]


@pytest.fixture(scope="module")
def forkery() -> None:
    """Fork no servers: what the system shows of a process is that of a program of its own."""


def test_a_server_that_runs_shows_no_piece_of_its_password(
    servers: Servers, databases: FreshDatabases, postgresql: PostgresqlServer
) -> None:
    url = databases.migrated("admin", "postgresql")
    name = postgresql.name_of(url)
    with psycopg.connect(url) as connection:
        parameters = connection.info.get_parameters()
        host, user = connection.info.host, connection.info.user
    port = parameters.get("port", "5432")
    given = f"postgresql://{user}:zqxj%40kvbw@/{name}?host={host}&port={port}&sslpassword=yfgh"
    admin = servers.start("admin", given)
    assert not pieces_in(Path(f"/proc/{admin.pid}/cmdline").read_text())
    catalog = admin.admin().catalog
    catalog.AddBook(AddBookRequest(title="Emma"))
    postgresql.rename(name, f"{name}_away")  # so that the next call finds no database, which is logged
    with pytest.raises(grpc.RpcError) as failed:
        catalog.AddBook(AddBookRequest(title="Emma"))
    error: Any = failed.value
    shown = [str(error), *(str(value) for key, value in error.trailing_metadata() if key == STATUS_DETAILS)]
    logged = admin.log.read_text()
    assert "store unavailable" in logged
    assert not pieces_in("".join([*shown, logged]))
    assert HIDDEN not in logged
