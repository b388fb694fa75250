"""An OpenID provider as a program of its own, and a browser that signs in there as a person does."""

from __future__ import annotations

import base64
import hashlib
import html
import json
import re
import secrets
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import parse_qs, urljoin, urlsplit

import httpx2

from tests.support.third_party import require, require_generator

SIGNED_IN = "http://127.0.0.1/signed-in"
"""Where the provider sends the browser in the end. Nothing is there: the address has the code."""

MOST_PAGES = 20
SECONDS = 60.0


@contextmanager
def provider() -> Iterator[str]:
    """Run the provider; its issuer."""
    require("node")
    folder = require_generator("provider/node_modules").parent
    process = subprocess.Popen(
        ["node", folder / "provider.mjs"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line.startswith("issuer "), line
        yield line.split()[1]
    finally:
        process.communicate()  # it ends with its standard input


def id_token(issuer: str, client_id: str, scopes: str, name: str, nonce: str) -> str:
    """Sign in at the provider by its pages, with a code and PKCE (RFC 7636), and return the ID token."""
    verifier = secrets.token_urlsafe(32)
    challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
    with httpx2.Client(timeout=SECONDS) as browser:
        configuration = browser.get(f"{issuer}/.well-known/openid-configuration").json()
        request = {
            "client_id": client_id,
            "redirect_uri": SIGNED_IN,
            "response_type": "code",
            "scope": scopes,
            "nonce": nonce,
            "code_challenge": challenge,
            "code_challenge_method": "S256",
        }
        answer = browser.get(configuration["authorization_endpoint"], params=request)
        [code] = parse_qs(urlsplit(signed_in(browser, answer, name)).query)["code"]
        tokens = browser.post(
            configuration["token_endpoint"],
            data={
                "grant_type": "authorization_code",
                "client_id": client_id,
                "redirect_uri": SIGNED_IN,
                "code": code,
                "code_verifier": verifier,
            },
        ).json()
    assert "id_token" in tokens, tokens
    return str(tokens["id_token"])


def sign_in(url: str, name: str) -> None:
    """Sign in as a person does in a browser who opened an address of the provider."""
    with httpx2.Client(timeout=SECONDS) as browser:
        answer = browser.get(signed_in(browser, browser.get(url), name))
    assert answer.status_code == 200, answer.text


def signed_in(browser: httpx2.Client, answer: Any, name: str) -> str:
    """Follow redirects, fill in the forms, and return the address with the code to which the provider redirects."""
    for _ in range(MOST_PAGES):
        if answer.is_redirect:
            where = urljoin(str(answer.url), answer.headers["location"])
            if urlsplit(where).path == urlsplit(SIGNED_IN).path:
                return str(where)
            answer = browser.get(where)
            continue
        assert answer.status_code == 200, answer.text
        action = re.search(r'<form[^>]* action="([^"]+)"', answer.text)
        assert action, answer.text
        fields = dict(re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)"', answer.text))
        fields |= {"login": name, "password": "any"} if 'name="login"' in answer.text else {}
        answer = browser.post(urljoin(str(answer.url), html.unescape(action[1])), data=fields)
    raise AssertionError(f"still no code after {MOST_PAGES} pages")


def claims_in(token: str) -> dict[str, Any]:
    """Return what a token says, unverified."""
    payload = token.split(".")[1]
    claims: dict[str, Any] = json.loads(base64.urlsafe_b64decode(f"{payload}{'=' * (-len(payload) % 4)}"))
    return claims
