"""The command `check-store` of both services, by which `library doctor` checks and repairs their stores."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from contextlib import closing
from typing import NamedTuple

import click

from service_kit.database_urls import UnreadableUrl, checked_url, is_postgresql, safe_url
from service_kit.migrations import alone_in, migrate, pending
from service_kit.store import Store, StoreSettingsError, open_store, sqlite_path
from service_kit.store_checks import Schema


class Identity(NamedTuple):
    """Which frontend the store belongs to, or is paired with."""

    frontend_id: str
    lost: str = ""
    """What of it the repair had to replace: `id`, `secret` or nothing."""


class Doctor(NamedTuple):
    """What a service knows of its own store."""

    schema: Schema
    bind: Callable[[Store], None]
    find: Callable[[Store], list[str]]
    frontend_id: Callable[[Store], str]
    """Reads the id for `Identity`; empty if there is none, or a damaged one."""
    repair: Callable[[Store], Identity]
    """Repairs the store within a transaction."""


def check_store(doctor: Doctor, database_url: str, *, is_to_repair: bool, as_json: bool) -> None:
    """Check a store, print what is damaged, and repair it if that is wanted. Ends with status 1 if damage is left.

    Raises:
        StoreSettingsError: There is no store, or it is to be repaired and in use.
    """
    with closing(_open_existing(doctor, database_url)) as store, store.explained("read {}"):
        found, identity = (_checked_and_repaired if is_to_repair else _checked)(doctor, store)
    is_repaired = bool(found) and is_to_repair
    if as_json:
        click.echo(json.dumps({"damage": found, "repaired": is_repaired, **identity._asdict()}))
    else:
        for problem in found:
            click.echo(problem)
        if is_repaired:
            click.echo("repaired; all is sent and read again when the services run")
        if identity.lost:
            click.echo("to pair the services again, run: library-admin accept-frontend ID, with the id of the frontend")
    if found and not is_repaired:
        sys.exit(1)


def _open_existing(doctor: Doctor, database_url: str) -> Store:
    try:
        url = checked_url(database_url)
    except UnreadableUrl as error:
        raise StoreSettingsError(f"cannot open the store: {error}") from None
    if not is_postgresql(url) and not sqlite_path(url).exists():
        raise StoreSettingsError(f"there is no store at {safe_url(url)}")
    return open_store(url, schema=doctor.schema)


def _checked(doctor: Doctor, store: Store) -> tuple[list[str], Identity]:
    """Check a store that may be in use: nothing is written."""
    if waiting := pending(store, doctor.schema.migrations):
        raise StoreSettingsError(
            f"the store {store.safe_url} is of an earlier version ({len(waiting)} migrations wait): "
            "start its service once"
        )
    return _examined(doctor, store)


def _checked_and_repaired(doctor: Doctor, store: Store) -> tuple[list[str], Identity]:
    migrate(store, doctor.schema.migrations)
    found, identity = _examined(doctor, store)
    if not found:
        return [], identity
    with alone_in(store):
        return found, doctor.repair(store)


def _examined(doctor: Doctor, store: Store) -> tuple[list[str], Identity]:
    doctor.bind(store)
    with store.snapshot():
        return doctor.find(store), Identity(doctor.frontend_id(store))
