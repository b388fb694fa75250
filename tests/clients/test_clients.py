"""The clients of docs/clients.md, as printed there: generated, built, and run against real servers."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

import grpc
import pytest

from library.admin.v1.catalog_service_pb2 import AddBookRequest
from library.frontend.v1.catalog_service_pb2 import GetBookRequest
from library.v1.book_pb2 import Book
from tests.support.clients import AdminClient, FrontendClient
from tests.support.processes import ROOT, Servers
from tests.support.stores import FreshDatabases
from tests.support.third_party import require

SECTIONS = dict(
    re.findall(r"^## (\w+)\n(.*?)(?=^## |\Z)", (ROOT / "docs/clients.md").read_text(), re.MULTILINE | re.DOTALL)
)
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
CACHE = ROOT / ".tools" / "cache"

BUILD_SECONDS = 1500.0
"""Enough for a slow machine that has to download everything first."""

TOOLS = {"Go": ["buf", "go"], "TypeScript": ["buf", "node", "npm"], "Java": ["javac", "mvn"]}
SHOWN = {
    "Go": ["go/buf.gen.yaml", "go/main.go"],
    "TypeScript": ["typescript/buf.gen.yaml", "typescript/src/borrow.ts"],
    "Java": ["java/src/main/java/org/example/Borrow.java"],
}


@dataclass
class Library:
    """Both servers, called through stubs to prepare and to check."""

    address: str
    admin: AdminClient
    frontend: FrontendClient

    def book(self, title: str, copies: int) -> Book:
        """Add a book, and wait until patrons see it."""
        book = self.admin.catalog.AddBook(AddBookRequest(title=title, copies=copies), timeout=60)
        deadline = time.monotonic() + 100
        while not self._has(book.id):
            assert time.monotonic() < deadline
            time.sleep(0.02)
        return book

    def available(self, book: Book) -> int:
        """The number of its copies that can be borrowed."""
        return self.frontend.catalog.GetBook(GetBookRequest(id=book.id), timeout=60).available_copies

    def _has(self, book_id: str) -> bool:
        try:
            self.frontend.catalog.GetBook(GetBookRequest(id=book_id), timeout=60)
        except grpc.RpcError as error:
            assert error.code() is grpc.StatusCode.NOT_FOUND
            return False
        return True


@pytest.fixture(scope="module")
def library(module_servers: Servers, databases: FreshDatabases) -> Library:
    admin = module_servers.start("admin", databases.migrated("admin", "sqlite"))
    url = databases.migrated("frontend", "sqlite")
    frontend = module_servers.start("frontend", url, ADMIN_TARGET=admin.address, SYNC_INTERVAL="0.1")
    return Library(frontend.address, admin.admin(), frontend.frontend())


@pytest.mark.parametrize("language", SHOWN)
def test_the_page_shows_the_client_as_it_is(language: str) -> None:
    shown = [block for kind, block in BLOCK.findall(SECTIONS[language]) if kind != "sh"]
    assert shown == [(ROOT / "tests/clients" / name).read_text() for name in SHOWN[language]]


@pytest.mark.slow
@pytest.mark.timeout(BUILD_SECONDS + 100)
@pytest.mark.parametrize("language", TOOLS)
def test_a_client_in_another_language_borrows(library: Library, language: str, tmp_path: Path) -> None:
    for tool in TOOLS[language]:
        require(tool)
    title = f"Novel{language}"
    book = library.book(title, copies=2)

    folder = tmp_path / language
    made = shutil.ignore_patterns("gen", "node_modules", "dist", "target")
    shutil.copytree(ROOT / "tests/clients" / language.lower(), folder, ignore=made)
    commands = [block for kind, block in BLOCK.findall(SECTIONS[language]) if kind == "sh"]
    (typed,) = (block.replace("127.0.0.1:50051", library.address).replace("neuromancer", title) for block in commands)

    lines = output_of(typed, folder)
    assert library.available(book) == 0
    due = lines[0].removeprefix(f"borrowed {title} until ")
    assert re.fullmatch(r"\d{4}-\d\d-\d\d", due)
    assert lines[1] == lines[0]
    assert lines[2].startswith(f"refused: Every copy of the book {book.id} is ")
    assert re.fullmatch(rf"reason: NO_COPY_AVAILABLE {due}T\S+Z", lines[3])
    assert len(lines) == 4
    # For a second visitor all that has been built is there, and the program works as well.
    assert output_of(typed.splitlines()[-1], folder) == lines[2:]


def output_of(commands: str, folder: Path) -> list[str]:
    """Run the commands in the folder of a client, and return the lines that the client writes."""
    caches = {
        "npm_config_cache": str(CACHE / "npm"),
        "MAVEN_OPTS": f"{os.environ.get('MAVEN_OPTS', '')} -Dmaven.repo.local={CACHE / 'maven'}",
    }
    done = subprocess.run(
        ["bash", "-euc", commands],
        cwd=folder,
        env={**os.environ, "PROTOS": str(ROOT / "protos"), **caches},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=BUILD_SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    plain = re.sub(r"\x1b\[[\d;]*m", "", done.stdout)  # some Maven colours what goes to a file, too
    return [line for line in plain.splitlines() if line.startswith(("borrowed", "refused:", "reason:"))]
