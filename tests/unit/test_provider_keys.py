"""ID tokens and the keys that verify them: only those of the provider, made for this library just now."""

from __future__ import annotations

import base64
import functools
import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from joserfc import jwt
from joserfc.jwk import ECKey, OctKey, RSAKey

from frontend_server.access import provider_keys
from frontend_server.access.id_tokens import Expected, key_id_of, parse, read_id_token
from frontend_server.access.provider_keys import ProviderKeys, is_url
from library_domain.access.errors import ProviderUnavailable
from library_domain.access.tokens import TokenRefused
from service_kit.clock import SECOND

NOW = 1_790_000_000
KEY = ECKey.generate_key("P-256", {"kid": "one", "use": "sig"})
OTHER_KEY = ECKey.generate_key("P-256", {"kid": "two", "use": "sig"})
EXPECTED = Expected("https://id.example.org/", "library", "a nonce of the client")
CLAIMS: dict[str, Any] = {
    "iss": EXPECTED.issuer,
    "aud": "library",
    "nonce": EXPECTED.nonce,
    "sub": "7",
    "iat": NOW,
    "exp": NOW + 300,
}


def signed(claims: dict[str, Any], key: Any = KEY, algorithm: str = "ES256", **header: Any) -> str:
    return jwt.encode({"alg": algorithm, "kid": "one", **header}, claims, key, algorithms=[algorithm])


def check(token: str, keys: list[Any] | None = None) -> object:
    return read_id_token(parse(token), [KEY] if keys is None else keys, EXPECTED, NOW * SECOND)


def test_a_token_that_was_just_made_for_the_library_is_valid() -> None:
    assert check(signed(CLAIMS)) == CLAIMS
    for change in (
        {"iat": NOW - 600},
        {"iat": NOW + 60, "exp": NOW - 59},
        {"aud": ["library"]},
        {"aud": ["library", "another"], "azp": "library"},
        {"iat": NOW + 0.5},
    ):
        assert check(signed(CLAIMS | change), [OTHER_KEY, KEY])


WRONG: dict[str, dict[str, Any]] = {
    "another issuer": {"iss": "https://id.example.org"},
    "another audience": {"aud": "another"},
    "no audience": {"aud": None},
    "for several clients": {"aud": ["library", "another"]},
    "for another of several clients": {"aud": ["library", "another"], "azp": "another"},
    "for another client": {"azp": "another"},
    "another nonce": {"nonce": "another"},
    "no nonce": {"nonce": None},
    "expired": {"exp": NOW - 60},
    "old": {"iat": NOW - 601},
    "from the future": {"iat": NOW + 61},
    "no end": {"exp": None},
    "an end that is a text": {"exp": "9999999999"},
    "true": {"iat": True},
}


@pytest.mark.parametrize("name", WRONG)
def test_other_claims_are_refused(name: str) -> None:
    with pytest.raises(TokenRefused):
        check(signed(CLAIMS | WRONG[name]))


def test_other_signatures_are_refused() -> None:
    secret = OctKey.import_key("the secret of the client, which it may have")
    public = OctKey.import_key(json.dumps(KEY.as_dict(private=False)).encode())
    head, _, tail = signed(CLAIMS).partition(".")
    changed = base64.urlsafe_b64encode(json.dumps(CLAIMS | {"sub": "8"}).encode()).rstrip(b"=").decode()
    none = base64.urlsafe_b64encode(b'{"alg":"none"}').rstrip(b"=").decode()
    tokens = [
        signed(CLAIMS, OTHER_KEY),
        signed(CLAIMS, secret, "HS256"),
        signed(CLAIMS, public, "HS256"),
        f"{head}.{changed}.{tail.partition('.')[2]}",
        f"{none}.{tail.partition('.')[0]}.",
        "a.b.c",
        "",
        "\ud800.x.y",
    ]
    for token in tokens:
        with pytest.raises(TokenRefused):
            check(token)
    for token in (tokens[1], tokens[2], tokens[4]):
        with pytest.raises(TokenRefused, match="algorithm"):
            check(token)
    for keys in ([], [RSAKey.generate_key(2048)], [ECKey.generate_key("P-384")]):
        with pytest.raises(TokenRefused):
            check(signed(CLAIMS), keys)


def test_numbers_that_are_none_are_refused() -> None:
    for time in ("NaN", "Infinity"):
        payload = json.dumps(CLAIMS | {"exp": "X", "iat": "X"}).replace('"X"', time)
        token = jwt.encode({"alg": "ES256"}, json.loads(payload), KEY, algorithms=["ES256"])
        with pytest.raises(TokenRefused):
            check(token)


# --- the keys ---


class Provider:
    """A server whose answers the test sets, by path; what it was asked for."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        provider = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                provider.asked.append(self.path)
                provider.answers.get(self.path, unknown)(self)

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.issuer = f"http://127.0.0.1:{self.server.server_port}/realm"
        self.answers: dict[str, Callable[[BaseHTTPRequestHandler], None]] = {}
        self.configure()
        self.publish([KEY])

    def configure(self, **changes: object) -> None:
        configuration = {"issuer": self.issuer, "jwks_uri": f"{self.issuer}/keys", **changes}
        self.answer("/.well-known/openid-configuration", configuration)

    def publish(self, keys: list[Any], *others: object) -> None:
        self.answer("/keys", {"keys": [*(key.as_dict(private=False) for key in keys), *others]})

    def answer(self, path: str, value: object) -> None:
        self.answers[f"/realm{path}"] = lambda handler: send(handler, 200, json.dumps(value).encode())


def unknown(handler: BaseHTTPRequestHandler) -> None:
    send(handler, 404)


def send(handler: BaseHTTPRequestHandler, status: int, body: bytes = b"", **headers: str) -> None:
    handler.send_response(status)
    for name, value in headers.items():
        handler.send_header(name, value)
    handler.send_header("Content-Length", str(len(body)))
    handler.end_headers()
    handler.wfile.write(body)


def write_no_http(handler: BaseHTTPRequestHandler) -> None:
    handler.wfile.write(b"no HTTP\r\n\r\n")


@pytest.fixture
def provider(monkeypatch: pytest.MonkeyPatch) -> Iterator[Provider]:
    monkeypatch.setattr(provider_keys, "PAUSE_SECONDS", 0)
    provider = Provider()
    thread = threading.Thread(target=lambda: provider.server.serve_forever(poll_interval=0.01))
    thread.start()
    yield provider
    provider.server.shutdown()
    thread.join()
    provider.server.server_close()


def ids(keys: Any) -> list[Any]:
    return [key.get("kid") for key in keys]


def test_keys_are_read_once_and_again_for_a_new_one(provider: Provider, monkeypatch: pytest.MonkeyPatch) -> None:
    keys = ProviderKeys(provider.issuer)
    assert ids(keys.find("one")) == ids(keys.find("one")) == ids(keys.find("")) == ["one"]
    assert provider.asked == ["/realm/.well-known/openid-configuration", "/realm/keys"]
    provider.publish([OTHER_KEY], {"kty": "unknown"}, {"kty": "EC", "x": 1}, {"kty": "oct", "k": "AAAA"}, 7)
    assert ids(keys.find("two")) == ["two"]
    assert ids(keys.find("one")) == []
    monkeypatch.setattr(provider_keys, "PAUSE_SECONDS", 60)
    before = len(provider.asked)
    for _ in range(3):
        assert ids(keys.find("three")) == []
    assert len(provider.asked) == before, "no token makes the service ask the provider again and again"


def test_keys_are_used_for_a_day_if_the_provider_is_away(provider: Provider, monkeypatch: pytest.MonkeyPatch) -> None:
    keys = ProviderKeys(provider.issuer)
    assert keys.find("one")
    provider.answers.clear()
    monkeypatch.setattr(provider_keys, "KEPT_SECONDS", 0)
    assert ids(keys.find("one")) == ["one"]
    monkeypatch.setattr(provider_keys, "USED_SECONDS", 0)
    with pytest.raises(ProviderUnavailable, match="HTTP status 404"):
        keys.find("one")


def test_a_provider_with_wrong_answers_is_not_available(provider: Provider, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(provider_keys, "MOST_BYTES", 5_000)
    where = "/realm/.well-known/openid-configuration"

    def unavailable(match: str) -> None:
        with pytest.raises(ProviderUnavailable, match=match):
            ProviderKeys(provider.issuer).find("one")

    provider.configure(issuer="http://127.0.0.1/somebody-else")
    unavailable("another issuer")
    for address in ("http://keys.example.org/", "file:///etc/passwd", 7, f"https://user@{provider.issuer}"):
        provider.configure(jwks_uri=address)
        unavailable("no usable address")
    provider.configure(padding="x" * 5_000)
    unavailable("more than 5000 bytes")
    for body in (b"", b"<html>", b"\xff", b"[" * 4_000):
        provider.answers[where] = functools.partial(send, status=200, body=body)
        unavailable("not JSON")
    provider.answer("/.well-known/openid-configuration", [])
    unavailable("not a JSON object")
    provider.answers[where] = lambda handler: send(handler, 302, Location=f"{provider.issuer}/keys")
    unavailable("HTTP status 302")
    provider.answers[where] = write_no_http
    unavailable("BadStatusLine")
    provider.configure()
    provider.publish([])
    unavailable("no usable keys")
    monkeypatch.setattr(provider_keys, "ALL_SECONDS", -1)
    unavailable("takes longer")


def test_only_https_is_read_from_other_machines() -> None:
    for url in ("https://id.example.org", "https://id.example.org:8443/realm", "http://127.0.0.1:9", "http://[::1]/x"):
        assert is_url(url), url
    for other in ("http://id.example.org", "id.example.org", "ftp://127.0.0.1", "https://", "https://a@b", "", None):
        assert not is_url(other), other
    for other in ("https://id.example.org/#x", "https://a:x", "https://a b", "https://[", "https://\u00e9.example"):
        assert not is_url(other), other


def test_the_key_that_a_token_names() -> None:
    assert key_id_of(parse(signed(CLAIMS))) == "one"
    assert key_id_of(parse(jwt.encode({"alg": "ES256"}, CLAIMS, KEY, algorithms=["ES256"]))) == ""
