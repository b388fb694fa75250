"""Read headers of HTTP requests, in gRPC's terms."""

from __future__ import annotations

import re
import secrets
from hashlib import blake2b
from ipaddress import ip_address

import grpc
from starlette.datastructures import Headers

from rest_server.addresses import is_loopback
from rest_server.errors import FieldsInvalid
from rest_server.spelling import IDEMPOTENCY_KEY

JSON, NDJSON = "application/json", "application/x-ndjson"

HEADER_BYTES = 32 * 1024
"""The limit for all headers of a request together, and the same for its path and query."""

REQUEST_ID = "x-request-id"
"""The same in HTTP and in gRPC."""

NOT_SNIFFED = {"x-content-type-options": "nosniff"}
"""Answers contain text of users; no browser may take one for a page."""

SANDBOXED = {"content-security-policy": "default-src 'none'; style-src 'unsafe-inline'; sandbox"}
"""Raw content of a target can be a page, or a picture with a script (SVG). A browser that opens it shows it, runs
nothing of it as this server's, and loads nothing for it."""

PASSED_ON = "authorization"

FORWARDED_FOR = "x-forwarded-for"
"""The address of the client, for targets that count or log by it. The same in HTTP and in gRPC."""

_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
_TIMEOUT = re.compile(r"(\d{1,8})([HMSmun])")
_SECONDS = {"H": 3600.0, "M": 60.0, "S": 1.0, "m": 1e-3, "u": 1e-6, "n": 1e-9}
_ETAG = re.compile(r'(?:W/)?"([\x21\x23-\x7e]*)"')


def request_id(headers: Headers) -> str:
    """Return the id that the client chose for this request, or a new one."""
    given = headers.get(REQUEST_ID, "")
    return given if _REQUEST_ID.fullmatch(given) else secrets.token_hex(16)


def metadata(headers: Headers, request_id: str, peer: str = "") -> grpc.aio.Metadata:
    """Return the metadata of the call. Raises FieldsInvalid.

    Args:
        headers: Of the request.
        request_id: As `request_id` returns it.
        peer: The IP address that the request comes from; empty if it is not known.
    """
    passed = grpc.aio.Metadata((REQUEST_ID, request_id))
    if peer:
        passed.add(FORWARDED_FOR, client_address(headers, peer))
    if (value := _only_value(headers, PASSED_ON)) is not None:
        if not (value.isascii() and value.isprintable()):
            raise FieldsInvalid((PASSED_ON, "must be printable ASCII"))
        passed.add(PASSED_ON, value)
    return passed


def client_address(headers: Headers, peer: str) -> str:
    """Return the IP address of the client. A proxy on this machine names it, last, in X-Forwarded-For.

    From other machines the header is ignored, as anyone can send it.
    """
    named = ",".join(headers.getlist(FORWARDED_FOR)).rpartition(",")[2].strip()
    return named if _is_address(named) and _is_address(peer) and is_loopback(peer) else peer


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return "%" not in text  # a zone, which only the other machine knows


def idempotency_key(headers: Headers) -> str | None:
    """Return the header Idempotency-Key. Raises FieldsInvalid."""
    return _only_value(headers, IDEMPOTENCY_KEY)


def _only_value(headers: Headers, name: str) -> str | None:
    """Return a header's value. Raises FieldsInvalid for several that differ: all but one would be ignored."""
    values = set(headers.getlist(name))
    if len(values) > 1:
        raise FieldsInvalid((name, "is sent more than once, with different values"))
    return values.pop() if values else None


def seconds_to_answer(headers: Headers, most: float) -> float:
    """Return the time for an answer: that of Grpc-Timeout, at most `most`. Raises FieldsInvalid."""
    texts = headers.getlist("grpc-timeout")
    if not texts:
        return most
    match = _TIMEOUT.fullmatch(texts[0])
    if match is None or len(texts) > 1:
        raise FieldsInvalid(("grpc-timeout", "must be one number of at most 8 digits and a unit, as in 500m, 10S, 1M"))
    return min(most, int(match[1]) * _SECONDS[match[2]])


def entity_tag(content: bytes) -> str:
    """Return the ETag of an answer. It is weak, as it is the same for each compression (RFC 9110, 8.8.1)."""
    return f'W/"{blake2b(content, digest_size=12).hexdigest()}"'


def names_tag(if_none_match: str, tag: str) -> bool:
    """Return whether If-None-Match contains a tag, by weak comparison (RFC 9110, 13.1.2)."""
    return if_none_match.strip() == "*" or tag.removeprefix("W/") in (
        f'"{match[1]}"' for match in _ETAG.finditer(if_none_match)
    )
