"""Tables for accounts, sessions, signing keys and the audit log, and for replicas of roles and API tokens."""

from peewee import (
    BigAutoField,
    BigIntegerField,
    BlobField,
    CharField,
    Database,
    DoubleField,
    Model,
    SmallIntegerField,
    TextField,
)


def up(migrator: object, db: Database) -> None:
    class Credential(Model):
        user_id = CharField(36, primary_key=True)
        secret_hash = TextField()
        is_pin = SmallIntegerField()
        change_time = BigIntegerField()
        code_hash = TextField()
        code_expire_time = BigIntegerField()

        class Meta:
            table_name = "credential"

    class Session(Model):
        key = BigAutoField()
        id = CharField(36, unique=True)
        user_id = CharField(36)
        refresh_hash = CharField(64)
        previous_hash = CharField(64)
        refresh_salt = CharField(64)
        refresh_time = BigIntegerField()
        create_time = BigIntegerField()
        expire_time = BigIntegerField()
        end_time = BigIntegerField()

        class Meta:
            table_name = "session"

    class SignInTally(Model):
        subject = CharField(64, primary_key=True)
        failures = DoubleField()
        time = BigIntegerField()
        is_known = SmallIntegerField()

        class Meta:
            table_name = "sign_in_tally"

    class Outbox(Model):
        key = BigAutoField()
        id = CharField(36, unique=True)
        revision = BigIntegerField()
        pushed_revision = BigIntegerField()
        park_reason = TextField()

    class SigningKey(Outbox):
        public_key = TextField()
        private_key = TextField()
        create_time = BigIntegerField()
        retire_time = BigIntegerField()

        class Meta:
            table_name = "signing_key"

    class AuditEntry(Outbox):
        time = BigIntegerField()
        caller_user_id = CharField(36)
        credential_id = TextField()
        address = TextField()
        objects = TextField()
        message = BlobField()

        class Meta:
            table_name = "audit_entry"

    class Replica(Model):
        key = BigAutoField()
        id = CharField(36, unique=True)
        message = BlobField()
        revision = BigIntegerField()
        generation = BigIntegerField()

    class StaffRole(Replica):
        class Meta:
            table_name = "staff_role"

    class ApiToken(Replica):
        class Meta:
            table_name = "api_token"

    models = [Credential, Session, SignInTally, SigningKey, AuditEntry, StaffRole, ApiToken]
    with db.bind_ctx(models):
        db.create_tables(models)
    for statement in (
        "CREATE INDEX session_by_user ON session (user_id, key)",
        "CREATE INDEX session_by_expiry ON session (expire_time)",
        "CREATE INDEX sign_in_tally_by_time ON sign_in_tally (is_known, time)",
        "CREATE INDEX audit_entry_by_time ON audit_entry (time)",
        *(
            f"CREATE INDEX {table}_due ON {table} (revision) WHERE (revision <> pushed_revision AND park_reason = '')"
            for table in ("signing_key", "audit_entry")
        ),
        *(
            f"CREATE INDEX {table}_parked ON {table} (key) WHERE park_reason <> ''"
            for table in ("signing_key", "audit_entry")
        ),
    ):
        db.execute_sql(statement)
