"""Which passwords and PINs can be chosen: pure functions, without a store or a clock."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from functools import cache
from itertools import pairwise
from pathlib import Path

from service_kit.errors import FieldInvalid

LEAST_OF_PASSWORD = 10
"""Characters. NIST SP 800-63B asks for 8 or more where a password is not the only factor."""

_PIN = re.compile("[0-9]{6,12}", re.ASCII)
_COMMON = Path(__file__).parent / "common_secrets.txt"


def is_pin(secret: str) -> bool:
    """Return whether a secret has the form of a PIN: 6 to 12 digits."""
    return _PIN.fullmatch(_normal(secret)) is not None


def check_new_secret(secret: str, field: str = "new_secret") -> None:
    """Raise `FieldInvalid` for a secret that nobody should choose."""
    normal = _normal(secret)
    if is_pin(secret):
        if len(set(normal)) < 3 or _is_run(normal) or normal in _common():
            raise FieldInvalid((field, "is a PIN that many people choose; choose digits that nobody guesses"))
    elif len(normal) < LEAST_OF_PASSWORD:
        raise FieldInvalid(
            (field, f"must have at least {LEAST_OF_PASSWORD} characters, or 6 to 12 digits if it is a PIN")
        )
    elif len(set(normal)) < 4 or normal.casefold() in _common():
        raise FieldInvalid((field, "is a password that many people choose; choose another one"))


def check_secret_of(secret: str, own: Iterable[str], *, is_staff: bool, field: str = "new_secret") -> None:
    """Raise `FieldInvalid` for a secret that this user should not choose. `own` are texts that others know."""
    if is_staff and is_pin(secret):
        raise FieldInvalid((field, "must be a password: a PIN is for patrons only"))
    normal = _comparable(secret)
    if normal in {_comparable(text) for text in own}:
        raise FieldInvalid((field, "must not be a name, an address or a card number of the user"))


def _is_run(digits: str) -> bool:
    """Return whether digits only count up or down, such as 123456, or 987654."""
    steps = {(int(after) - int(before)) % 10 for before, after in pairwise(digits)}
    return steps in ({1}, {9})


@cache
def _common() -> frozenset[str]:
    return frozenset(_COMMON.read_text().split())


def _normal(secret: str) -> str:
    return unicodedata.normalize("NFKC", secret)


def _comparable(text: str) -> str:
    return "".join(_normal(text).casefold().split())
