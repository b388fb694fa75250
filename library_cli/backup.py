"""`library backup`, `verify` and `restore`: copies of both stores in one folder."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import signal
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from types import FrameType
from typing import NoReturn

import click
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from library_cli.plain_text import one_line
from library_cli.stores import SERVICES, database_urls, missing_store, schema_of, store_options
from library_domain.stores import FACTS
from service_kit.backup.checking import check_backup
from service_kit.backup.copying import copy_store
from service_kit.backup.folder import BackupError, Manifest, new_folder, write_manifest
from service_kit.backup.restoring import target_at

PROGRESS_SECONDS = 5.0
"""The time between two lines of progress of a long copy, where standard error is not a terminal."""

BACKUPS = Path("backups")
"""The folder for backups that are made without DIR."""

folder_argument = click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
json_option = click.option("--json", "json_wanted", is_flag=True, help="Print what is in the backup as JSON.")


@click.command("backup", short_help="Copy both stores into a new folder, while the services run.")
@click.argument("folder", metavar="[DIR]", required=False, type=click.Path(path_type=Path))
@json_option
@store_options
def backup_command(folder: Path | None, json_wanted: bool, **_where: object) -> None:
    """Copy both stores into the new folder DIR, while the services run and are used.

    Without DIR the folder is backups/YYYYMMDD-HHMMSS, with the time of the start in UTC.

    The backup contains every change that was answered before the command began. It is checked as it is written.
    An interrupted backup leaves a folder DIR.unfinished-..., which can be deleted. Each store becomes a SQLite file
    that `library restore` can put back on either engine.

    Exit status: 0 when the backup was made and checked, otherwise 1.
    """
    with stoppable(), explained():
        begun = datetime.now(UTC)
        folder = folder or BACKUPS / begun.strftime("%Y%m%d-%H%M%S")
        urls = database_urls(click.get_current_context())
        for service in SERVICES:
            if missing := missing_store(service, urls[service]):
                raise BackupError(missing)
        with new_folder(folder) as unfinished:
            # The admin's store first: the sync corrects a frontend's store that is newer than the admin's.
            copies = {}
            for service in SERVICES:
                with progress_of(f"copying the {service} store") as progress:
                    file = unfinished / f"{service}.db"
                    copies[service] = copy_store(urls[service], file, schema_of(service), FACTS[service], progress)
            stamp = begun.isoformat(timespec="seconds").replace("+00:00", "Z")
            manifest = Manifest(version("lending-library"), stamp, copies)
            write_manifest(unfinished, manifest)
    report(manifest, folder, "was made and checked", json_wanted=json_wanted)


@click.command("verify", short_help="Check that a backup is complete.")
@folder_argument
@json_option
def verify_command(folder: Path, json_wanted: bool) -> None:
    """Check every byte of the backup in DIR, and that its stores are sound and match the manifest.

    Exit status: 0 when the backup can be restored; otherwise 1, with all problems.
    """
    with explained():
        manifest = check_backup(folder, FACTS)
    report(manifest, folder, "is complete", json_wanted=json_wanted)


@click.command("restore", short_help="Restore the stores from a backup.")
@folder_argument
@click.option("--only", type=click.Choice(SERVICES), help="Restore the store of this service and leave the other.")
@store_options
def restore_command(folder: Path, only: str | None, **_where: object) -> None:
    """Replace the present stores with those of the backup in DIR. Stop the services first.

    The command refuses while a server uses one of the stores, and if `library verify` finds a problem. It deletes
    nothing: an old SQLite file and its log stay next to the new one as FILE.before-restore-TIME; on PostgreSQL the old
    tables stay in a schema before_restore_TIME. If a restore is interrupted, run it again.

    The next start migrates the stores and begins a new epoch. Then the services synchronize again by themselves, also
    if only one store was restored.

    Exit status: 0 when the stores are restored, otherwise 1.
    """
    with explained():
        manifest = check_backup(folder, FACTS)
        services = [only] if only else [service for service in SERVICES if service in manifest.stores]
        for service in services:
            refuse_unfit(manifest, service, folder)
        urls = database_urls(click.get_current_context())
        with contextlib.ExitStack() as stack:
            targets = {}
            for service in services:
                targets[service] = target_at(urls[service], schema_of(service))
                stack.callback(targets[service].close)
                targets[service].prepare()
            for service, target in targets.items():
                copy = manifest.stores[service]
                with progress_of(f"restoring the {service} store") as progress:
                    kept = target.replace(folder / copy.file, copy, progress)
                click.echo(f"The {service} store is restored.{f' The old one is kept: {kept}' if kept else ''}")
        if "frontend" in services:
            click.echo(
                f"Users whose data were erased after {manifest.time} are there again: erase them again, see "
                "docs/privacy.md."
            )
        click.echo(
            "Now start the services again, for example with `library up`. They migrate the stores and synchronize."
        )


def refuse_unfit(manifest: Manifest, service: str, folder: Path) -> None:
    """Raise BackupError for a store that is not in the backup, or that a newer version of this program has made."""
    if service not in manifest.stores:
        raise BackupError(f"{folder} has no store of the {service} service")
    if unknown := sorted(set(manifest.stores[service].migrations) - schema_of(service).known_migrations()):
        raise BackupError(
            f"{folder} was made by a newer version of this program, {manifest.program_version} "
            f"(unknown migrations: {', '.join(unknown)}); install that version"
        )


def report(manifest: Manifest, folder: Path, what: str, *, json_wanted: bool) -> None:
    if json_wanted:
        click.echo(json.dumps({"folder": str(folder), **dataclasses.asdict(manifest)}, indent=2))
        return
    click.echo(f"The backup {folder} of {manifest.time} {what}.")
    for service, copy in manifest.stores.items():
        rows = ", ".join(f"{table} {count:,}" for table, count in copy.rows.items() if table in COUNTED_TABLES)
        click.echo(f"{service}: rows in {rows}")
    if erased := erasures(manifest):
        click.echo(erased)


def erasures(manifest: Manifest) -> str:
    """Return how many users were erased before the backup, and when the last one was; "" if none was."""
    facts = manifest.stores["frontend"].facts if "frontend" in manifest.stores else {}
    if not facts.get("erased_users"):
        return ""
    last = datetime.fromtimestamp(facts["last_erasure"] / 1_000_000, UTC).isoformat(timespec="seconds")
    return f"Users whose data were erased: {facts['erased_users']:,}, the last one at {last.replace('+00:00', 'Z')}."


COUNTED_TABLES = {"book", "user_account", "loan"}


@contextlib.contextmanager
def explained() -> Iterator[None]:
    """End the command with a sentence and exit status 1 on BackupError."""
    try:
        yield
    except BackupError as problem:
        raise click.ClickException(one_line(f"{str(problem).rstrip('.')}.")) from problem


@contextlib.contextmanager
def stoppable() -> Iterator[None]:
    """Let SIGTERM end the command as Ctrl-C does, so that an unfinished backup is removed."""

    def stop(_number: int, _frame: FrameType | None) -> NoReturn:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


@contextlib.contextmanager
def progress_of(what: str) -> Iterator[Callable[[int, int], object]]:
    """Show the progress of a copy on standard error: a bar on a terminal, otherwise a line every PROGRESS_SECONDS."""
    console = Console(stderr=True)
    if console.is_terminal:
        columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
        with Progress(*columns, console=console, transient=True) as bar:
            task = bar.add_task(what, total=None)
            yield lambda done, total: bar.update(task, completed=done, total=total)
        return
    printed = time.monotonic()

    def print_progress(done: int, total: int) -> None:
        nonlocal printed
        if time.monotonic() - printed >= PROGRESS_SECONDS:
            printed = time.monotonic()
            click.echo(f"{what}: {100 * done // max(total, 1)} %", err=True)

    yield print_progress
