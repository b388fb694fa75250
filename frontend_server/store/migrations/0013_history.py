"""A table for what was done at the desk."""

from peewee import BigAutoField, BigIntegerField, CharField, Database, Model, SmallIntegerField, TextField


def up(migrator: object, db: Database) -> None:
    class HistoryEntry(Model):
        key = BigAutoField()
        id = CharField(36, unique=True)
        time = BigIntegerField()
        event = SmallIntegerField()
        user_id = CharField(36)
        loan_id = CharField(36)
        item_id = CharField(36)
        book_id = CharField(36)
        staff = TextField()
        detail = TextField()
        overridden = TextField()
        revision = BigIntegerField()
        pushed_revision = BigIntegerField()
        park_reason = TextField()

        class Meta:
            table_name = "history"

    with db.bind_ctx([HistoryEntry]):
        db.create_tables([HistoryEntry])
    for statement in (
        "CREATE INDEX history_by_user ON history (user_id, key)",
        "CREATE INDEX history_by_loan ON history (loan_id, key)",
        "CREATE INDEX history_by_item ON history (item_id, key)",
        "CREATE INDEX history_due ON history (revision) WHERE (revision <> pushed_revision AND park_reason = '')",
        "CREATE INDEX history_parked ON history (key) WHERE park_reason <> ''",
    ):
        db.execute_sql(statement)
