"""The users that the frontend pushed."""

from __future__ import annotations

import peewee

from library.v1.user_pb2 import USER_STATE_ACTIVE, USER_STATE_CLOSED
from service_kit.columns import BytewiseTextField

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
    # What a desk scans, in upper case; None for an erased user.
    card_number = peewee.TextField(null=True)
    user_category = peewee.TextField(default="", constraints=[peewee.Default("''")])
    user_group = peewee.TextField(default="", constraints=[peewee.Default("''")])
    # By which both are compared and sorted: see service_kit.text.keys.
    category_key = BytewiseTextField(default="", constraints=[peewee.Default("''")])
    group_key = BytewiseTextField(default="", constraints=[peewee.Default("''")])
    branch = peewee.TextField(default="", constraints=[peewee.Default("''")])
    expire_time = peewee.BigIntegerField(null=True)
    blocks = peewee.BlobField(null=True)  # a serialized library.v1.User with the blocks only; None without one
    note = peewee.TextField(default="", constraints=[peewee.Default("''")])
    revision = peewee.BigIntegerField()  # the frontend's

    class Meta:
        table_name = "user_account"


User.add_index(User.email_key, User.key, name="user_account_address")
# Not unique: two users can exchange their numbers, and are recorded one after the other.
User.add_index(User.card_number, name="user_account_card_number")
User.add_index(User.category_key, User.key, name="user_account_by_category")
User.add_index(User.group_key, User.key, name="user_account_by_group")
