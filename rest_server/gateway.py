"""Answer HTTP requests with calls: find the operation, make its request, call, and answer with what comes."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import grpc
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from rest_server.bodies import JSON
from rest_server.calls import Call, Limits
from rest_server.errors import HTTP_STATUS, FieldsInvalid, Refusal, body_of_failed_call, body_of_refusal
from rest_server.headers import NOT_SNIFFED, REQUEST_ID, request_id
from rest_server.http_rules import HttpRule
from rest_server.operations import Operation
from rest_server.routes import PathUnknown, Routes, VerbNotAllowed
from rest_server.targets import Target
from service_kit.logs import logger

log = logger(__name__)


class Gateway:
    """The ASGI application for all paths that the targets offer."""

    def __init__(self, targets: Sequence[Target], limits: Limits) -> None:
        """`targets` may be filled later, before the first `learn`."""
        self._targets = targets
        self._limits = limits
        self._routes: Routes[Operation] = Routes()
        self._running = 0
        self.rules: Sequence[HttpRule] = ()
        """All that are served at present. Another object whenever a contract has changed."""

    def learn(self) -> None:
        """Take the targets' contracts as they are now."""
        routes: Routes[Operation] = Routes()
        rules: list[HttpRule] = []
        for target, contract in ((target, target.contract) for target in self._targets if target.contract):
            for operation in (Operation(rule, contract, target) for rule in contract.rules):
                standing = routes.add(operation)
                if standing is operation:
                    rules.append(operation.rule)
                else:
                    where = {"path": f"{operation.verb} {operation.rule.path}", "method": operation.name}
                    log.warning("path taken by an earlier rule", **where, target=target.address, by=standing.name)
        self._routes, self.rules = routes, tuple(rules)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        request = Request(scope, receive)
        identity = request_id(request.headers)
        operation: Operation | None = None
        try:
            with self._place():
                operation, segments = self._find(request)
                status = await Call(operation, request, segments, identity, self._limits).answer(send)
        except Refusal as refusal:
            status = refusal.http_status
            await self._send(request, send, identity, status, body_of_refusal(refusal, identity), refusal.headers)
        except grpc.aio.AioRpcError as error:
            assert operation is not None
            status = HTTP_STATUS[error.code()]
            if error.code() is grpc.StatusCode.UNIMPLEMENTED:
                operation.target.look_again()
            body = body_of_failed_call(error, operation.registry, identity)
            await self._send(request, send, identity, status, body)
        except ClientDisconnect:
            status = 499
        except Exception:
            log.exception("internal error", method=operation.name if operation else "", request_id=identity)
            failure = Refusal(
                grpc.StatusCode.INTERNAL,
                "INTERNAL",
                "Something went wrong here; quote the request id to whoever runs this server.",
            )
            status = failure.http_status
            await self._send(request, send, identity, status, body_of_refusal(failure, identity))
        self._log(request, operation, status, identity)

    @contextmanager
    def _place(self) -> Iterator[None]:
        if self._running >= self._limits.concurrent_calls:
            raise Refusal(
                grpc.StatusCode.RESOURCE_EXHAUSTED,
                "TOO_MANY_CALLS",
                "As many calls run as this server takes; try again in a moment.",
                headers={"Retry-After": "1"},
            )
        self._running += 1
        try:
            yield
        finally:
            self._running -= 1

    def _find(self, request: Request) -> tuple[Operation, Sequence[str]]:
        verb, path = request.method, request.scope["raw_path"].decode("latin-1")
        try:
            try:
                return self._routes.find(verb, path)
            except VerbNotAllowed:
                if verb != "HEAD":
                    raise
                return self._routes.find("GET", path)
        except VerbNotAllowed as error:
            raise Refusal(
                grpc.StatusCode.UNIMPLEMENTED,
                "METHOD_NOT_ALLOWED",
                f"{verb} is not for this path; it takes {error}.",
                http_status=405,
                headers={"Allow": str(error)},
                method=verb,
            ) from error
        except UnicodeDecodeError as error:
            raise FieldsInvalid(("path", "must be UTF-8, percent-encoded")) from error
        except PathUnknown as error:
            raise self._unknown(request.url.path) from error

    def _unknown(self, path: str) -> Refusal:
        missing = [target.address for target in self._targets if target.contract is None]
        if missing:
            return Refusal(
                grpc.StatusCode.UNAVAILABLE,
                "TARGET_UNAVAILABLE",
                f"What {' and '.join(missing)} offers is not known yet, as it does not answer; try again in a moment.",
                headers={"Retry-After": "1"},
                targets=" ".join(missing),
            )
        message = "There is nothing at this path. /openapi.json and /docs tell what there is."
        return Refusal(grpc.StatusCode.NOT_FOUND, "PATH_UNKNOWN", message, path=path[:200])

    async def _send(
        self,
        request: Request,
        send: Send,
        identity: str,
        status: int,
        body: bytes,
        headers: dict[str, str] | None = None,
    ) -> None:
        response = Response(body, status, {REQUEST_ID: identity, **NOT_SNIFFED, **(headers or {})}, JSON)
        await response(request.scope, request.receive, send)

    @staticmethod
    def _log(request: Request, operation: Operation | None, status: int, identity: str) -> None:
        level = logging.DEBUG if request.method in ("GET", "HEAD") and status < 500 else logging.INFO
        if log.isEnabledFor(level):
            name = operation.name if operation else ""
            log.log(level, "answered", verb=request.method, method=name, status=status, request_id=identity)
