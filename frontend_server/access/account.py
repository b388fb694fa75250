"""The account of a person at this machine, such as the first admin: found or enrolled, with a reset code."""

from __future__ import annotations

import json

import click

from frontend_server.access.people import find_person
from frontend_server.access.reset_codes import create_reset_code
from frontend_server.members.members import enroll_user, get_user
from frontend_server.store.models import User
from library.access.v1.access_service_pb2 import ResetCode
from library.frontend.v1.member_service_pb2 import EnrollUserRequest
from library.v1 import user_pb2
from library_domain.access.callers import ANYBODY
from library_domain.emails import key_of_address
from library_domain.errors import UserNotFound
from library_domain.users import display_name
from service_kit.clock import Clock, micros, rfc3339
from service_kit.store import Store


def find_or_enroll(store: Store, name: str, first_name: str, last_name: str, clock: Clock) -> user_pb2.User:
    """Return the active user with an id, an e-mail address or a card number; or enrol one who has none of them.

    Raises `UserNotFound` for an unknown name, unless there is a first or a last name to enrol; and, if there is one,
    what `enroll_user` raises.
    """
    with store.reading():
        user_id = find_person(name).user_id
        if not user_id and User.select().where(User.id == name.lower()).exists():
            user_id = name.lower()
    if user_id:
        return get_user(store, user_id)
    if not (first_name or last_name):
        raise UserNotFound(user_id=name)
    request = EnrollUserRequest(first_name=first_name, last_name=last_name)
    if key_of_address(name):
        request.email = name
    else:
        request.card_number = name
    return enroll_user(store, request, clock)


def new_code(store: Store, user_id: str, clock: Clock) -> ResetCode:
    """Make a reset code for a user. Who can write the store may do so for everybody. Raises `UserClosed`."""
    return create_reset_code(store, user_id, ANYBODY, clock)


def show_account(user: user_pb2.User, code: ResetCode | None, *, as_json: bool) -> None:
    """Print a user and a code: for people, or for a program."""
    name = display_name(user.first_name, user.last_name)
    if as_json:
        shown = {"userId": user.id, "displayName": name}
        if code is not None:
            shown |= {"code": code.code, "expireTime": code.expire_time.ToJsonString()}
        click.echo(json.dumps(shown))
        return
    click.echo(f"The user:       {name}, {user.id}")
    if code is not None:
        click.echo(f"The reset code: {code.code}")
        click.echo(f"Valid once, until {rfc3339(micros(code.expire_time))}: library set-password")
