"""ID tokens of an OpenID provider, checked as OpenID Connect Core 1.0, section 3.1.3.7, demands."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from joserfc import jws
from joserfc.jwk import ECKey, OKPKey, RSAKey

from library_domain.access.tokens import TokenRefused, claims_in, parts_of
from service_kit.clock import SECOND

Key = ECKey | OKPKey | RSAKey

ALGORITHMS = frozenset(
    {"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "Ed25519", "Ed448"}
)
"""Those with a public key. The others verify with the secret of the client, or not at all."""

MOST_AGE_SECONDS = 600
"""An ID token that is older is refused, however long it is valid: it signs a user in once, right after it was made."""

LEEWAY_SECONDS = 60
"""By how much the clocks of the provider and of this service may differ."""


@dataclass(frozen=True, slots=True)
class Expected:
    """What a token has to say."""

    issuer: str
    client_id: str
    nonce: str


def parse(token: str) -> jws.CompactSignature:
    """Return the parts of a token, with no more proved than that it is one. Raises `TokenRefused`."""
    signed = parts_of(token)
    headers: object = signed.headers()  # of any type, in fact
    if not isinstance(headers, dict) or headers.get("alg") not in ALGORITHMS or "crit" in headers:
        raise TokenRefused("it has another algorithm")
    if not isinstance(headers.get("kid", ""), str):
        raise TokenRefused("it has no valid key id")
    return signed


def key_id_of(signed: jws.CompactSignature) -> str:
    """Return the id of the key that a token names; empty if it names none."""
    return str(signed.headers().get("kid", ""))


def read_id_token(signed: jws.CompactSignature, keys: Iterable[Key], expected: Expected, now: int) -> Mapping[str, Any]:
    """Return the claims of a token that is valid at the time `now`, in microseconds since 1970.

    Raises:
        TokenRefused: No key verifies it, or it was not made for this library just now.
    """
    if not any(_is_signed_with(signed, key) for key in keys):
        raise TokenRefused("no key of the provider verifies it")
    claims = claims_in(signed)
    _check_parties(claims, expected)
    _check_times(claims, now)
    if claims.get("nonce") != expected.nonce:
        raise TokenRefused("it has another nonce")
    return claims


def _is_signed_with(signed: jws.CompactSignature, key: Key) -> bool:
    algorithm = str(signed.headers()["alg"])
    if key.get("alg") not in (None, algorithm):
        return False
    registry = jws.JWSRegistry(algorithms=[algorithm], strict_check_header=False)
    try:
        return jws.validate_compact(signed, key, registry=registry)
    except Exception:  # noqa: BLE001 - a key of another kind than the algorithm needs, or one too short
        return False


def _check_parties(claims: Mapping[str, Any], expected: Expected) -> None:
    if claims.get("iss") != expected.issuer:
        raise TokenRefused("it has another issuer")
    audience = claims.get("aud")
    audiences = audience if isinstance(audience, list) else [audience]
    if expected.client_id not in audiences:
        raise TokenRefused("it has another audience")
    # `azp` is the one of several clients that the token was made for.
    party = claims.get("azp", expected.client_id if len(audiences) == 1 else None)
    if party != expected.client_id:
        raise TokenRefused("it was made for another client")


def _check_times(claims: Mapping[str, Any], now: int) -> None:
    issued, expires = _seconds(claims, "iat"), _seconds(claims, "exp")
    seconds = now / SECOND
    if expires <= seconds - LEEWAY_SECONDS:
        raise TokenRefused("it has expired")
    if issued > seconds + LEEWAY_SECONDS:
        raise TokenRefused("it was issued in the future")
    if issued < seconds - MOST_AGE_SECONDS:
        raise TokenRefused("it was issued too long ago")


def _seconds(claims: Mapping[str, Any], name: str) -> float:
    value = claims.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise TokenRefused("it has no times")
    return value
