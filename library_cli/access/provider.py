"""Signing in at the OpenID provider of a library, in the user's browser: the code flow with PKCE (RFC 7636, 8252)."""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
import time
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import click

from library.access.v1.access_service_pb2 import CreateProviderSessionRequest, Provider

BROWSER_SECONDS = 300.0
"""How long the user has for signing in."""

READ_SECONDS = 10.0
MOST_BYTES = 262_144
PATH = "/signed-in"


def sign_in_at(provider: Provider, *, opens_browser: bool) -> CreateProviderSessionRequest:
    """Return the request with which the user signs in at the library. Raises click.ClickException."""
    configuration = _answer(f"{provider.issuer.rstrip('/')}/.well-known/openid-configuration", provider.issuer)
    if configuration.get("issuer") != provider.issuer:
        raise click.ClickException(f"The configuration at {provider.issuer} names another issuer.")
    flow = _Flow()
    with _Redirect() as redirect:
        query = {
            "client_id": provider.client_id,
            "redirect_uri": redirect.url,
            "response_type": "code",
            "scope": " ".join(provider.scopes),
            "state": flow.state,
            "nonce": flow.nonce,
            "code_challenge": flow.challenge,
            "code_challenge_method": "S256",
        }
        url = f"{_address(configuration, 'authorization_endpoint', provider)}?{urlencode(query)}"
        click.echo(f"Sign in at this address, in a browser of this machine:\n{url}")
        if opens_browser:
            click.launch(url)
        found = redirect.wait()
    if found.get("state") != flow.state or "code" not in found:
        raise click.ClickException("The provider did not sign you in.")
    tokens = _answer(
        _address(configuration, "token_endpoint", provider),
        provider.issuer,
        {
            "grant_type": "authorization_code",
            "client_id": provider.client_id,
            "redirect_uri": redirect.url,
            "code": found["code"],
            "code_verifier": flow.verifier,
        },
    )
    return CreateProviderSessionRequest(id_token=str(tokens.get("id_token", "")), nonce=flow.nonce)


def _secret() -> str:
    return secrets.token_urlsafe(32)


@dataclass(frozen=True)
class _Flow:
    """The random texts of one sign-in."""

    state: str = field(default_factory=_secret, repr=False)
    nonce: str = field(default_factory=_secret, repr=False)
    verifier: str = field(default_factory=_secret, repr=False)

    @property
    def challenge(self) -> str:
        digest = hashlib.sha256(self.verifier.encode()).digest()
        return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


class _Redirect:
    """A server on this machine to which the provider sends the browser in the end."""

    def __init__(self) -> None:
        found = self._found = dict[str, str]()

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                """Take the code from the address, and say so to the user."""
                parts = urlsplit(self.path)
                is_right = parts.path == PATH
                if is_right:
                    found.update(parse_qsl(parts.query))
                text = b"You can close this page." if is_right else b"Nothing is here."
                self.send_response(200 if is_right else 404)
                self.send_header("Content-Type", "text/plain; charset=utf-8")
                self.send_header("Content-Length", str(len(text)))
                self.send_header("Referrer-Policy", "no-referrer")
                self.end_headers()
                self.wfile.write(text)

            def log_message(self, *_: object) -> None:
                """Write no log: the address has the code."""

        self._server = HTTPServer(("127.0.0.1", 0), Handler)
        self._server.timeout = 1.0
        self.url = f"http://127.0.0.1:{self._server.server_port}{PATH}"

    def __enter__(self) -> _Redirect:
        return self

    def __exit__(self, *_: object) -> None:
        self._server.server_close()

    def wait(self) -> dict[str, str]:
        """Return the parameters that the provider sent. Raises click.ClickException."""
        end = time.monotonic() + BROWSER_SECONDS
        while not self._found:
            if time.monotonic() > end:
                raise click.ClickException(f"Nobody signed in within {BROWSER_SECONDS:.0f} seconds.")
            self._server.handle_request()
        return self._found


def _address(configuration: dict[str, Any], name: str, provider: Provider) -> str:
    """Return an address of the provider: with https, unless the provider itself is without, on this machine."""
    address = str(configuration.get(name, ""))
    if not address.startswith(("https://", f"{urlsplit(provider.issuer).scheme}://")):
        raise click.ClickException(f"The configuration of {provider.issuer} has no usable {name}.")
    return address


def _answer(url: str, issuer: str, form: dict[str, str] | None = None) -> dict[str, Any]:
    """Return the JSON object that the provider answers to a GET, or to a form. Raises click.ClickException."""
    body = urlencode(form).encode() if form else None
    request = urllib.request.Request(url, body, {"Accept": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=READ_SECONDS) as answer:
            found = json.loads(answer.read(MOST_BYTES))
    except urllib.error.HTTPError as error:
        error.close()
        raise click.ClickException(f"The provider {issuer} refused: HTTP status {error.code}.") from error
    except (OSError, ValueError) as error:
        problem = getattr(error, "reason", error)
        raise click.ClickException(f"The provider {issuer} did not answer: {type(problem).__name__}.") from error
    if not isinstance(found, dict):
        raise click.ClickException(f"The provider {issuer} did not answer with a JSON object.")
    return found
