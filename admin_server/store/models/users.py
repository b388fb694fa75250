"""The users that the frontend pushed."""

from __future__ import annotations

import peewee

from library.v1.user_pb2 import USER_STATE_ACTIVE, USER_STATE_CLOSED

NOT_CLOSED = peewee.SQL(f"state <> {USER_STATE_CLOSED}")


class User(peewee.Model):
    """A user, as the frontend pushed it in its version `revision`."""

    key = peewee.BigAutoField()
    id = peewee.CharField(36, unique=True)
    email = peewee.TextField()
    first_name = peewee.TextField()
    last_name = peewee.TextField()
    state = peewee.SmallIntegerField(default=USER_STATE_ACTIVE)  # a newer version may have states of its own
    create_time = peewee.BigIntegerField()
    update_time = peewee.BigIntegerField()
    # By which addresses are compared: see library_domain.emails.
    email_key = peewee.TextField(constraints=[peewee.Default("''")])
    words = peewee.TextField(constraints=[peewee.Default("''")])  # by which it is found: see library_domain.users
    revision = peewee.BigIntegerField()  # the frontend's

    class Meta:
        table_name = "user_account"


User.add_index(User.email_key, User.key, name="user_account_address")
