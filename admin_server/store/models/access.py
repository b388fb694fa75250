"""Roles of the staff, API tokens, the frontend's public keys, and the audit log. A time is 0 if there is none."""

from __future__ import annotations

import peewee

from service_kit.columns import BytewiseTextField, FeedColumns


class StaffRole(FeedColumns):
    """The role of a member of the staff. A revoked one is kept, so that it is in the feed."""

    key = peewee.BigAutoField()
    user_id = peewee.CharField(36, unique=True)
    role = peewee.SmallIntegerField()  # a library.access.v1.Role
    override_reasons = peewee.TextField()  # a JSON list
    create_time = peewee.BigIntegerField()
    update_time = peewee.BigIntegerField()

    class Meta:
        table_name = "staff_role"


IS_VALID_TOKEN = peewee.SQL("revoke_time = 0")


class ApiToken(FeedColumns):
    """An API token. A revoked one is kept."""

    key = peewee.BigAutoField()
    id = peewee.CharField(36, unique=True)
    display_name = peewee.TextField()
    name_key = BytewiseTextField()  # the name as names are compared
    role = peewee.SmallIntegerField()
    scopes = peewee.TextField()  # a JSON list
    secret_hash = peewee.CharField(64)  # SHA-256 of the random secret
    create_time = peewee.BigIntegerField()
    expire_time = peewee.BigIntegerField()
    revoke_time = peewee.BigIntegerField()
    last_use_time = peewee.BigIntegerField()

    class Meta:
        table_name = "api_token"


ApiToken.add_index(ApiToken.name_key, unique=True, where=IS_VALID_TOKEN, name="api_token_valid_name")


class SigningKey(peewee.Model):
    """A public key of the frontend, as it pushed it in its version `revision`."""

    key = peewee.BigAutoField()
    id = peewee.CharField(36, unique=True)
    public_key = peewee.TextField()  # base64url
    create_time = peewee.BigIntegerField()
    retire_time = peewee.BigIntegerField()
    revision = peewee.BigIntegerField()  # the frontend's

    class Meta:
        table_name = "signing_key"


class AuditEntry(peewee.Model):
    """An entry of the audit log, of this service or of the frontend."""

    key = peewee.BigAutoField()
    id = peewee.CharField(36, unique=True)
    time = peewee.BigIntegerField()
    result = peewee.SmallIntegerField()
    caller_user_id = peewee.CharField(36)
    credential_id = peewee.TextField()
    address = peewee.TextField()
    objects = peewee.TextField()  # a JSON list
    message = peewee.BlobField()  # a serialized library.v1.AuditEntry, without what the other columns have
    revision = peewee.BigIntegerField()  # the frontend's; 0 for an entry of this service

    class Meta:
        table_name = "audit_entry"


AuditEntry.add_index(AuditEntry.time, name="audit_entry_by_time")
AuditEntry.add_index(AuditEntry.result, AuditEntry.key, name="audit_entry_by_result")
AuditEntry.add_index(AuditEntry.caller_user_id, AuditEntry.key, name="audit_entry_by_caller")


class AuditObject(peewee.Model):
    """An object of an entry of the audit log, by which the entry is found: an id, a barcode or a card number."""

    key = peewee.BigAutoField()
    object = BytewiseTextField()
    entry_key = peewee.BigIntegerField()

    class Meta:
        table_name = "audit_object"


AuditObject.add_index(AuditObject.object, AuditObject.entry_key, name="audit_object_by_object")
AuditObject.add_index(AuditObject.entry_key, name="audit_object_by_entry")
