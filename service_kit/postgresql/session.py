"""A session of PostgreSQL: the settings that we depend on, and the witness by which a replaced database is noticed.

All in one statement, sent after connecting. In the startup packet, as `options`, pgbouncer would refuse the settings.
"""

from __future__ import annotations

import contextlib
import os
import socket
import threading
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import psycopg
from psycopg.conninfo import conninfo_to_dict
from psycopg.sql import SQL, Literal

STATEMENT_SECONDS = 60
IDLE_IN_TRANSACTION_SECONDS = 30

_ENDS_TRANSACTIONS_AFTER = {"transaction_timeout": 170_000, "idle_session_timeout": 140_000}
"""Settings that only newer servers have: the first `server_version` with each."""

_CONNECTION_DEFAULTS: Mapping[str, object] = {
    # A server that vanished is noticed after 25 s, and data that it does not acknowledge after 20 s.
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 20_000,  # milliseconds
}


class Witness(NamedTuple):
    """What is the same for all sessions of one life of a database, and differs after it went back in time.

    `life` has the timeline, which a promotion changes; the oid of the database, which dropping and making it again
    changes; and the start of the server, which every restart changes, also one on a copy of its folder. Where a
    snapshot of a running machine is resumed all three are the same, but `wal_bytes` is smaller than before.
    """

    life: str
    wal_bytes: int


class Session(NamedTuple):
    """What the first statement of a session finds out."""

    witness: Witness
    is_standby: bool
    is_pooled: bool
    """Whether something between us and the server answers in its name, such as pgbouncer."""


def connection_parameters(url: str, busy_seconds: float) -> dict[str, Any]:
    """Return what to connect with besides the URL, whose own parameters are preferred where they do no harm."""
    try:
        given = conninfo_to_dict(url)
    except psycopg.Error:
        given = {}  # connecting reports what is wrong with it
    parameters = {name: value for name, value in _CONNECTION_DEFAULTS.items() if name not in given}
    parameters.setdefault("connect_timeout", given.get("connect_timeout", int(busy_seconds)))
    hosts = f"{given.get('host', '')} {given.get('hostaddr', '')}"
    if "," in hosts and "target_session_attrs" not in given:
        parameters["target_session_attrs"] = "primary"
    # Stronger than PGCLIENTENCODING in the environment, and than a default of the role or database.
    parameters["client_encoding"] = "UTF8"
    return parameters


def session_settings(busy_seconds: float, server_version: int) -> dict[str, str]:
    """Return the settings of each session, which may differ from the defaults of the role, database or server."""
    settings = {
        "lock_timeout": f"{busy_seconds}s",
        # A process that freezes in a transaction, or whose machine is gone, must not hold its locks for ever.
        "statement_timeout": f"{STATEMENT_SECONDS}s",
        "idle_in_transaction_session_timeout": f"{IDLE_IN_TRANSACTION_SECONDS}s",
        "tcp_keepalives_idle": "10",
        "tcp_keepalives_interval": "5",
        "tcp_keepalives_count": "3",
        "default_transaction_isolation": "read committed",
        "default_transaction_deferrable": "off",
        "timezone": "UTC",
        "datestyle": "ISO",
        "bytea_output": "hex",
        "standard_conforming_strings": "on",
        "transform_null_equals": "off",
        "gin_fuzzy_search_limit": "0",  # otherwise searches leave out rows at random
    }
    settings.update({name: "0" for name, since in _ENDS_TRANSACTIONS_AFTER.items() if server_version >= since})
    return settings


def begin_session(connection: psycopg.Connection[Any], busy_seconds: float, patience: float) -> Session:
    """Apply the settings to a new connection in autocommit mode, and read its witness.

    Raises:
        psycopg.Error: also where there is no answer within `patience` seconds: pgbouncer accepts a connection at once,
            and its first statement waits until a connection of its pool is free.
    """
    settings = session_settings(busy_seconds, connection.info.server_version)
    with deadline(connection, patience):
        try:
            row = _apply(connection, settings, _WAL_POSITION)
        except (psycopg.errors.FeatureNotSupported, psycopg.errors.InsufficientPrivilege):
            row = _apply(connection, settings, _NO_WAL_POSITION)  # some hosted servers hide their WAL
    is_standby, backend_pid, database, server_start, timeline, wal_bytes = row
    return Session(
        witness=Witness(f"{timeline or '-'}/{database}/{server_start}", wal_bytes or 0),
        is_standby=is_standby,
        # A pooler makes up the process id that it sends when a client connects.
        is_pooled=backend_pid != connection.info.backend_pid,
    )


# Not pg_control_checkpoint(): after a promotion it has the old timeline until the next checkpoint. A standby has no
# position of its own, and asking it for one is an error.
_WAL_POSITION = SQL(
    "CASE WHEN NOT pg_is_in_recovery() THEN substr(pg_walfile_name(pg_current_wal_flush_lsn()), 1, 8) END, "
    "CASE WHEN NOT pg_is_in_recovery() THEN (pg_current_wal_flush_lsn() - pg_lsn '0/0')::bigint END"
)
_NO_WAL_POSITION = SQL("NULL, NULL")

# What was acknowledged must outlive a crash, so `off` is not left; other values wait for the disk or for standbys.
_SYNCHRONOUS_COMMIT = SQL(
    "set_config('synchronous_commit', "
    "CASE current_setting('synchronous_commit') WHEN 'off' THEN 'on' ELSE current_setting('synchronous_commit') END, "
    "false)"
)


def _apply(connection: psycopg.Connection[Any], settings: Mapping[str, str], wal_position: SQL) -> tuple[Any, ...]:
    """Apply the settings; return whether it is a standby, the backend's pid, database, start, timeline, position."""
    applied = SQL(", ").join(
        SQL("set_config({}, {}, false)").format(Literal(name), Literal(value)) for name, value in settings.items()
    )
    # A pooler that does not reset its sessions may hand over locks of a client before.
    statement = SQL(
        "SELECT {applied}, {synchronous_commit}, pg_advisory_unlock_all(), pg_is_in_recovery(), pg_backend_pid(), "
        "(SELECT oid::bigint FROM pg_database WHERE datname = current_database()), "
        "(extract(epoch FROM pg_postmaster_start_time()) * 1000000)::bigint, {wal_position}"
    ).format(applied=applied, synchronous_commit=_SYNCHRONOUS_COMMIT, wal_position=wal_position)
    row: tuple[Any, ...] | None = connection.execute(statement, prepare=False).fetchone()
    assert row is not None
    return row[len(settings) + 2 :]


@contextlib.contextmanager
def deadline(connection: psycopg.Connection[Any], seconds: float) -> Iterator[None]:
    """Cut the connection when the block takes longer, which raises `psycopg.OperationalError` there."""
    file = os.dup(connection.fileno())
    late = threading.Event()

    def cut() -> None:
        late.set()
        with socket.socket(fileno=os.dup(file)) as sock, contextlib.suppress(OSError):
            sock.shutdown(socket.SHUT_RDWR)

    timer = threading.Timer(seconds, cut)
    timer.daemon = True
    timer.start()
    try:
        yield
    except psycopg.OperationalError as error:
        if late.is_set():
            raise NoAnswer(f"the connection was accepted, but there was no answer within {seconds:g} s") from error
        raise
    finally:
        timer.cancel()
        timer.join()
        os.close(file)


class NoAnswer(psycopg.OperationalError):
    """A connection was accepted and then nothing came."""
