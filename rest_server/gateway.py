"""Answer HTTP requests with calls: find the operation, write its request message, call, and send the reply."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TypeVar

import grpc
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from rest_server.calls import Call
from rest_server.contracts.http_rules import HttpRule
from rest_server.contracts.targets import Target
from rest_server.error_answers import error_response, failure_answer, failure_headers, refusal_response
from rest_server.errors import (
    HTTP_STATUS,
    Failed,
    FieldsInvalid,
    MethodNotAllowed,
    PathUnknown,
    Refusal,
    TargetUnknown,
    TooManyCalls,
)
from rest_server.guards.body_memory import Memories
from rest_server.guards.plain_text import refuse_secrets_of_others
from rest_server.headers import JSON, REQUEST_ID, request_id
from rest_server.logs import logger
from rest_server.openapi import NeededBodies
from rest_server.operations import Operation
from rest_server.routes import Routes
from rest_server.settings import Limits

log = logger(__name__)


Found = TypeVar("Found")


def _all_verbs(verbs: Iterable[str], is_page: bool) -> Sequence[str]:
    """Return the verbs of a path: those of its rules, GET for a page, HEAD with GET, and OPTIONS."""
    found = {"OPTIONS", *filter(None, verbs)} | ({"GET"} if is_page else set())
    return sorted(found | ({"HEAD"} if "GET" in found else set()))


class Gateway:
    """The ASGI application for the paths of all targets."""

    def __init__(self, targets: Sequence[Target], limits: Limits) -> None:
        """`targets` may be filled later, before the first `learn`."""
        self._targets = targets
        self._limits = limits
        self._routes: Routes[Operation] = Routes()
        self._running = 0
        self._memory = Memories()
        self.rules: Sequence[HttpRule] = ()
        """All rules that are served now. A new object after each change of a contract."""
        self.pages: Collection[str] = ()
        """Paths of pages, for GET only; requests for them do not come here."""
        self.refuses_secrets_of_others = False
        """Whether requests with a token or a password are refused that come from other machines."""

    def learn(self) -> None:
        """Rebuild the routes from the present contracts of the targets."""
        routes: Routes[Operation] = Routes()
        rules: list[HttpRule] = []
        for target, contract in ((target, target.contract) for target in self._targets if target.contract):
            bodies = NeededBodies(contract)
            for rule in contract.rules:
                operation = Operation(rule, contract, target, bodies.sample(rule))
                kept = routes.add(operation)
                if kept is operation:
                    rules.append(operation.rule)
                else:
                    where = {"path": f"{operation.verb} {operation.rule.path}", "method": operation.name}
                    log.warning("path taken by an earlier rule", **where, target=target.address, by=kept.name)
        self._routes, self.rules = routes, tuple(rules)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        request = Request(scope, receive)
        identity = request_id(request.headers)
        operation: Operation | None = None
        call: Call | None = None
        try:
            with self._counted():
                try:
                    operation, segments = self._find(request)
                except (MethodNotAllowed, PathUnknown):
                    if request.method != "OPTIONS":
                        raise
                    status = await self._send(self._options(request, identity), request, send)
                    self._log(request, None, status, identity)
                    return
                call = Call(operation, request, segments, identity, self._limits, self._memory)
                status = await call.answer(send)
        except Refusal as refusal:
            status = await self._send(refusal_response(refusal, identity), request, send)
        except grpc.aio.AioRpcError as error:
            assert operation is not None
            assert call is not None
            if error.code() is grpc.StatusCode.UNIMPLEMENTED:
                operation.target.read_soon()
            answer = error_response(
                *failure_answer(error, operation.registry, identity, call.spelling()), identity, failure_headers(error)
            )
            status = await self._send(answer, request, send)
        except (
            ClientDisconnect,
            asyncio.CancelledError,
        ):  # CancelledError: at shutdown, while the client does not read
            status = HTTP_STATUS[grpc.StatusCode.CANCELLED]
        except Exception:
            log.exception("internal error", method=operation.name if operation else "", request_id=identity)
            status = await self._send(refusal_response(Failed(), identity), request, send)
        self._log(request, operation, status, identity)

    @contextmanager
    def _counted(self) -> Iterator[None]:
        if self._running >= self._limits.concurrent_calls:
            raise TooManyCalls
        self._running += 1
        try:
            yield
        finally:
            self._running -= 1

    def _find(self, request: Request) -> tuple[Operation, Sequence[str]]:
        try:
            operation, segments = self._find_rule(request)
        except (MethodNotAllowed, PathUnknown) as refusal:
            is_page = request.scope["path"] in self.pages
            if isinstance(refusal, PathUnknown) and not is_page:
                raise
            verbs = refusal.metadata.get("allowed", "").split(", ")
            raise MethodNotAllowed(allowed=", ".join(_all_verbs(verbs, is_page))) from refusal
        if self.refuses_secrets_of_others:
            refuse_secrets_of_others(request, takes_secret=operation.takes_secret)
        return operation, segments

    def _options(self, request: Request, identity: str) -> Response:
        """Return the verbs of a path. Raises the refusal of a POST if the path has no verb."""
        is_page = request.scope["path"] in self.pages
        try:
            verbs = self._look_up(self._routes.verbs, request)
        except PathUnknown:
            if not is_page:
                raise
            verbs = ()
        allowed = _all_verbs(verbs, is_page)
        accepts = {f"accept-{verb.lower()}": JSON for verb in ("POST", "PATCH") if verb in allowed}
        return Response(status_code=204, headers={"allow": ", ".join(allowed), REQUEST_ID: identity, **accepts})

    def _find_rule(self, request: Request) -> tuple[Operation, Sequence[str]]:
        def find(path: str) -> tuple[Operation, Sequence[str]]:
            try:
                return self._routes.find(request.method, path)
            except MethodNotAllowed:
                if request.method != "HEAD":
                    raise
                return self._routes.find("GET", path)

        return self._look_up(find, request)

    def _look_up(self, look_up: Callable[[str], Found], request: Request) -> Found:
        """Call `look_up` with the path of the request, and refuse paths that are not valid or not known yet."""
        try:
            return look_up(request.scope["raw_path"].decode("latin-1"))
        except UnicodeDecodeError as error:
            raise FieldsInvalid(("path", "must be UTF-8, percent-encoded")) from error
        except PathUnknown as error:
            missing = [target.address for target in self._targets if target.contract is None]
            if missing:
                raise TargetUnknown(targets=" and ".join(missing)) from error
            raise

    @staticmethod
    async def _send(answer: Response, request: Request, send: Send) -> int:
        await answer(request.scope, request.receive, send)
        return answer.status_code

    @staticmethod
    def _log(request: Request, operation: Operation | None, status: int, identity: str) -> None:
        level = logging.DEBUG if request.method in ("GET", "HEAD") and status < 500 else logging.INFO
        if log.isEnabledFor(level):
            name = operation.name if operation else ""
            log.log(level, "answered", verb=request.method, method=name, status=status, request_id=identity)
