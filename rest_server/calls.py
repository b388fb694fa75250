"""One call of a target for one HTTP request, of each of gRPC's four kinds."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Sequence
from contextlib import asynccontextmanager
from typing import Any, NoReturn
from urllib.parse import parse_qsl

import grpc
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import Send

from rest_server.bodies import check_is_json, has_body, lines, parts, whole_body
from rest_server.error_answers import failure_answer, refusal_answer
from rest_server.errors import BodyInvalid, DeadlineExceeded, FieldsInvalid, Refusal, Stopping
from rest_server.guards.body_memory import Memories
from rest_server.headers import (
    NDJSON,
    NOT_SNIFFED,
    REQUEST_ID,
    SANDBOXED,
    idempotency_key,
    metadata,
    names_tag,
    seconds_to_answer,
)
from rest_server.operations import Operation
from rest_server.requests import request_id_field
from rest_server.sending import end, send
from rest_server.settings import Limits
from rest_server.spelling import Spelling

LARGE = 128 * 1024
"""Bytes of a message whose JSON takes a millisecond and more. It is read or written in a thread, so that other requests
do not wait."""

MOST_PARAMETERS = 200
"""In a query; more than any request has fields."""


class Call:
    """Calls an operation for a request, and sends its answer.

    Errors before the start of the answer are raised: Refusal, AioRpcError, ClientDisconnect. Later ones are the last
    line of the stream.
    """

    def __init__(
        self,
        operation: Operation,
        request: Request,
        segments: Sequence[str],
        request_id: str,
        limits: Limits,
        memory: Memories,
    ) -> None:
        """`segments` are those of the path, as `Routes.find` returns them; the body takes its share of `memory`."""
        self._memory = memory
        self._operation = operation
        self._request = request
        self._segments = segments
        self._request_id = request_id
        self._limits = limits
        seconds = seconds_to_answer(request.headers, limits.seconds)
        self._deadline = asyncio.get_running_loop().time() + seconds
        peer = request.client.host if request.client else ""
        self._metadata = metadata(request.headers, request_id, peer)
        self._key = idempotency_key(request.headers)
        self._query = parameters(request.scope["query_string"])
        self._body = b""
        """The body of a request that is one message. Its share of the memory is free when the call has ended."""

    async def answer(self, send: Send) -> int:
        """Call and answer; return the HTTP status."""
        if "if-match" in self._request.headers:
            # Without the check that the client relies on, its change could overwrite another one.
            raise FieldsInvalid(("if-match", "is not supported; send the resource's etag in the body"))
        if self._key is not None:
            request_id_field(self._operation.rule)  # raises before the body is read
        if self._operation.takes_body() and not self._operation.takes_raw_body:
            check_is_json(self._request)
        with self._memory.requests.share() as self._share:
            return await self._call(send)

    def spelling(self) -> Spelling:
        """Return how this request spells the fields that an error can name."""
        return self._spelling_of(self._body)

    def _spelling_of(self, body: bytes) -> Spelling:
        return Spelling(self._operation.rule, self._query, body, self._key)

    async def _call(self, send: Send) -> int:
        request = () if self._operation.reads_stream else (await self._whole_message(),)
        call = self._operation.call(*request, timeout=self._seconds_left(), metadata=self._metadata)
        client = asyncio.create_task(self._follow_client(call))
        # Its exception is raised by `_outcome`, or comes after the answer.
        client.add_done_callback(lambda ended: ended.cancelled() or ended.exception())
        try:
            if self._operation.writes_stream:
                return await self._send_stream(call, send, client)
            return await self._send_whole(await self._outcome(call, client), send)
        finally:
            client.cancel()
            call.cancel()

    async def _whole_message(self) -> bytes:
        if not has_body(self._request):
            return self._message(b"")
        async with self._in_time():
            self._body = body = await whole_body(self._request, self._limits.body_bytes, self._share)
            return self._message(body) if len(body) < LARGE else await asyncio.to_thread(self._message, body)

    async def _follow_client(self, call: Any) -> NoReturn:
        """Send the client's stream to the target, then wait for the client to disconnect. Raises why the call ends."""
        try:
            if self._operation.reads_stream:
                await self._write(call)
            while (await self._request.receive())["type"] != "http.disconnect":
                pass
            raise ClientDisconnect
        finally:
            call.cancel()

    async def _write(self, call: Any) -> None:
        """Send the body's lines to the target until it answers. Raises Refusal for a line that is not a message."""
        async with self._in_time():
            async for message in self._messages():
                if not await send(call, message):
                    return
            await end(call)

    async def _messages(self) -> AsyncIterator[bytes]:
        """Yield the messages of the request's stream as the body comes."""
        if not self._operation.takes_body():
            yield self._message(b"")
            return
        number = 0
        if self._operation.takes_raw_body:
            async for part in parts(self._request, self._limits.stream_bytes):
                number += 1
                yield self._message(part) if number == 1 else self._operation.further_part(part)
            if not number:
                yield self._message(b"")
            return
        limits = self._limits
        async for line in lines(self._request, limits.stream_bytes, limits.body_bytes, self._share):
            number += 1
            yield self._message_in_line(line, number)
        if not number:
            self._message(b"")  # path and query are checked also without a line

    def _message(self, body: bytes) -> bytes:
        content_type = self._request.headers.get("content-type", "")
        try:
            return self._operation.request_from(self._segments, self._query, body, content_type, self._key)
        except FieldsInvalid as error:
            spelling = self._spelling_of(body)
            raise FieldsInvalid(*(spelling.problem(field, problem) for field, problem in error.problems)) from error

    def _message_in_line(self, line: bytes, number: int) -> bytes:
        try:
            return self._message(line)
        except FieldsInvalid as error:
            raise FieldsInvalid(*((f"line {number}: {field}", problem) for field, problem in error.problems)) from error
        except BodyInvalid as error:
            raise BodyInvalid(problem=f"line {number}: {error.metadata['problem']}") from error

    async def _send_whole(self, reply: bytes | None, send: Send) -> int:
        write = self._operation.answers.whole
        size = len(reply or b"")
        with self._memory.answers.share() as share:
            if self._request.method in ("GET", "HEAD"):
                share.resize(size)
            is_large = size > LARGE
            content, content_type, tag = await asyncio.to_thread(write, reply) if is_large else write(reply)
        headers = self._headers()
        status = 200
        if tag and self._request.method in ("GET", "HEAD"):
            headers["etag"] = tag
            if names_tag(self._request.headers.get("if-none-match", ""), tag):
                status, content = 304, b""
        # The parameter media_type of Response would add a charset to text, which can be in another one.
        headers["content-type"] = content_type
        await Response(content, status, headers)(self._request.scope, self._request.receive, send)
        return status

    async def _send_stream(self, call: Any, send: Send, client: asyncio.Task[NoReturn]) -> int:
        """Answer with each message as it comes. The first one sets the HTTP status, as it can be an error instead."""
        reply = await self._outcome(call.read(), client)
        content, content_type = b"", NDJSON
        if reply is not grpc.aio.EOF:
            content, content_type = self._operation.answers.part(reply)
        await self._begin(send, content_type)
        try:
            while reply is not grpc.aio.EOF:
                await send({"type": "http.response.body", "body": content, "more_body": True})
                reply = await self._outcome(call.read(), client)
                if reply is not grpc.aio.EOF:
                    content, _ = self._operation.answers.part(reply)
            status, last = 200, b""
        except grpc.aio.AioRpcError as error:
            status, last = failure_answer(error, self._operation.registry, self._request_id, self.spelling())
        except Refusal as refusal:
            status, last = refusal_answer(refusal, self._request_id)
        if last and self._operation.answers.is_raw:
            return status  # without the end of the body, by which the client sees that content is missing
        await send({"type": "http.response.body", "body": last and last + b"\n"})
        return status

    async def _outcome(self, answer: Awaitable[Any], client: asyncio.Task[NoReturn]) -> Any:
        """Return the target's answer. If the call was cancelled because of the client, raise why."""
        try:
            return await answer
        except (grpc.aio.AioRpcError, asyncio.CancelledError) as error:
            if client.done() and not client.cancelled():
                client.result()
            if isinstance(error, asyncio.CancelledError):
                raise Stopping from error
            raise

    async def _begin(self, send: Send, content_type: str) -> None:
        headers = {"content-type": content_type, **self._headers()}
        encoded = [(name.encode(), value.encode()) for name, value in headers.items()]
        await send({"type": "http.response.start", "status": 200, "headers": encoded})

    def _headers(self) -> dict[str, str]:
        return {REQUEST_ID: self._request_id, **NOT_SNIFFED, **(SANDBOXED if self._operation.answers.is_raw else {})}

    def _seconds_left(self) -> float:
        """Return the seconds that are left for the call. Raises DeadlineExceeded if there are none.

        gRPC would make a call with a timeout of 0, and could get an answer.
        """
        left = self._deadline - asyncio.get_running_loop().time()
        if left <= 0:
            raise DeadlineExceeded(problem="the time was up before the target was called")
        return left

    @asynccontextmanager
    async def _in_time(self) -> AsyncIterator[None]:
        """Read the request's body within the time for the answer. Raises DeadlineExceeded, Stopping."""
        try:
            async with asyncio.timeout_at(self._deadline):
                yield
        except TimeoutError as error:
            raise DeadlineExceeded(problem="the request did not end in time") from error
        except asyncio.CancelledError as error:
            raise Stopping from error


def parameters(query: bytes) -> list[tuple[str, str]]:
    """Read a query string. Raises FieldsInvalid."""
    if not query:
        return []
    try:
        return parse_qsl(query.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=MOST_PARAMETERS)
    except UnicodeDecodeError as error:
        raise FieldsInvalid(("query", "must be UTF-8, percent-encoded")) from error
    except ValueError as error:
        raise FieldsInvalid(("query", f"has more than {MOST_PARAMETERS} parameters")) from error
