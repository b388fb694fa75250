"""Users as they sign in: found by the name that they type, with their credential and their role."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass, field

from frontend_server.access.accounts import role_of
from frontend_server.store.models import HAS_OWN_EMAIL, Credential, User
from library.access.v1.access_pb2 import ROLE_PATRON, Role
from library.v1.user_pb2 import USER_STATE_ACTIVE
from library_domain.barcodes import normalized_barcode
from library_domain.emails import key_of_address
from service_kit.statements import Statement, param

USER = (User.id, User.email, User.first_name, User.last_name, User.card_number)
_ACTIVE = User.state == USER_STATE_ACTIVE
BY_ADDRESS = Statement(User.select(*USER).where(User.email_key == param("key"), HAS_OWN_EMAIL, _ACTIVE))
BY_CARD = Statement(User.select(*USER).where(User.card_number == param("number"), _ACTIVE))
IS_ACTIVE = Statement(User.select(User.id).where(User.id == param("user_id"), _ACTIVE))
CREDENTIAL = Statement(
    Credential.select(
        *(Credential.secret_hash, Credential.is_pin, Credential.change_time),
        *(Credential.code_hash, Credential.code_expire_time),
    ).where(Credential.user_id == param("user_id"))
)


@dataclass(frozen=True, slots=True)
class Proof:
    """How a user proves who it is: hashes, empty if there is no such secret, and times."""

    secret_hash: str = field(default="", repr=False)
    is_pin: bool = False
    change_time: int = 0
    """Of the secret. It differs for any two secrets of a user."""
    code_hash: str = field(default="", repr=False)
    code_expire_time: int = 0


@dataclass(frozen=True, slots=True)
class Person:
    """An active user with a name that somebody typed; without an id, nobody has it."""

    user_id: str
    account: str
    """By which attempts are counted: the user's id, or the name that nobody has."""
    texts: tuple[str, ...] = ()
    """What others know of the user, so that it is not a secret."""
    proof: Proof = Proof()
    role: Role.ValueType = ROLE_PATRON


def find_person(name: str) -> Person:
    """Return the active user who has an e-mail address or a card number.

    The statements are the same whether somebody has it or not, so that the time says nothing about that.
    """
    key, number = key_of_address(name), _card_number(name)
    rows = [*BY_ADDRESS.rows(key=key), *BY_CARD.rows(number=number)]
    user_id, *texts = rows[0] if rows else ("",)
    proof, role = proof_of(user_id), role_of(user_id)
    # In one form for all spellings of a name, as it would be if somebody had it.
    account = user_id or f"name {key or number or unicodedata.normalize('NFKC', name).casefold().strip()}"
    return Person(user_id, account, tuple(_texts(texts)), proof, role)


def proof_of(user_id: str) -> Proof:
    """Return the hashes of a user's secrets."""
    row = CREDENTIAL.row(user_id=user_id)
    if row is None:
        return Proof()
    secret_hash, is_pin, *rest = row
    return Proof(secret_hash, bool(is_pin), *rest)


def is_active(user_id: str) -> bool:
    """Return whether a user's account is open."""
    return IS_ACTIVE.row(user_id=user_id) is not None


def _card_number(name: str) -> str:
    try:
        return normalized_barcode(name)
    except ValueError:
        return ""


def _texts(columns: Iterable[str | None]) -> Iterable[str]:
    """Yield the address and its first part, the names in both orders, and the card number, as far as there are any."""
    email, first, last, card = [*(text or "" for text in columns), *[""] * 4][:4]
    for text in (email, email.partition("@")[0], first, last, f"{first}{last}", f"{last}{first}", card):
        if text:
            yield text
