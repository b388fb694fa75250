"""The fields of a user that EnrollUser and UpdateUser write: their normal forms, and what is wrong with them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeAlias

from google.protobuf.timestamp_pb2 import Timestamp

from library.frontend.v1.member_service_pb2 import EnrollUserRequest, UpdateUserRequest
from library.v1 import user_pb2
from library_domain.barcodes import normalized_barcode
from library_domain.emails import checked_email
from service_kit.clock import SECOND
from service_kit.errors import FieldInvalid
from service_kit.field_masks import masked_fields
from service_kit.ids import UUID
from service_kit.text.invisible import stripped
from service_kit.text.keys import tidied
from service_kit.validation import Rule, joined, problems, problems_by, shortened

OwnFields: TypeAlias = EnrollUserRequest | user_pb2.User
"""A message with the fields that users have of their own."""

TIME_SECONDS = range(253_370_764_800)
"""The years 1970 to 9998 in seconds since 1970: in every time zone, these times have a local date."""


def _normal_email(email: str) -> str:
    return checked_email(email) if email else ""


def normal_card_number(text: str) -> str:
    """Return a card number as it is stored; "" for a blank one. Raises `FieldInvalid`."""
    if not stripped(text):
        return ""
    try:
        return normalized_barcode(text)
    except ValueError as problem:
        raise FieldInvalid(("card_number", str(problem))) from problem


NORMAL_FORMS: dict[str, Callable[[str], str]] = {
    "email": _normal_email,
    "first_name": tidied,
    "last_name": tidied,
    "card_number": normal_card_number,
    "user_category": tidied,
    "group": tidied,
    "branch": tidied,
    "note": tidied,
}
"""The texts that users can change, each with the function that returns the form to store."""

CHANGEABLE_FIELDS = (*NORMAL_FORMS, "expire_time")


def own_fields(source: OwnFields, names: Iterable[str] = CHANGEABLE_FIELDS) -> user_pb2.User:
    """Return a user with these fields in their normal forms. Raises `FieldInvalid`."""
    user = user_pb2.User()
    for name in names:
        if name in NORMAL_FORMS:
            setattr(user, name, NORMAL_FORMS[name](getattr(source, name)))
    if "expire_time" in names and source.HasField("expire_time"):
        user.expire_time.CopyFrom(source.expire_time)
        user.expire_time.nanos -= user.expire_time.nanos % 1_000  # a store has microseconds
    return user


def with_fields(user: user_pb2.User, values: user_pb2.User, names: Iterable[str]) -> user_pb2.User:
    """Return a copy of a user with the values of these fields."""
    changed = user_pb2.User()
    changed.CopyFrom(user)
    for name in names:
        changed.ClearField(name)  # type: ignore[arg-type]
    wanted = user_pb2.User()
    wanted.CopyFrom(values)
    for name in set(CHANGEABLE_FIELDS).difference(names):
        wanted.ClearField(name)  # type: ignore[arg-type]
    changed.MergeFrom(wanted)
    return changed


def changed_fields(request: UpdateUserRequest) -> list[str]:
    """Return the fields that an update changes. With the mask `*`, a user whose card number is not sent keeps it."""
    names, _ = masked_fields(request.user, request.update_mask, CHANGEABLE_FIELDS)
    if list(request.update_mask.paths) == ["*"] and not stripped(request.user.card_number):
        names.remove("card_number")
    return names


def check_enrolment(request: EnrollUserRequest) -> None:
    """Raise `FieldInvalid` with all problems of an enrolment that the contract's own rules do not cover."""
    wrong = problems_by(_RULES, request)
    if not (request.first_name.strip() or request.last_name.strip()):
        wrong += no_name().problems
    if wrong:
        raise FieldInvalid(*wrong)


def check_update(request: UpdateUserRequest) -> None:
    """Raise `FieldInvalid` with all problems of an update that are independent of the stored user."""
    user = request.user
    _, wrong = masked_fields(user, request.update_mask, CHANGEABLE_FIELDS)
    if not UUID.fullmatch(user.id):
        wrong.append(("user.id", "must be a valid UUID"))
    # The other fields are filled with valid values, so that all problems found are those of the changed fields.
    enrolment = EnrollUserRequest(first_name="A", last_name="A")
    names = changed_fields(request)
    for name in names:
        if name in NORMAL_FORMS:
            setattr(enrolment, name, getattr(user, name))
    if "expire_time" in names and user.HasField("expire_time"):
        enrolment.expire_time.CopyFrom(user.expire_time)
    found = problems(enrolment)
    found = joined(found, problems_by([check_enrolment], shortened(enrolment, found)))
    if "card_number" in names and not stripped(user.card_number):
        found = joined(found, [("card_number", "must not be empty")])
    wrong += [(f"user.{field}", problem) for field, problem in found]
    if wrong:
        raise FieldInvalid(*wrong)


def check_time(field: str, time: Timestamp) -> None:
    """Raise `FieldInvalid` for a time that has no local date in each time zone."""
    if time.seconds not in TIME_SECONDS or not 0 <= time.nanos < SECOND * 1_000:
        raise FieldInvalid((field, "must be a time of the years 1970 to 9998"))


def no_name(prefix: str = "") -> FieldInvalid:
    """Return the error for a user without a name."""
    return FieldInvalid(
        (f"{prefix}first_name", "must not be empty when last_name is empty"),
        (f"{prefix}last_name", "must not be empty when first_name is empty"),
    )


_RULES: list[Rule] = [
    lambda each: _normal_email(each.email),
    lambda each: normal_card_number(each.card_number),
    lambda each: check_time("expire_time", each.expire_time) if each.HasField("expire_time") else None,
]
