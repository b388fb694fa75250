"""A table for changes of the catalogue that this store could not apply."""

from peewee import BigAutoField, BigIntegerField, BlobField, CharField, Database, Model, TextField


def up(migrator: object, db: Database) -> None:
    class SetAside(Model):
        key = BigAutoField()
        kind = CharField(20)
        id = CharField(100)
        revision = BigIntegerField()
        generation = BigIntegerField()
        reason = TextField()
        change = BlobField()
        time = BigIntegerField()

        class Meta:
            table_name = "set_aside"
            indexes = ((("kind", "id"), True),)

    with db.bind_ctx([SetAside]):
        db.create_tables([SetAside])
