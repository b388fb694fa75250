"""E-mail addresses: their normal form, and the key by which two of them are compared."""

from __future__ import annotations

import re
import unicodedata

import idna
from email_validator import SPECIAL_USE_DOMAIN_NAMES, EmailNotValidError, ValidatedEmail, validate_email

from service_kit.errors import FieldInvalid

_RESERVED = frozenset(SPECIAL_USE_DOMAIN_NAMES)

_BEFORE_LABEL = re.compile("[@.\u3002\uff0e\uff61]")
"""The character before a label of the domain: the @-sign, or one of the full stops of UTS #46, section 4."""

LONGEST = 254
"""The most characters of an address; RFC 5321 allows as many octets."""

LONGEST_KEY = 400
"""Keys are cut to this number of characters. No valid address has a longer key, and PostgreSQL's indexes take at most
2,704 bytes."""


def checked_email(email: str, field: str = "email") -> str:
    """Return the address in its normal form (RFC 5321 and 5322, by email-validator). Raises `FieldInvalid`."""
    try:
        return _normalized(email)
    except EmailNotValidError as error:
        raise FieldInvalid((field, str(error))) from error


def email_key(email: str) -> str:
    """Return the key of an address in its normal form. Mail for two addresses with one key goes to the same mailbox.

    The domain is compared by IDNA 2008 (RFC 5891): in lower case, each label as its A-label. So `bücher.example` is
    `xn--bcher-kva.example`, and `faß.example` is not `fass.example`, which is another domain. The part before the
    @-sign is up to the mail server. No mail server is known to distinguish case, so it is compared in lower case and in
    NFC. It is not case-folded, which would make `groß` and `gross` equal.
    """
    local, _, domain = email.rpartition("@")
    local = unicodedata.normalize("NFC", unicodedata.normalize("NFC", local).lower())
    try:
        domain = idna.encode(domain, uts46=True).decode()
    except UnicodeError:  # stored by a version with other rules
        domain = unicodedata.normalize("NFC", domain)
    return f"{local}@{domain.lower()}"[:LONGEST_KEY]


def key_of_address(text: str) -> str:
    """Return the key of a text that is an address; "" for any other text."""
    if len(text) > LONGEST:
        return ""
    try:
        return email_key(_normalized(text))
    except EmailNotValidError:
        return ""


def _normalized(email: str) -> str:
    """Return the address in its normal form. Raises `EmailNotValidError`.

    email-validator refuses the top-level names that RFC 6761 and its like reserve for special use, but a library may
    serve a company's or a school's own network, where `ada@desk.local` is an address. So such a name is replaced by one
    of the same length while the address is validated.
    """
    top = _BEFORE_LABEL.split(email)[-1]
    label = unicodedata.normalize("NFKC", top).lower()
    if label not in _RESERVED:
        return _validated(email).normalized
    replaced = _validated(email.removesuffix(top) + "x" * len(label)).normalized
    return replaced[: -len(label)] + label


def _validated(email: str) -> ValidatedEmail:
    address = validate_email(email, check_deliverability=False, globally_deliverable=False, strict=True)
    if "." not in address.domain:
        raise EmailNotValidError("The part after the @-sign has no dot.")
    return address
