"""Members: people enrol with an e-mail address, once."""

from __future__ import annotations

import peewee
from email_validator import SPECIAL_USE_DOMAIN_NAMES, EmailNotValidError, validate_email

from frontend_server.store.models import User
from library.frontend.v1.member_service_pb2 import EnrollUserRequest
from library.v1 import user_pb2
from library_domain.errors import EmailTaken, UserNotFound
from library_domain.users import user_message
from service_kit.clock import Clock
from service_kit.errors import FieldInvalid
from service_kit.idempotency import once
from service_kit.ids import new_id
from service_kit.revisions import take_revisions
from service_kit.store import Store

# A library may serve a company's or a school's own network: `ada@desk.local` is an address there.
SPECIAL_USE_DOMAIN_NAMES.clear()


def enroll_user(store: Store, request: EnrollUserRequest, clock: Clock) -> user_pb2.User:
    """Enrol a user."""
    email = checked_email(request.email)

    def enroll() -> user_pb2.User:
        now = clock()
        row = User.create(
            id=new_id(),
            email=email,
            email_key=email.casefold(),
            first_name=request.first_name.strip(),
            last_name=request.last_name.strip(),
            create_time=now,
            update_time=now,
            revision=take_revisions(),
        )
        return user_message(row, 0)

    try:
        return once(store, request, user_pb2.User, enroll, clock)
    except peewee.IntegrityError as taken:  # the unique index decides who was first
        raise EmailTaken() from taken


def get_user(store: Store, user_id: str) -> user_pb2.User:
    """Get a user."""
    with store.reading():
        row = User.get_or_none(User.id == user_id)
    if row is None:
        raise UserNotFound(user_id=user_id)
    return user_message(row, row.active_loan_count)


def checked_email(email: str) -> str:
    """The address in its normal form (RFC 5321 and 5322, by email-validator). Raises `FieldInvalid`."""
    try:
        address = validate_email(email, check_deliverability=False, globally_deliverable=False, strict=True)
    except EmailNotValidError as error:
        raise FieldInvalid(("email", str(error))) from error
    if "." not in address.domain:
        raise FieldInvalid(("email", "The part after the @-sign has no dot."))
    return address.normalized
