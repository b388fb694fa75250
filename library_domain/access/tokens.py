"""Access tokens: JSON Web Tokens (RFC 7519, RFC 9068), signed with Ed25519 (RFC 8037, RFC 9864).

The frontend signs them, both services read them. A token identifies the caller. What the caller may do is looked up.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from joserfc import jws, jwt
from joserfc.jwk import OKPKey

from library.access.v1.access_service_pb2 import JsonWebKey
from service_kit.clock import SECOND
from service_kit.ids import UUID

AUDIENCE = "library"
TYPE = "at+jwt"
ALGORITHM = "Ed25519"
"""EdDSA with this curve. The name `EdDSA` for it is deprecated by RFC 9864."""

LIFE_SECONDS = 15 * 60
"""How long an access token is valid."""

LEEWAY_SECONDS = 30
"""By how much the clock of the frontend may be ahead of that of the service that reads a token."""

KEY_BYTES = 32
"""Of a public and of a private key."""

MOST_CHARACTERS = 2_000
"""Of a token. Those that `sign` makes have about 500."""

_HEADERS = frozenset({"alg", "typ", "kid"})


class TokenRefused(Exception):
    """A token that is not valid. The message has the reason, for tests and logs, and no part of the token."""


@dataclass(frozen=True, slots=True)
class KeyPair:
    """A key that signs tokens. The private part is not in the text of the object."""

    id: str
    """A UUID, which tokens name as `kid`."""
    public: bytes
    private: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Claims:
    """What a valid token says. Times are microseconds since 1970."""

    user_id: str
    session_id: str
    issue_time: int
    expire_time: int


def new_key_pair(key_id: str) -> KeyPair:
    """Make a random key."""
    parts = OKPKey.generate_key("Ed25519").as_dict(private=True)
    return KeyPair(key_id, decode_key(str(parts["x"])), decode_key(str(parts["d"])))


def public_part(private_key: bytes) -> bytes:
    """Return the public key that belongs to a private one."""
    return Ed25519PrivateKey.from_private_bytes(private_key).public_key().public_bytes_raw()


def encode_key(key: bytes) -> str:
    """Write a public or a private key in base64url without padding, as JSON Web Keys have them."""
    return base64.urlsafe_b64encode(key).rstrip(b"=").decode()


def decode_key(text: str) -> bytes:
    """Read what `encode_key` wrote. Raises `ValueError`."""
    try:
        key = base64.b64decode(f"{text}=", altchars=b"-_", validate=True)
    except ValueError as error:
        raise ValueError("not a key in base64url") from error
    if len(key) != KEY_BYTES or encode_key(key) != text:
        raise ValueError("not a key in base64url")
    return key


def json_web_key(key_id: str, public_key: bytes) -> JsonWebKey:
    """Return a public key as clients and other programs read it."""
    return JsonWebKey(kty="OKP", crv="Ed25519", kid=key_id, x=encode_key(public_key), use="sig", alg=ALGORITHM)


def sign(
    key: KeyPair, *, issuer: str, user_id: str, session_id: str, now: int, life_seconds: int = LIFE_SECONDS
) -> tuple[str, Claims]:
    """Return an access token, and what it says. Times in tokens are whole seconds.

    Args:
        key: The key that signs it.
        issuer: The id of the frontend's store.
        user_id: The user who has signed in.
        session_id: The session.
        now: The time, in microseconds since 1970.
        life_seconds: How long the token is valid.
    """
    issued = now // SECOND
    claims = {
        "iss": issuer,
        "aud": AUDIENCE,
        "sub": user_id,
        "sid": session_id,
        "iat": issued,
        "exp": issued + life_seconds,
    }
    header = {"alg": ALGORITHM, "typ": TYPE, "kid": key.id}
    token = jwt.encode(header, claims, _imported(key.public, d=encode_key(key.private)), algorithms=[ALGORITHM])
    return token, Claims(user_id, session_id, issued * SECOND, (issued + life_seconds) * SECOND)


def read(token: str, *, issuer: str, public_key: Callable[[str], bytes | None], now: int) -> Claims:
    """Return what a token says, if it is valid at the time `now`, in microseconds since 1970.

    Args:
        token: The text of the token, from anybody.
        issuer: Who has to have issued it; empty if that is not known yet, and then all tokens are refused.
        public_key: Returns the public key with an id, which is a UUID, or None if it is unknown or retired.
        now: The time.

    Raises:
        TokenRefused: The token is not valid.
    """
    if not issuer:
        raise TokenRefused("no issuer is known")
    if len(token) > MOST_CHARACTERS or not token.isascii():
        raise TokenRefused("it is not a token")
    signed = parts_of(token)
    headers = signed.headers()
    _check_headers(headers)
    key = public_key(headers["kid"])
    if key is None:
        raise TokenRefused("the key is unknown, or retired")
    if not _is_signed_with(signed, key):
        raise TokenRefused("the signature is wrong")
    return _claims(claims_in(signed), issuer, now)


def parts_of(token: str) -> jws.CompactSignature:
    """Return the parts of any signed token, with no more proved than that it is one. Raises `TokenRefused`."""
    try:
        return jws.extract_compact(token.encode())
    except Exception as error:  # anybody can send any text, and the parser raises errors of many kinds
        raise TokenRefused("it is not a token") from error


def _check_headers(headers: Mapping[str, Any]) -> None:
    """Accept only the headers that `sign` writes, so that no header can say how a token is to be verified."""
    if not isinstance(headers, dict) or headers.keys() != _HEADERS:
        raise TokenRefused("it has other headers")
    if (headers["alg"], headers["typ"]) != (ALGORITHM, TYPE):
        raise TokenRefused("it has another algorithm or type")
    if not _is_id(headers["kid"]):
        raise TokenRefused("its key id is not a UUID")


def _is_signed_with(signed: jws.CompactSignature, key: bytes) -> bool:
    return jws.validate_compact(signed, _imported(key), algorithms=[ALGORITHM])


def _imported(public_key: bytes, **private: str) -> OKPKey:
    return OKPKey.import_key({"kty": "OKP", "crv": "Ed25519", "x": encode_key(public_key), **private})


def claims_in(signed: jws.CompactSignature) -> Mapping[str, Any]:
    """Return the claims of a token whose signature was verified. Raises `TokenRefused` for anything but an object."""
    try:
        found = json.loads(signed.payload or b"")
    except ValueError as error:
        raise TokenRefused("its claims are not JSON") from error
    if not isinstance(found, dict):
        raise TokenRefused("its claims are not an object")
    return found


def _claims(claims: Mapping[str, Any], issuer: str, now: int) -> Claims:
    if claims.get("iss") != issuer:
        raise TokenRefused("it has another issuer")
    if claims.get("aud") != AUDIENCE:
        raise TokenRefused("it has another audience")
    user_id, session_id, issued, expires = (claims.get(name) for name in ("sub", "sid", "iat", "exp"))
    if not (_is_id(user_id) and _is_id(session_id)):
        raise TokenRefused("its user or its session is not a UUID")
    if type(issued) is not int or type(expires) is not int:
        raise TokenRefused("it has no times")
    if issued * SECOND > now + LEEWAY_SECONDS * SECOND:
        raise TokenRefused("it was issued in the future")
    if expires * SECOND <= now:
        raise TokenRefused("it has expired")
    return Claims(str(user_id), str(session_id), issued * SECOND, expires * SECOND)


def _is_id(value: object) -> bool:
    return isinstance(value, str) and UUID.fullmatch(value) is not None
