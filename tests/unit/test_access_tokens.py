"""Access tokens: only what `sign` makes is valid, and only as long as it says."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from joserfc import jwt
from joserfc.jwk import OctKey, OKPKey

from library_domain.access.tokens import (
    ALGORITHM,
    KeyPair,
    TokenRefused,
    decode_key,
    encode_key,
    json_web_key,
    new_key_pair,
    read,
    sign,
)
from service_kit.clock import SECOND

NOW = 1_790_000_000 * SECOND
ISSUER = "01920000-0000-7000-8000-000000000001"
USER, SESSION = "01920000-0000-7000-8000-000000000002", "01920000-0000-7000-8000-000000000003"
KEY = new_key_pair("01920000-0000-7000-8000-000000000004")
OTHER_KEY = new_key_pair("01920000-0000-7000-8000-000000000005")
HEADER = {"alg": ALGORITHM, "typ": "at+jwt", "kid": KEY.id}
CLAIMS = {
    "iss": ISSUER,
    "aud": "library",
    "sub": USER,
    "sid": SESSION,
    "iat": NOW // SECOND,
    "exp": NOW // SECOND + 900,
}


def public_key(key_id: str) -> bytes | None:
    return {KEY.id: KEY.public, OTHER_KEY.id: OTHER_KEY.public}.get(key_id)


def check(token: str, now: int = NOW, issuer: str = ISSUER) -> Any:
    return read(token, issuer=issuer, public_key=public_key, now=now)


def base64url(part: bytes) -> str:
    return base64.urlsafe_b64encode(part).rstrip(b"=").decode()


def made(header: dict[str, Any] = HEADER, claims: Any = CLAIMS, key: KeyPair = KEY) -> str:
    """Sign any claims with any header, as a program with the key could."""
    parts: dict[str, Any] = {"kty": "OKP", "crv": "Ed25519", "x": encode_key(key.public), "d": encode_key(key.private)}
    signing_input = f"{base64url(json.dumps(header).encode())}.{base64url(json.dumps(claims).encode())}"
    operation: Any = OKPKey.import_key(parts).get_op_key("sign")
    return f"{signing_input}.{base64url(operation.sign(signing_input.encode()))}"


def test_a_token_says_what_was_signed_until_it_expires() -> None:
    token, claims = sign(KEY, issuer=ISSUER, user_id=USER, session_id=SESSION, now=NOW + 5)
    assert (claims.user_id, claims.session_id) == (USER, SESSION)
    assert claims.expire_time == NOW + 900 * SECOND
    assert check(token) == claims == check(token, claims.expire_time - 1) == check(made())
    with pytest.raises(TokenRefused, match="expired"):
        check(token, claims.expire_time)
    assert check(token, NOW - 30 * SECOND) == claims
    with pytest.raises(TokenRefused, match="future"):
        check(token, NOW - 31 * SECOND)


WITHOUT_KEY = f"{base64url(json.dumps(HEADER | {'alg': 'none'}).encode())}.{base64url(json.dumps(CLAIMS).encode())}."
HS256 = jwt.encode(HEADER | {"alg": "HS256"}, CLAIMS, OctKey.import_key(KEY.public), algorithms=["HS256"])
WRONG = {
    "no token": ("", "not a token"),
    "words": ("a.b.c", "not a token"),
    "not ASCII": ("é.é.é", "not a token"),
    "too long": (f"{made()}{'A' * 2_000}", "not a token"),
    "alg none": (WITHOUT_KEY, "algorithm"),
    "HS256 with the public key": (HS256, "algorithm"),
    "EdDSA, the older name": (made(HEADER | {"alg": "EdDSA"}), "algorithm"),
    "type of other tokens": (made(HEADER | {"typ": "JWT"}), "type"),
    "a key in the header": (made({**HEADER, "jwk": OKPKey.generate_key("Ed25519").as_dict(private=False)}), "headers"),
    "no key id": (made({"alg": ALGORITHM, "typ": "at+jwt"}), "headers"),
    "a key id for SQL": (made(HEADER | {"kid": "\0' OR 1"}), "key id"),
    "an unknown key id": (made(HEADER | {"kid": ISSUER}), "key is unknown"),
    "another key": (made(key=OTHER_KEY), "signature"),
    "another key id": (made(HEADER | {"kid": OTHER_KEY.id}), "signature"),
    "another issuer": (made(claims=CLAIMS | {"iss": USER}), "issuer"),
    "another audience": (made(claims=CLAIMS | {"aud": "elsewhere"}), "audience"),
    "several audiences": (made(claims=CLAIMS | {"aud": ["library", "elsewhere"]}), "audience"),
    "no user": (made(claims=CLAIMS | {"sub": ""}), "not a UUID"),
    "no session": (made(claims={name: CLAIMS[name] for name in CLAIMS if name != "sid"}), "not a UUID"),
    "no end": (made(claims=CLAIMS | {"exp": None}), "no times"),
    "a text as its end": (made(claims=CLAIMS | {"exp": "9999999999"}), "no times"),
    "true as its beginning": (made(claims=CLAIMS | {"iat": True}), "no times"),
    "a list": (made(claims=[]), "not an object"),
}


@pytest.mark.parametrize("name", WRONG)
def test_other_tokens_are_refused(name: str) -> None:
    token, reason = WRONG[name]
    with pytest.raises(TokenRefused, match=reason) as refused:
        check(token)
    assert str(refused.value).isascii()


def test_no_changed_token_is_valid() -> None:
    token = made()
    # The last character of the signature has bits that base64 ignores: another text of the same token.
    for position, character in enumerate(token[:-1]):
        changed = "A" if character != "A" else "Q"
        with pytest.raises(TokenRefused):
            check(token[:position] + changed + token[position + 1 :])


def test_without_an_issuer_all_tokens_are_refused() -> None:
    with pytest.raises(TokenRefused, match="issuer"):
        check(made(claims=CLAIMS | {"iss": ""}), issuer="")


def test_a_header_that_is_no_object_is_refused() -> None:
    headers: list[object] = ["alg", ["alg"], 1, None, [[[[]]]]]
    for header in headers:
        with pytest.raises(TokenRefused):
            check(f"{base64url(json.dumps(header).encode())}.{base64url(b'{}')}.{base64url(bytes(64))}")


def test_keys_as_text() -> None:
    assert decode_key(encode_key(KEY.public)) == KEY.public
    for text in ("", "A" * 42, "A" * 44, "A" * 42 + "B", "A" * 42 + "+", "é" * 43):
        with pytest.raises(ValueError, match="not a key"):
            decode_key(text)
    shown = json_web_key(KEY.id, KEY.public)
    assert OKPKey.import_key({"kty": shown.kty, "crv": shown.crv, "x": shown.x}).as_dict(private=False)["x"] == shown.x


def test_the_private_key_is_not_in_the_text_of_the_object() -> None:
    for text in (repr(KEY), str(KEY)):
        assert encode_key(KEY.private) not in text
        assert repr(KEY.private) not in text
