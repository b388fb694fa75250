"""Stores, logs and back-ups can be read by their user only, with any umask, from their first moment."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

from service_kit.private_files import close_to_others, make_folder, open_to_append
from tests.e2e.test_cli_up import Up
from tests.support.processes import ROOT
from tests.support.stores import FreshDatabases

UMASKS = [0o000, 0o777]


def open_to_others(folder: Path) -> list[str]:
    """Return what in a folder, and below it, others than the owner may do something with, as `ls -l` shows it."""
    found = []
    for path in [folder, *folder.rglob("*")]:
        try:
            mode = path.lstat().st_mode
        except FileNotFoundError:
            continue  # while a program is at work
        if mode & 0o077:
            found.append(f"{stat.filemode(mode)} {path.name}")
    return found


@contextmanager
def never_open(folder: Path) -> Iterator[None]:
    """Watch a folder, and fail where anything below it was open at some time."""
    found: set[str] = set()
    is_over = threading.Event()

    def watch() -> None:
        while not is_over.wait(0.001):
            for path in folder.iterdir():
                found.update(open_to_others(path))

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield
    finally:
        is_over.set()
        watcher.join()
    assert found == set()


def run(
    *arguments: str, cwd: Path, umask: int = 0, variables: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("LIBRARY_")}
    path = os.pathsep.join([str(ROOT), str(ROOT / "generated")])
    return subprocess.run(
        [sys.executable, "-m", *arguments],
        cwd=cwd,
        env={**environment, "PYTHONPATH": path, **(variables or {})},
        umask=umask,
        capture_output=True,
        text=True,
        check=True,
    )


@pytest.mark.parametrize("umask", UMASKS)
def test_a_new_store_and_the_folders_made_for_it_are_private(tmp_path: Path, umask: int) -> None:
    with never_open(tmp_path):
        run("admin_server", "migrate", "--database-url", "sqlite:///a/b/library.db", cwd=tmp_path, umask=umask)
    assert (tmp_path / "a" / "b" / "library.db").stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "a").stat().st_mode & 0o777 == (tmp_path / "a" / "b").stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize(("folder", "is_own"), [("shared", False), (".data", True)])
def test_an_old_store_is_closed_and_a_folder_that_is_not_the_librarys_own_is_not(
    tmp_path: Path, folder: str, is_own: bool
) -> None:
    shared = tmp_path / folder
    shared.mkdir()
    run("frontend_server", "migrate", "--database-url", f"sqlite:///{folder}/library.db", cwd=tmp_path)
    (shared / "library.db.before-restore-1-wal").touch()
    (shared / "other").touch()
    for file in [shared / "other", *shared.glob("library.db*")]:
        file.chmod(0o644)
    shared.chmod(0o755)
    done = run("frontend_server", "migrate", "--database-url", f"sqlite:///{folder}/library.db", cwd=tmp_path)
    rest = ["-rw-r--r-- other"]
    assert open_to_others(shared) == (rest if is_own else [f"drwxr-xr-x {folder}", *rest])
    lines = [line for line in done.stderr.splitlines() if "private now" in line]
    assert len(lines) == 1
    assert "library.db" in lines[0]
    done = run("frontend_server", "migrate", "--database-url", f"sqlite:///{folder}/library.db", cwd=tmp_path)
    assert "private" not in done.stderr


@pytest.mark.slow
def test_library_up_makes_private_files_and_closes_those_of_an_earlier_version(tmp_path: Path) -> None:
    data = tmp_path / "data"
    before = os.umask(0)
    try:
        with never_open(tmp_path):
            up = Up(data)
            up.wait_until_open()
            assert up.end(signal.SIGINT)[0] == 0
        assert {file.name for file in data.iterdir()} >= {"admin.db", "frontend.db", "admin.log", "rest.log"}
        for path in [data, *data.iterdir()]:
            path.chmod(0o755 if path.is_dir() else 0o644)
        up = Up(data)
        up.wait_until_open()
        assert open_to_others(data) == []
        status, output = up.end(signal.SIGINT)
    finally:
        os.umask(before)
    assert status == 0
    assert sum("Other users could read these files until now" in line for line in output.splitlines()) == 1
    assert open_to_others(data) == []


def test_back_ups_and_what_a_restore_puts_back_and_keeps_are_private(databases: FreshDatabases, tmp_path: Path) -> None:
    folders = {}
    variables = {}
    for name in ("admin", "frontend"):
        folders[name] = tmp_path / name
        folders[name].mkdir(mode=0o700)
        variables[f"LIBRARY_{name.upper()}_DATABASE_URL"] = f"sqlite:///{folders[name]}/library.db"
        run(f"{name}_server", "migrate", cwd=tmp_path, variables=variables)
    with never_open(tmp_path):
        run("library_cli", "backup", "backups/today", cwd=tmp_path, variables=variables)
    for folder in folders.values():
        (folder / "library.db").chmod(0o644)
    run("library_cli", "restore", "backups/today", cwd=tmp_path, variables=variables)
    for path in (*folders.values(), tmp_path / "backups"):
        assert open_to_others(path) == []
    assert any(".before-restore-" in file.name for file in folders["admin"].iterdir())


def test_a_file_of_another_user_is_left_and_logged(caplog: pytest.LogCaptureFixture, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "file").chmod(0o644)
    # A device is not a file of the library's, though a log may lead there.
    assert close_to_others([Path("/dev/null"), tmp_path / "none", tmp_path / "file"]) == [tmp_path / "file"]
    is_root = os.geteuid() == 0
    if is_root:
        os.seteuid(65534)
    try:
        assert close_to_others([Path("/etc/passwd")]) == []
    finally:
        if is_root:
            os.seteuid(0)
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert Path("/dev/null").stat().st_mode & 0o777 == 0o666


@pytest.mark.parametrize("umask", UMASKS)
def test_a_folder_that_exists_is_left_and_a_log_goes_on_at_its_end(tmp_path: Path, umask: int) -> None:
    (tmp_path / "there").mkdir()
    (tmp_path / "there").chmod(0o755)
    before = os.umask(umask)
    try:
        make_folder(tmp_path / "there" / "new" / "newer")
        for line in (b"1\n", b"2\n"):
            with open_to_append(tmp_path / "there" / "log") as log:
                log.write(line)
    finally:
        os.umask(before)
    assert (tmp_path / "there").stat().st_mode & 0o777 == 0o755
    assert {path.stat().st_mode & 0o777 for path in (tmp_path / "there").rglob("new*")} == {0o700}
    assert (tmp_path / "there" / "log").stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "there" / "log").read_bytes() == b"1\n2\n"
