"""The users that this service enrolled."""

from __future__ import annotations

import peewee

from library.v1.user_pb2 import USER_STATE_ACTIVE, USER_STATE_CLOSED
from service_kit.outbox import OutboxColumns

# With a literal, not a parameter: an engine uses a partial index only if the query contains its condition.
NOT_CLOSED = peewee.SQL(f"state <> {USER_STATE_CLOSED}")


class User(OutboxColumns):
    """A user. `active_loan_count` is not pushed to the admin, which counts the loans that it has recorded."""

    key = peewee.BigAutoField()
    id = peewee.CharField(36, unique=True)
    email = peewee.TextField()
    first_name = peewee.TextField()
    last_name = peewee.TextField()
    state = peewee.SmallIntegerField(default=USER_STATE_ACTIVE)  # a newer version may have states of its own
    create_time = peewee.BigIntegerField()
    update_time = peewee.BigIntegerField()
    email_key = peewee.TextField()  # by which addresses are compared: see library_domain.emails
    words = peewee.TextField(constraints=[peewee.Default("''")])  # by which it is found: see library_domain.users
    active_loan_count = peewee.IntegerField(default=0)

    class Meta:
        table_name = "user_account"


User.add_index(User.email_key, unique=True, where=NOT_CLOSED, name="user_account_email_key")
User.add_index(User.email_key, User.key, name="user_account_address")
