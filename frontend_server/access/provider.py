"""Signing in with an OpenID provider: its ID token names the user, by e-mail address or card number."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from frontend_server.access.id_tokens import Expected, key_id_of, parse, read_id_token
from frontend_server.access.people import find_person
from frontend_server.access.provider_keys import ProviderKeys
from frontend_server.access.used_tokens import use_once
from library.access.v1 import access_service_pb2 as pb
from library_domain.access.errors import ProviderNotSetUp, SignInFailed
from library_domain.access.tokens import TokenRefused
from service_kit.clock import Clock
from service_kit.logs import logger
from service_kit.store import Store

EMAIL = "email"
"""The claim with the e-mail address, which counts only if the provider has verified it."""

LONGEST_NAME = 254

log = logger(__name__)


@dataclass(frozen=True, slots=True)
class ProviderSettings:
    """An OpenID provider that the library trusts."""

    issuer: str
    """Its URL, exactly as it writes it in its tokens."""
    client_id: str
    """Of the library, at the provider."""
    claim: str = EMAIL
    """The claim with the e-mail address or the card number of the user."""
    scopes: str = "openid email"
    """What clients ask for, so that the claim is in the token."""


class ProviderSignIn:
    """Signs users in with ID tokens of a provider, if there is one."""

    def __init__(
        self,
        store: Store,
        settings: ProviderSettings | None,
        open_session: Callable[[str], pb.Session],
        clock: Clock,
    ) -> None:
        """Use `open_session` for users who have proved who they are: it raises `SignInFailed` for closed accounts."""
        self._store, self._settings, self._open_session, self._clock = store, settings, open_session, clock
        self._keys = ProviderKeys(settings.issuer) if settings else None

    def shown(self) -> pb.Provider | None:
        """Return what clients need to know of the provider; None if there is none."""
        if self._settings is None:
            return None
        return pb.Provider(
            issuer=self._settings.issuer, client_id=self._settings.client_id, scopes=self._settings.scopes.split()
        )

    def create_session(self, request: pb.CreateProviderSessionRequest) -> pb.Session:
        """Sign in the user whom an ID token names.

        Raises:
            ProviderNotSetUp: There is no provider.
            ProviderUnavailable: Its keys cannot be read.
            SignInFailed: The token is not valid, or names nobody who is enrolled.
        """
        if self._settings is None or self._keys is None:
            raise ProviderNotSetUp
        expected = Expected(self._settings.issuer, self._settings.client_id, request.nonce)
        try:
            signed = parse(request.id_token)
            claims = read_id_token(signed, self._keys.find(key_id_of(signed)), expected, self._clock())
            name = _name_in(claims, self._settings.claim)
        except TokenRefused as error:
            log.info("ID token refused", reason=str(error))
            raise SignInFailed from error
        with self._store.reading():
            user_id = find_person(name).user_id
        if not user_id:
            log.info("ID token refused", reason="nobody who is enrolled has the e-mail address or the card number")
            raise SignInFailed
        if not use_once(self._store, request.id_token.rpartition(".")[0].encode(), self._clock()):
            log.info("ID token refused", reason="it was used before")
            raise SignInFailed
        return self._open_session(user_id)


def _name_in(claims: Mapping[str, Any], claim: str) -> str:
    """Return the e-mail address or card number in the claims. Raises `TokenRefused`."""
    name = claims.get(claim)
    if not isinstance(name, str) or not 0 < len(name) <= LONGEST_NAME:
        raise TokenRefused(f"it has no claim {claim}")
    # Otherwise anybody could enter the address of another user at the provider. Some send the word.
    if claim == EMAIL and claims.get("email_verified") not in (True, "true"):
        raise TokenRefused("the provider has not verified the e-mail address")
    return name
