"""The users that this service enrolled."""

from __future__ import annotations

import peewee

from library.v1.user_pb2 import USER_STATE_ACTIVE, USER_STATE_CLOSED
from service_kit.columns import BytewiseTextField
from service_kit.outbox import OutboxColumns

# With a literal, not a parameter: an engine uses a partial index only if the query contains its condition.
NOT_CLOSED = peewee.SQL(f"state <> {USER_STATE_CLOSED}")
HAS_OWN_EMAIL = peewee.SQL(f"(email_key <> '' AND state <> {USER_STATE_CLOSED})")


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
    # The end of the last block, or `library_domain.users.FOREVER`. While it is later than now, a block is in force.
    blocked_until = peewee.BigIntegerField(default=0, constraints=[peewee.Default("0")])
    note = peewee.TextField(default="", constraints=[peewee.Default("''")])
    active_loan_count = peewee.IntegerField(default=0)

    class Meta:
        table_name = "user_account"


User.add_index(User.email_key, unique=True, where=HAS_OWN_EMAIL, name="user_account_email_key")
User.add_index(User.email_key, User.key, name="user_account_address")
User.add_index(User.card_number, unique=True, name="user_account_card_number")
User.add_index(User.category_key, User.key, name="user_account_by_category")
User.add_index(User.group_key, User.key, name="user_account_by_group")
