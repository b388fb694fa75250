"""Databases on PostgreSQL that a test has used, made fresh for the next one: quicker than to create one.

A new database is 8 MB that are read, written and logged, of which the tables of a service are less than one.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NamedTuple

import psycopg
from psycopg import sql


class Fresh(NamedTuple):
    """What a fresh database is like."""

    shape: str
    rows: Mapping[str, bytes]
    """The rows of each table that has some, as COPY writes them."""
    sequences: Mapping[str, int]
    """The last value of each sequence that was used."""


class UsedDatabases:
    """Databases that tests have left, all made from one template."""

    def __init__(self, template: str) -> None:
        """Learn from the template, a URL, what a fresh database is like. Nobody may be connected to it."""
        self._left: deque[str] = deque()
        with _connected(template) as connection:
            rows = {name: _copied_out(connection, name) for name in _written_tables(connection)}
            self._fresh = Fresh(_shape(connection), rows, dict(connection.execute(_USED_SEQUENCES.encode()).fetchall()))

    def leave(self, url: str) -> None:
        """Note that a test has ended and that its database may be used again."""
        self._left.append(url)

    def take(self) -> str | None:
        """Return the URL of a used database that is as good as new; None if there is none."""
        while self._left:
            url = self._left.popleft()
            if self._is_made_fresh(url):
                return url
        return None

    def _is_made_fresh(self, url: str) -> bool:
        """Return False where the test has left more than other rows: sessions, settings, or another schema."""
        try:
            with _connected(url) as connection:
                if _shape(connection) != self._fresh.shape:
                    return False
                connection.execute("SELECT pg_stat_reset()")  # tests count deadlocks
                _empty(connection, _written_tables(connection))
                for name, rows in self._fresh.rows.items():
                    with connection.cursor().copy(sql.SQL("COPY {} FROM STDIN").format(sql.Identifier(name))) as copy:
                        copy.write(rows)
                for sequence, _ in connection.execute(_USED_SEQUENCES.encode()).fetchall():  # also of an empty table
                    connection.execute(f"ALTER SEQUENCE {sequence} RESTART".encode())
                for sequence, value in self._fresh.sequences.items():
                    connection.execute("SELECT setval(%s::regclass, %s)", (sequence, value))
        except psycopg.Error:  # it was dropped or renamed, or somebody has a lock in it
            return False
        return True


@contextmanager
def _connected(url: str) -> Iterator[psycopg.Connection[Any]]:
    """Connect for one transaction, which waits for nobody."""
    with psycopg.connect(url) as connection:
        connection.execute("SET LOCAL lock_timeout = '1s'")
        yield connection


def _written_tables(connection: psycopg.Connection[Any]) -> list[str]:
    """The tables with rows, or in which there were some."""
    tables = "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r'"
    return [name for (name,) in connection.execute(f"{tables} AND pg_relation_size(oid) > 0 ORDER BY 1".encode())]


def _empty(connection: psycopg.Connection[Any], tables: list[str]) -> None:
    names = sql.SQL(", ").join(sql.Identifier(name) for name in tables)
    connection.execute(sql.SQL("TRUNCATE {} RESTART IDENTITY CASCADE").format(names))


def _copied_out(connection: psycopg.Connection[Any], table: str) -> bytes:
    with connection.cursor().copy(sql.SQL("COPY {} TO STDOUT").format(sql.Identifier(table))) as copy:
        return b"".join(bytes(block) for block in copy)


def _shape(connection: psycopg.Connection[Any]) -> str:
    """A digest of all in a database but its rows: other sessions, settings, tables, columns, indexes and so on."""
    row = connection.execute(_SHAPE.encode()).fetchone()
    assert row is not None
    return str(row[0])


_USED_SEQUENCES = "SELECT quote_ident(sequencename), last_value FROM pg_sequences WHERE last_value IS NOT NULL"
_OURS = "relnamespace = 'public'::regnamespace"
_SHAPE = f"""
    SELECT md5(string_agg(part, '|' ORDER BY part)) FROM (
        SELECT 'session' AS part FROM pg_stat_activity
        WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'
        UNION ALL SELECT concat_ws(' ', 'setting', setconfig) FROM pg_db_role_setting
        WHERE setdatabase = (SELECT oid FROM pg_database WHERE datname = current_database())
        UNION ALL SELECT concat_ws(' ', 'database', datdba, encoding, datcollate, datctype, datconnlimit, datacl)
        FROM pg_database WHERE datname = current_database()
        UNION ALL SELECT concat_ws(' ', 'relation', relname, relkind, reltuples > 0, relchecks, relhastriggers,
            relrowsecurity, relpersistence, relowner, reloptions, relacl) FROM pg_class WHERE {_OURS}
        UNION ALL SELECT concat_ws(' ', 'column', relname, attnum, attname, atttypid, atttypmod, attnotnull,
            attidentity, pg_get_expr(adbin, adrelid), attisdropped, attcollation, attstattarget) FROM pg_attribute
        LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
        JOIN pg_class ON pg_class.oid = attrelid AND {_OURS} WHERE attnum > 0
        UNION ALL SELECT concat_ws(' ', 'index', pg_get_indexdef(indexrelid), indisvalid)
        FROM pg_index JOIN pg_class ON pg_class.oid = indexrelid AND {_OURS}
        UNION ALL SELECT concat_ws(' ', 'constraint', conname, conrelid::regclass, pg_get_constraintdef(oid))
        FROM pg_constraint WHERE connamespace = 'public'::regnamespace
        UNION ALL SELECT concat_ws(' ', 'trigger', pg_get_triggerdef(oid), tgenabled)
        FROM pg_trigger WHERE NOT tgisinternal
        UNION ALL SELECT concat_ws(' ', 'event trigger', evtname, evtenabled) FROM pg_event_trigger
        UNION ALL SELECT concat_ws(' ', 'rule', rulename, ev_class::regclass) FROM pg_rewrite
        UNION ALL SELECT concat_ws(' ', 'sequence', seqrelid::regclass, seqstart, seqincrement, seqmax, seqcycle)
        FROM pg_sequence
        UNION ALL SELECT concat_ws(' ', 'function', proname, prosrc, proconfig)
        FROM pg_proc WHERE pronamespace = 'public'::regnamespace
        UNION ALL SELECT concat_ws(' ', 'collation', collname) FROM pg_collation
        WHERE collnamespace = 'public'::regnamespace
        UNION ALL SELECT concat_ws(' ', 'type', typname, typtype) FROM pg_type
        WHERE typnamespace = 'public'::regnamespace
        UNION ALL SELECT concat_ws(' ', 'schema', nspname, nspacl) FROM pg_namespace WHERE nspname NOT LIKE 'pg\\_t%'
        UNION ALL SELECT concat_ws(' ', 'extension', extname, extversion) FROM pg_extension
        UNION ALL SELECT concat_ws(' ', 'statistics', stxname) FROM pg_statistic_ext
    ) AS parts
"""
