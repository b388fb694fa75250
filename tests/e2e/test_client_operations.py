"""The Python client with uploads and operations, blocking and with asyncio, before a server of the tests."""

from __future__ import annotations

import asyncio
import io
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from google.longrunning.operations_pb2 import Operation

from library.admin.v1.import_service_pb2 import IMPORT_FORMAT_MARC, ImportConfig, ImportProgress
from library_client import Admin, LibraryError, aio, file_parts, wait_until_done
from library_client.operations import LONGEST_PAUSE, PART_BYTES, WAIT_SECONDS, Wait
from tests.support.import_target import ImportTarget, operation
from tests.support.processes import ROOT

CONTENT = bytes(range(256)) * 5_000
CONFIG = ImportConfig(format=IMPORT_FORMAT_MARC, source="branch.mrc")


@pytest.fixture
def target() -> Iterator[ImportTarget]:
    started = ImportTarget()
    yield started
    started.stop()


def blocking(address: str, content: bytes, timeout: float | None) -> Operation:
    with Admin(address) as library:
        started = library.imports.StartImport(file_parts(io.BytesIO(content), CONFIG))
        ended: Operation = wait_until_done(library, started, timeout)
        return ended


def with_asyncio(address: str, content: bytes, timeout: float | None) -> Operation:
    async def imported() -> Operation:
        async with aio.Admin(address) as library:
            started = await library.imports.StartImport(file_parts(io.BytesIO(content), CONFIG))
            ended: Operation = await aio.wait_until_done(library, started, timeout)
            return ended

    return asyncio.run(imported())


Imported = Callable[[str, bytes, float | None], Operation]
each_kind = pytest.mark.parametrize("imported", [blocking, with_asyncio])


@each_kind
def test_a_file_is_uploaded_and_its_end_is_waited_for(target: ImportTarget, imported: Imported) -> None:
    target.waits = 3
    ended = imported(target.address, CONTENT, 100)
    assert (ended.name, ended.done) == ("operations/started", True)
    progress = ImportProgress()
    assert ended.metadata.Unpack(progress)
    assert (progress.source, progress.total_bytes) == ("branch.mrc", len(CONTENT))
    (parts,) = target.uploads
    assert [part.HasField("config") for part in parts] == [True, False, False]
    assert b"".join(part.chunk for part in parts) == CONTENT
    assert len(target.asked) == 4


@each_kind
def test_what_does_not_end_in_time_goes_on(target: ImportTarget, imported: Imported) -> None:
    target.waits = 1_000_000
    with pytest.raises(TimeoutError, match="operations/started has not ended in time"):
        imported(target.address, b"a", 0.5)
    assert 2 <= len(target.asked) < 20


def test_an_unknown_operation_is_an_error(target: ImportTarget) -> None:
    with (
        pytest.raises(LibraryError, match="No operation has the name operations/other"),
        Admin(target.address) as admin,
    ):
        wait_until_done(admin, Operation(name="operations/other"))


def test_the_program_of_the_page_imports(
    target: ImportTarget, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    page = (ROOT / "docs" / "clients.md").read_text(encoding="utf-8")
    program = re.search(r"^```python\n(.*?)^```$", page.partition("\n## Python\n")[2], re.MULTILINE | re.DOTALL)
    assert program is not None
    (tmp_path / "branch.mrc").write_bytes(CONTENT)
    monkeypatch.chdir(tmp_path)
    target.response.added_count = 3
    exec(program[1].replace("127.0.0.1:50052", target.address), {})
    assert capsys.readouterr().out == "3 added, 0 refused\n"
    assert b"".join(part.chunk for part in target.uploads[0]) == CONTENT


def test_what_has_ended_is_not_asked_about(target: ImportTarget) -> None:
    ended = operation("a", ImportProgress())
    ended.done = True
    with Admin(target.address) as library:
        assert wait_until_done(library, ended) is ended
    assert target.asked == []


def test_an_empty_file_is_one_message_with_the_config() -> None:
    (part,) = file_parts(io.BytesIO(b""), CONFIG)
    assert (part.config, part.chunk) == (CONFIG, b"")


@pytest.mark.parametrize("size", [PART_BYTES - 1, PART_BYTES, PART_BYTES + 1])
def test_a_part_has_room_in_a_message(size: int) -> None:
    parts = list(file_parts(io.BytesIO(b"x" * size)))
    assert sum(len(part.chunk) for part in parts) == size
    assert len(parts) == (2 if size > PART_BYTES else 1)


def test_pauses_grow_while_answers_come_at_once_and_requests_end_with_the_time() -> None:
    now = 0.0
    wait = Wait("operations/a", 60.0, lambda: now)
    pauses = []
    for _ in range(8):
        assert wait.next_request().timeout.ToTimedelta().total_seconds() == WAIT_SECONDS
        pauses.append(wait.pause())
    assert pauses[:3] == [0.1, 0.2, 0.4]
    assert max(pauses) == LONGEST_PAUSE
    wait.next_request()
    now = 5.0
    assert wait.pause() == 0.0, "the server has waited"
    now = 58.0
    assert wait.next_request().timeout.ToTimedelta().total_seconds() == 2.0
    now = 60.0
    with pytest.raises(TimeoutError):
        wait.next_request()
