"""Accounts and sessions, the keys that sign tokens, and the replicas of what the admin decides about callers."""

from __future__ import annotations

import peewee

from service_kit.columns import ReplicaColumns
from service_kit.outbox import OutboxColumns


class Credential(peewee.Model):
    """How a user proves who it is. Texts are empty if there is no such secret; times are 0."""

    user_id = peewee.CharField(36, primary_key=True)
    secret_hash = peewee.TextField()  # Argon2id, in its own format
    is_pin = peewee.SmallIntegerField()  # whether the secret is a PIN and not a password
    change_time = peewee.BigIntegerField()
    code_hash = peewee.TextField()  # of the reset code
    code_expire_time = peewee.BigIntegerField()

    class Meta:
        table_name = "credential"


class Session(peewee.Model):
    """A session of a user who has signed in. The hashes are SHA-256 of the random secrets in refresh tokens."""

    key = peewee.BigAutoField()
    id = peewee.CharField(36, unique=True)
    user_id = peewee.CharField(36)
    refresh_hash = peewee.CharField(64)  # of the newest token
    previous_hash = peewee.CharField(64)  # of the one before; empty for a session that was not refreshed yet
    refresh_salt = peewee.CharField(64, default="")  # from it and the token before, the newest one was made; or empty
    refresh_time = peewee.BigIntegerField()  # when the newest token was made
    create_time = peewee.BigIntegerField()
    expire_time = peewee.BigIntegerField()
    end_time = peewee.BigIntegerField()  # 0 if it was not ended

    class Meta:
        table_name = "session"


Session.add_index(Session.user_id, Session.key, name="session_by_user")
Session.add_index(Session.expire_time, name="session_by_expiry")


class SignInTally(peewee.Model):
    """Failures to sign in, by user, by address, or by both, and ID tokens that were used. See `access.throttle`."""

    subject = peewee.CharField(64, primary_key=True)  # hashes, not names or addresses
    failures = peewee.DoubleField()  # each counts for less as time passes
    time = peewee.BigIntegerField()  # of the last one, or of the last success at a known address
    is_known = peewee.SmallIntegerField()  # whether the user has signed in from this address

    class Meta:
        table_name = "sign_in_tally"


SignInTally.add_index(SignInTally.is_known, SignInTally.time, name="sign_in_tally_by_time")


class SigningKey(OutboxColumns):
    """A key that signs access tokens. The public part is pushed; the private one never leaves the store."""

    key = peewee.BigAutoField()
    id = peewee.CharField(36, unique=True)
    public_key = peewee.TextField()  # base64url
    private_key = peewee.TextField()  # base64url; empty once the key is retired
    create_time = peewee.BigIntegerField()
    retire_time = peewee.BigIntegerField()  # 0 if it was not retired

    class Meta:
        table_name = "signing_key"


class AuditEntry(OutboxColumns):
    """An entry of the audit log, until some time after the admin has recorded it."""

    key = peewee.BigAutoField()
    id = peewee.CharField(36, unique=True)
    time = peewee.BigIntegerField()
    caller_user_id = peewee.CharField(36)
    credential_id = peewee.TextField()
    address = peewee.TextField()
    objects = peewee.TextField()  # a JSON list
    message = peewee.BlobField()  # a serialized library.v1.AuditEntry, without what the other columns have

    class Meta:
        table_name = "audit_entry"


AuditEntry.add_index(AuditEntry.time, name="audit_entry_by_time")


class CallerColumns(ReplicaColumns):
    """The admin's message as received. Only the sync writes it."""

    key = peewee.BigAutoField()
    id = peewee.CharField(36, unique=True)
    message = peewee.BlobField()


class StaffRole(CallerColumns):
    """The role of a member of the staff, whose user id is its id."""

    class Meta:
        table_name = "staff_role"


class ApiToken(CallerColumns):
    """An API token, with the hash of its secret."""

    class Meta:
        table_name = "api_token"
