"""Imports of files are operations, which go on after a restart."""

from __future__ import annotations

import peewee

COUNTS = ("added", "updated", "copies_added", "already_there", "refused", "items", "problems")

TABLES = {
    "import_operation": f"""
        key {{key}}, id VARCHAR(36) NOT NULL, config {{blob}} NOT NULL, format SMALLINT NOT NULL,
        state SMALLINT NOT NULL, problem TEXT NOT NULL, error {{blob}} NOT NULL,
        create_time BIGINT NOT NULL, update_time BIGINT NOT NULL,
        end_time BIGINT NOT NULL, cancel_time BIGINT NOT NULL, total_bytes BIGINT NOT NULL, position BIGINT NOT NULL,
        records BIGINT NOT NULL, {", ".join(f"{name} BIGINT NOT NULL" for name in COUNTS)},
        worker VARCHAR(36) NOT NULL, beat BIGINT NOT NULL, starts INTEGER NOT NULL, one_by_one_until BIGINT NOT NULL,
        attempts INTEGER NOT NULL
    """,
    "import_chunk": """
        operation BIGINT NOT NULL, number INTEGER NOT NULL, content {blob} NOT NULL, PRIMARY KEY (operation, number)
    """,
    "import_problem": """
        operation BIGINT NOT NULL, number INTEGER NOT NULL, record BIGINT NOT NULL, control_number TEXT NOT NULL,
        field TEXT NOT NULL, description TEXT NOT NULL, imported SMALLINT NOT NULL, PRIMARY KEY (operation, number)
    """,
    "import_plan": "operation BIGINT NOT NULL, digest BIGINT NOT NULL, PRIMARY KEY (operation, digest)",
}
CLUSTERED = {"import_problem", "import_plan"}


def up(migrator: object, db: peewee.Database) -> None:
    is_postgresql = isinstance(db, peewee.PostgresqlDatabase)
    key = "BIGSERIAL PRIMARY KEY" if is_postgresql else "INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT"
    blob = "BYTEA" if is_postgresql else "BLOB"
    for table, columns in TABLES.items():
        ending = " WITHOUT ROWID" if table in CLUSTERED and not is_postgresql else ""
        db.execute_sql(f"CREATE TABLE {table} ({columns.format(key=key, blob=blob)}){ending}")
    db.execute_sql("CREATE UNIQUE INDEX importoperation_id ON import_operation (id)")
    db.execute_sql("CREATE INDEX import_operation_not_ended ON import_operation (key) WHERE state <= 2")
