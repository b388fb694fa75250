"""Users as both stores keep them: the frontend those it enrolled, the admin those it was told of."""

from __future__ import annotations

import peewee

from library.v1 import user_pb2
from service_kit.clock import micros, timestamp


class UserColumns(peewee.Model):
    """The columns that hold a `library.v1.User`, but for the count of its loans. Times are microseconds since 1970."""

    key = peewee.BigAutoField()
    id = peewee.CharField(36, unique=True)
    email = peewee.TextField()
    first_name = peewee.TextField()
    last_name = peewee.TextField()
    state = peewee.SmallIntegerField(default=user_pb2.USER_STATE_ACTIVE)
    create_time = peewee.BigIntegerField()
    update_time = peewee.BigIntegerField()


def user_message(row: UserColumns, active_loan_count: int) -> user_pb2.User:
    """Convert a row to the message."""
    return user_pb2.User(
        id=row.id,
        email=row.email,
        first_name=row.first_name,
        last_name=row.last_name,
        state=user_pb2.UserState.ValueType(row.state),
        active_loan_count=active_loan_count,
        create_time=timestamp(row.create_time),
        update_time=timestamp(row.update_time),
    )


def user_columns(user: user_pb2.User) -> dict[str, object]:
    """Convert a message to the columns."""
    return {
        "id": user.id,
        "email": user.email,
        "first_name": user.first_name,
        "last_name": user.last_name,
        "state": user.state,
        "create_time": micros(user.create_time),
        "update_time": micros(user.update_time),
    }
