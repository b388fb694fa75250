"""Read bodies of requests up to a size, whole, by lines or in parts."""

from __future__ import annotations

from collections.abc import AsyncIterator

from starlette.requests import Request

from rest_server.errors import BodyTooLarge, EncodingUnsupported, MediaTypeUnsupported
from rest_server.guards.body_memory import Share
from rest_server.headers import JSON, NDJSON

# `curl -d` sends the last one for any body. A page of another site can send it, too, so rest_server/guards/origins.py
# checks the Origin.
_JSON_TYPES = ("", JSON, NDJSON, "application/jsonl", "application/x-www-form-urlencoded")


def check_is_json(request: Request) -> None:
    """Raises MediaTypeUnsupported."""
    given = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if given not in _JSON_TYPES and not given.endswith("+json"):
        raise MediaTypeUnsupported(media_type=given[:100])


def has_body(request: Request) -> bool:
    """Return whether the headers announce a body; without them HTTP/1.1 has none (RFC 9112, 6.3)."""
    return "content-length" in request.headers or "transfer-encoding" in request.headers


async def whole_body(request: Request, most_bytes: int, share: Share) -> bytes:
    """Read all of it. Raises as `parts` does, and TooManyCalls."""
    read: list[bytes] = []
    size = 0
    async for part in parts(request, most_bytes):
        size += len(part)
        share.resize(size)
        read.append(part)
    return read[0] if len(read) == 1 else b"".join(read)


async def lines(request: Request, most_bytes: int, most_bytes_a_line: int, share: Share) -> AsyncIterator[bytes]:
    """Read a body line by line as it comes, and leave out empty lines. Raises as `parts` does, and TooManyCalls."""
    begun = bytearray()
    async for part in parts(request, most_bytes):
        *whole, rest = part.split(b"\n")
        for end in whole:
            begun += end
            if line := begun.strip():
                _check_size(len(line), most_bytes_a_line, "line")
                yield bytes(line)
            begun.clear()
        begun += rest
        _check_size(len(begun), most_bytes_a_line, "line")
        share.resize(len(begun))
    if line := begun.strip():
        yield bytes(line)


async def parts(request: Request, most_bytes: int) -> AsyncIterator[bytes]:
    """Read a body in parts as they come. Raises BodyTooLarge, EncodingUnsupported."""
    announced = request.headers.get("content-length", "")
    if announced.isdecimal():
        _check_size(int(announced), most_bytes, "body")
    read = 0
    async for part in request.stream():
        read += len(part)
        _check_size(read, most_bytes, "body")
        if part:
            # Also for raw content: the target does not get the header.
            _check_is_not_encoded(request)
            yield part


def _check_size(size: int, most_bytes: int, part: str) -> None:
    if size > most_bytes:
        raise BodyTooLarge(part=part, most_bytes=most_bytes)


def _check_is_not_encoded(request: Request) -> None:
    encoding = request.headers.get("content-encoding", "").strip().lower()
    if encoding not in ("", "identity"):
        raise EncodingUnsupported(encoding=encoding[:100])
