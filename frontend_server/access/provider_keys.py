"""The public keys of an OpenID provider: its configuration is read from the provider, and kept for a while."""

from __future__ import annotations

import http.client
import json
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterable
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from joserfc.jwk import JWKRegistry

from frontend_server.access.id_tokens import Key
from library_domain.access.errors import ProviderUnavailable
from service_kit.addresses import is_this_machine
from service_kit.logs import logger

KEPT_SECONDS = 3_600.0
"""After this time keys are read again."""

USED_SECONDS = 86_400.0
"""Until this time keys are used if they cannot be read again."""

PAUSE_SECONDS = 10.0
"""The least time between two attempts to read them, after a failure, or for a token with an unknown key."""

READ_SECONDS, ALL_SECONDS = 5.0, 10.0
"""How long one read from the provider may take, and an answer as a whole."""

MOST_BYTES = 262_144
"""Of an answer of the provider."""

MOST_KEYS = 100

CONFIGURATION = "/.well-known/openid-configuration"

log = logger(__name__)


def is_url(text: object) -> bool:
    """Return whether a text is a URL that may be read: https, or http on this machine."""
    if not isinstance(text, str) or not text.isascii() or not text.isprintable() or " " in text:
        return False
    try:
        parts = urlsplit(text)
        host, _ = parts.hostname, parts.port
    except ValueError:
        return False
    if not host or parts.username is not None or parts.fragment:
        return False
    return parts.scheme == "https" or (parts.scheme == "http" and is_this_machine(host))


class _Unread(Exception):
    """The keys could not be read. The message is for people, and has no text of the provider."""


class _Kept(NamedTuple):
    keys: tuple[Key, ...]
    read_at: float
    """By the monotonic clock."""


class ProviderKeys:
    """The keys of one provider. Threads share them, and one at a time reads them again."""

    def __init__(self, issuer: str) -> None:
        self._issuer = issuer
        self._kept: _Kept | None = None
        self._tried_at = -PAUSE_SECONDS
        self._problem = ""
        self._reading = threading.Lock()

    def find(self, key_id: str) -> tuple[Key, ...]:
        """Return the keys that may verify a token which names this key; all for a token that names none.

        Raises `ProviderUnavailable`.
        """
        if not self._is_enough(key_id):
            with self._reading:
                if not self._is_enough(key_id) and time.monotonic() - self._tried_at >= PAUSE_SECONDS:
                    self._read_again()
        kept = self._kept
        if kept is None or time.monotonic() - kept.read_at > USED_SECONDS:
            raise ProviderUnavailable(issuer=self._issuer, problem=self._problem)
        return tuple(key for key in kept.keys if not key_id or key.get("kid") in (None, key_id))

    def _is_enough(self, key_id: str) -> bool:
        kept = self._kept
        if kept is None or time.monotonic() - kept.read_at > KEPT_SECONDS:
            return False
        return not key_id or any(key.get("kid") in (None, key_id) for key in kept.keys)

    def _read_again(self) -> None:
        try:
            self._kept, self._problem = _Kept(_read_keys(self._issuer), time.monotonic()), ""
        except _Unread as error:
            self._problem = str(error)
            log.warning("the keys of the OpenID provider cannot be read", issuer=self._issuer, problem=self._problem)
        finally:
            self._tried_at = time.monotonic()


def _read_keys(issuer: str) -> tuple[Key, ...]:
    configuration = _read_json(f"{issuer.rstrip('/')}{CONFIGURATION}")
    if configuration.get("issuer") != issuer:  # RFC 8414, section 3.3: otherwise it is that of somebody else
        raise _Unread("its configuration names another issuer")
    where = configuration.get("jwks_uri")
    if not isinstance(where, str) or not is_url(where):
        raise _Unread("its configuration has no usable address of its keys")
    found = _read_json(where).get("keys")
    keys = tuple(_usable(found if isinstance(found, list) else []))
    if not keys:
        raise _Unread("it has no usable keys")
    return keys


def _usable(found: Iterable[Any]) -> Iterable[Key]:
    """Yield the public keys that are for signatures. RFC 7517, section 5: others are ignored."""
    for entry in list(found)[:MOST_KEYS]:
        if not isinstance(entry, dict) or entry.get("use", "sig") != "sig":
            continue
        try:
            key = JWKRegistry.import_key(entry)
        except Exception:  # noqa: BLE001 - of a kind that is not known here, or damaged
            continue
        if key.key_type != "oct":
            yield key  # type: ignore[misc]  # all but the keys of this type are public ones


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """Refuses redirects, which could lead to any address."""

    def redirect_request(self, *_: object) -> None:
        """Return no request: the answer counts as an error."""


_OPENER = urllib.request.build_opener(_NoRedirect)


def _read_json(url: str) -> dict[str, Any]:
    """Return the JSON object at an address. Raises `_Unread`."""
    if not is_url(url):
        raise _Unread("its address is not https")
    request = urllib.request.Request(url, headers={"Accept": "application/json"})
    try:
        with _OPENER.open(request, timeout=READ_SECONDS) as answer:
            found = json.loads(_body(answer))
    except urllib.error.HTTPError as error:
        error.close()
        raise _Unread(f"HTTP status {error.code}") from error
    except (OSError, http.client.HTTPException) as error:
        reason = getattr(error, "reason", error)
        raise _Unread(f"{type(reason).__name__}") from error
    except (ValueError, RecursionError) as error:
        raise _Unread("its answer is not JSON") from error
    if not isinstance(found, dict):
        raise _Unread("its answer is not a JSON object")
    return found


def _body(answer: http.client.HTTPResponse) -> bytes:
    began, body = time.monotonic(), b""
    while part := answer.read1(65_536):
        body += part
        if len(body) > MOST_BYTES:
            raise _Unread(f"its answer has more than {MOST_BYTES} bytes")
        if time.monotonic() - began > ALL_SECONDS:
            raise _Unread(f"its answer takes longer than {ALL_SECONDS:.0f} seconds")
    return body
