"""What is a backup, and what is not: damage is found, and a restore that was interrupted."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from library_domain.stores import FACTS
from service_kit.backup.checking import check_backup
from service_kit.backup.folder import BackupError
from service_kit.sqlite.files import sibling
from service_kit.store import StoreSettingsError, open_store
from tests.support.backup_commands import SERVICES, done, refusal, run
from tests.support.stores import FreshDatabases

# --- what a backup is, and what not ---


@pytest.fixture(scope="module")
def backup(databases: FreshDatabases, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A backup of small stores."""
    folder = tmp_path_factory.mktemp("backups") / "monday"
    done(run("backup", folder, **{service: databases.migrated(service, "sqlite") for service in SERVICES}))
    return folder


def test_a_folder_that_exists_is_left_alone(databases: FreshDatabases, tmp_path: Path, backup: Path) -> None:
    urls = {service: databases.migrated(service, "sqlite") for service in SERVICES}
    (tmp_path / "file").write_text("Mine")
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "mine").touch()
    (tmp_path / "empty").mkdir()
    for name in ("file", "folder"):
        assert f"{name} exists already" in refusal(run("backup", tmp_path / name, **urls))
    done(run("backup", tmp_path / "empty", **urls))
    done(run("backup", tmp_path / "new" / "and deep", **urls))
    for name in ("empty", "new/and deep"):
        done(run("verify", tmp_path / name))
    assert "cannot write into" in refusal(run("backup", tmp_path / "file" / "below", **urls))


def test_without_a_name_a_backup_has_that_of_its_time(
    databases: FreshDatabases, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    printed = done(run("backup", **{service: databases.migrated(service, "sqlite") for service in SERVICES}))
    (made,) = (tmp_path / "backups").iterdir()
    assert re.fullmatch(r"\d{8}-\d{6}", made.name)
    assert printed.startswith(f"The backup backups/{made.name} of ")
    done(run("verify", made))


def linked(file: Path) -> None:
    shutil.move(file, file.parent.parent / "moved")
    file.symlink_to(file.parent.parent / "moved")


def swapped(folder: Path) -> None:
    (folder / "admin.db").rename(folder / "third")
    (folder / "frontend.db").rename(folder / "admin.db")
    (folder / "third").rename(folder / "frontend.db")


def edited(folder: Path, old: str, new: str) -> None:
    path = folder / "manifest.json"
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new, 1))


DAMAGES: dict[str, tuple[Callable[[Path], object], str]] = {
    "no manifest": (lambda folder: (folder / "manifest.json").unlink(), "has no manifest.json"),
    "an empty manifest": (lambda folder: (folder / "manifest.json").write_bytes(b""), "manifest.json was changed"),
    "a missing file": (lambda folder: (folder / "admin.db").unlink(), "admin.db is missing"),
    "an empty file": (lambda folder: (folder / "admin.db").write_bytes(b""), "admin.db has 0 bytes instead of"),
    "a stray file": (lambda folder: (folder / "admin.db-wal").touch(), "admin.db-wal does not belong to the backup"),
    "a stray folder": (lambda folder: (folder / "x").mkdir(), "x does not belong to the backup"),
    "a link": (lambda folder: linked(folder / "frontend.db"), "frontend.db is not a file"),
    "swapped files": (swapped, "bytes instead of|was changed"),
    "a newer format": (
        lambda folder: edited(folder, '"format": 1', '"format": 2'),
        "has a format of a newer version of this program: 2",
    ),
    "another count": (lambda folder: edited(folder, '"book": 0', '"book": 1'), "manifest.json was changed"),
    "a text": (lambda folder: (folder / "manifest.json").write_text("[1, 2]"), "manifest.json was changed"),
    "nothing": (shutil.rmtree, "is not a folder"),
}


@pytest.mark.parametrize("kind", DAMAGES)
def test_a_damaged_backup_is_refused_with_its_damage_and_not_restored(tmp_path: Path, backup: Path, kind: str) -> None:
    damage, expected = DAMAGES[kind]
    folder = shutil.copytree(backup, tmp_path / "copy")
    damage(folder)
    for result in (run("verify", folder), run("restore", folder, "--data-dir", tmp_path / "data")):
        assert any(part in refusal(result) for part in expected.split("|"))
    assert not (tmp_path / "data").exists()


def test_each_flipped_bit_and_each_cut_is_found(tmp_path: Path, backup: Path) -> None:
    folder = shutil.copytree(backup, tmp_path / "copy")
    done(run("verify", folder))
    for file in sorted(folder.iterdir()):
        whole = file.read_bytes()
        step = 1 if file.name == "manifest.json" else len(whole) // 40
        for place in range(0, len(whole), step):
            changed = bytearray(whole)
            changed[place] ^= 1 << place % 8
            file.write_bytes(changed)
            with pytest.raises(BackupError):
                check_backup(folder, FACTS)
        for size in (0, 1, len(whole) // 2, len(whole) - 1):
            file.write_bytes(whole[:size])
            refusal(run("verify", folder))
        file.write_bytes(whole + b"\n")
        refusal(run("verify", folder))
        file.write_bytes(whole)
    done(run("verify", folder))
    assert sorted(file.name for file in folder.iterdir()) == ["admin.db", "frontend.db", "manifest.json"]


# --- a restore that is interrupted ---


@pytest.mark.parametrize("step", range(9))
def test_an_interrupted_restore_is_refused_by_a_start_until_it_is_done_again(
    databases: FreshDatabases, tmp_path: Path, backup: Path, step: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Interrupted before each of its changes to the folder in turn: the old store is there, or the new one, or neither
    is used."""
    url = databases.migrated("admin", "sqlite")
    path = Path(url.removeprefix("sqlite:///"))
    store = open_store(url)
    store.database.execute_sql("CREATE TABLE noted (number INTEGER)")
    store.close()
    for suffix in ("-wal", "-shm"):  # as of a crash
        sibling(path, suffix).touch()
    replace, steps = Path.replace, iter(range(100))

    def interrupted(self: Path, target: Path) -> Path:
        if next(steps) == step:
            raise KeyboardInterrupt
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", interrupted)
    first = run("restore", backup, "--only", "admin", admin=url)
    monkeypatch.undo()
    is_complete = first.exit_code == 0
    assert is_complete == (step >= 5)
    if 0 < step < 5:
        with pytest.raises(StoreSettingsError, match="a restore of this store was interrupted; run the same"):
            open_store(url)
    else:
        store = open_store(url)
        assert store.database.table_exists("noted") is not is_complete
        store.close()
    done(run("restore", backup, "--only", "admin", admin=url))
    store = open_store(url)
    assert not store.database.table_exists("noted")
    store.close()
    kept = [file for file in path.parent.glob("*.before-restore-*") if file.name[-1].isdigit()]
    assert len(kept) == 1 + is_complete
    assert not [file for file in path.parent.iterdir() if "-restor" in file.name and "before" not in file.name]
