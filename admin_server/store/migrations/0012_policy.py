"""Branches, calendars, circulation rules and settings, with the rows that a library has from the start.

The models here are frozen copies. The messages of the first rows are empty, as long as they have the revision 0: they
are then what the program has built in.
"""

from __future__ import annotations

import peewee

from service_kit.columns import BytewiseCharField, BytewiseTextField

FIRST_ROWS: dict[str, dict[str, object]] = {
    "branch": {"code": "main", "display_name": "Main library", "time_zone": "", "create_time": 0},
    "calendar": {"branch": "main", "message": b"", "create_time": 0},
    "circulation_rule": {
        "id": "0193cf10-0000-7000-8000-000000000001",
        "specificity_rank": 7,
        "branch": "",
        "user_category_key": "",
        "item_type_key": "",
        "message": b"",
        "deleted": 0,
        "create_time": 0,
    },
    "library_settings": {"id": "settings", "message": b""},
}


def up(migrator: object, db: peewee.Database) -> None:
    create_tables(db)
    for table, own in FIRST_ROWS.items():
        row = {**own, "update_time": 0, "revision": 0}
        marks = ", ".join([db.param] * len(row))
        db.execute_sql(f"INSERT INTO {table} ({', '.join(row)}) VALUES ({marks})", tuple(row.values()))


def create_tables(db: peewee.Database) -> None:
    class Policy(peewee.Model):
        key = peewee.BigAutoField()
        update_time = peewee.BigIntegerField()
        revision = peewee.BigIntegerField(unique=True)

    class Branch(Policy):
        code = BytewiseCharField(40, unique=True)
        display_name = peewee.TextField()
        time_zone = peewee.TextField()
        create_time = peewee.BigIntegerField()

        class Meta:
            table_name = "branch"

    class Calendar(Policy):
        branch = BytewiseCharField(40, unique=True)
        message = peewee.BlobField()
        create_time = peewee.BigIntegerField()

        class Meta:
            table_name = "calendar"

    class CirculationRule(Policy):
        id = peewee.CharField(36, unique=True)
        specificity_rank = peewee.SmallIntegerField()
        branch = BytewiseCharField(40)
        user_category_key = BytewiseTextField()
        item_type_key = BytewiseTextField()
        message = peewee.BlobField()
        deleted = peewee.SmallIntegerField()
        create_time = peewee.BigIntegerField()

        class Meta:
            table_name = "circulation_rule"

    CirculationRule.add_index(
        CirculationRule.specificity_rank,
        CirculationRule.branch,
        CirculationRule.user_category_key,
        CirculationRule.item_type_key,
        unique=True,
        where=peewee.SQL("deleted = 0"),
        name="circulation_rule_in_order",
    )

    class LibrarySettings(Policy):
        id = peewee.CharField(36, unique=True)
        message = peewee.BlobField()

        class Meta:
            table_name = "library_settings"

    models = [Branch, Calendar, CirculationRule, LibrarySettings]
    with db.bind_ctx(models):
        db.create_tables(models)
