"""Tables for roles of the staff, API tokens, the frontend's public keys, and the audit log.

The models here are frozen copies.
"""

from __future__ import annotations

import peewee

from service_kit.columns import BytewiseTextField


def up(migrator: object, db: peewee.Database) -> None:
    class StaffRole(peewee.Model):
        key = peewee.BigAutoField()
        user_id = peewee.CharField(36, unique=True)
        role = peewee.SmallIntegerField()
        override_reasons = peewee.TextField()
        create_time = peewee.BigIntegerField()
        update_time = peewee.BigIntegerField()
        revision = peewee.BigIntegerField(unique=True)

        class Meta:
            table_name = "staff_role"

    class ApiToken(peewee.Model):
        key = peewee.BigAutoField()
        id = peewee.CharField(36, unique=True)
        display_name = peewee.TextField()
        name_key = BytewiseTextField()
        role = peewee.SmallIntegerField()
        scopes = peewee.TextField()
        secret_hash = peewee.CharField(64)
        create_time = peewee.BigIntegerField()
        expire_time = peewee.BigIntegerField()
        revoke_time = peewee.BigIntegerField()
        last_use_time = peewee.BigIntegerField()
        revision = peewee.BigIntegerField(unique=True)

        class Meta:
            table_name = "api_token"

    ApiToken.add_index(ApiToken.name_key, unique=True, where=peewee.SQL("revoke_time = 0"), name="api_token_valid_name")

    class SigningKey(peewee.Model):
        key = peewee.BigAutoField()
        id = peewee.CharField(36, unique=True)
        public_key = peewee.TextField()
        create_time = peewee.BigIntegerField()
        retire_time = peewee.BigIntegerField()
        revision = peewee.BigIntegerField()

        class Meta:
            table_name = "signing_key"

    class AuditEntry(peewee.Model):
        key = peewee.BigAutoField()
        id = peewee.CharField(36, unique=True)
        time = peewee.BigIntegerField()
        result = peewee.SmallIntegerField()
        caller_user_id = peewee.CharField(36)
        credential_id = peewee.TextField()
        address = peewee.TextField()
        objects = peewee.TextField()
        message = peewee.BlobField()
        revision = peewee.BigIntegerField()

        class Meta:
            table_name = "audit_entry"

    AuditEntry.add_index(AuditEntry.time, name="audit_entry_by_time")
    AuditEntry.add_index(AuditEntry.result, AuditEntry.key, name="audit_entry_by_result")
    AuditEntry.add_index(AuditEntry.caller_user_id, AuditEntry.key, name="audit_entry_by_caller")

    class AuditObject(peewee.Model):
        key = peewee.BigAutoField()
        object = BytewiseTextField()
        entry_key = peewee.BigIntegerField()

        class Meta:
            table_name = "audit_object"

    AuditObject.add_index(AuditObject.object, AuditObject.entry_key, name="audit_object_by_object")
    AuditObject.add_index(AuditObject.entry_key, name="audit_object_by_entry")

    models = [StaffRole, ApiToken, SigningKey, AuditEntry, AuditObject]
    with db.bind_ctx(models):
        db.create_tables(models)
