"""Put the server together: the only place that knows all of it."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
import socket
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass

import uvicorn
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.middleware.gzip import DEFAULT_EXCLUDED_CONTENT_TYPES, GZipMiddleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from rest_server.calls import Limits
from rest_server.contracts.targets import Target
from rest_server.errors import Failed
from rest_server.gateway import Gateway
from rest_server.guards.connections import BoundedConnection
from rest_server.guards.origins import Guard, hosts_to_answer
from rest_server.headers import NDJSON, REQUEST_ID, request_id
from rest_server.pages.documents import About, Documents
from rest_server.pages.html import page_routes
from rest_server.refusals import refusal_response
from service_kit.addresses import AddressTaken, split_address
from service_kit.logs import logger
from service_kit.open_files import most_connections

ACCEPTED_TOGETHER = 32
"""Connections that asyncio accepts at once. Some times as many are open before `BoundedConnection` counts them."""

QUEUE = 1_024
"""Connections that wait until they are accepted."""

log = logger(__name__)


@dataclass(frozen=True)
class Settings:
    """How the server is run."""

    listen: str
    """HOST:PORT."""
    targets: Sequence[str]
    """HOST:PORT of each gRPC server."""
    limits: Limits
    cors_origins: Sequence[str]
    allowed_hosts: Sequence[str]
    """Names to answer under, beside its own. Where there are none: its own on a loopback address, else any."""
    contract_interval: float
    """Seconds between two looks at what a target offers."""
    about: About
    """What the pages say of this installation."""
    grace: float
    """Seconds that running calls have to end after SIGTERM."""


def run(settings: Settings) -> None:
    """Serve until SIGTERM or SIGINT. Raises AddressTaken."""
    quieten_libraries()
    with listening_socket(settings.listen) as listening:
        asyncio.run(_serve(settings, listening))


def quieten_libraries() -> None:
    """Leave out what the libraries say of each start and of each file that they read."""
    for name in ("grpc_reflection", "uvicorn"):
        logging.getLogger(name).setLevel(logging.WARNING)


async def _serve(settings: Settings, listening: socket.socket) -> None:
    host, port = listening.getsockname()[:2]
    address = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    config = uvicorn.Config(
        application(settings, host),
        http=type(
            "Connection",
            (BoundedConnection,),
            {
                "seconds": settings.limits.seconds,
                "body_bytes": settings.limits.stream_bytes,
                "most_connections": most_connections(),
                "idle": {},
                "unread": {},
            },
        ),
        ws="none",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        backlog=ACCEPTED_TOGETHER,
        # Parts of a second, too: uvicorn says int, and only waits for so long. In no time at all it would not see
        # that there is nothing to wait for.
        timeout_graceful_shutdown=max(settings.grace, 0.01),  # type: ignore[arg-type]
    )
    server = _Server(config)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, server.handle_exit, number, None)
    log.info("listening", address=address, targets=list(settings.targets), docs=f"http://{address}/docs")
    await server.serve(sockets=[listening])
    log.info("stopped")


class _Server(uvicorn.Server):
    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to listen, with a longer queue than asyncio has made, which takes its length from what it accepts."""
        await super().startup(sockets)
        for listening in sockets or ():
            listening.listen(QUEUE)

    @contextlib.contextmanager
    def capture_signals(self):  # type: ignore[no-untyped-def]
        """Leave signals alone: uvicorn would send itself each again at the end, and the exit status were not 0."""
        yield


def listening_socket(listen: str) -> socket.socket:
    """Listen at HOST:PORT. Raises AddressTaken."""
    host, port = split_address(listen)
    host = host.strip("[]")
    # Of TCP by name: asyncio sends small answers at once only on sockets that say so, others wait 40 ms for an
    # acknowledgement.
    listening = socket.socket(
        socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP
    )
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((host, port))
        listening.listen(QUEUE)
    except (OSError, UnicodeError) as error:  # the latter of a name that DNS cannot have
        listening.close()
        raise AddressTaken(listen) from error
    return listening


def application(settings: Settings, address: str) -> Starlette:
    """Make the ASGI application, which begins to learn what its targets offer when it is started.

    `address` is the IP address that it listens on.
    """
    targets: list[Target] = []
    gateway = Gateway(targets, settings.limits)
    documents = Documents(targets, gateway, settings.about)
    pages = [*documents.routes(), *page_routes(documents.summaries, settings.about.title)]
    gateway.pages = frozenset(page.path for page in pages if isinstance(page, Route))

    @contextlib.asynccontextmanager
    async def following(_app: Starlette) -> AsyncIterator[None]:
        # Here and not before, since a channel belongs to the event loop that it is made in.
        targets.extend(Target(address, settings.contract_interval) for address in settings.targets)
        following = [asyncio.create_task(target.follow(gateway.learn)) for target in targets]
        yield
        for task in following:
            task.cancel()
        await asyncio.gather(*following, return_exceptions=True)
        for target in targets:
            await target.channel.close()

    return Starlette(
        routes=pages,
        middleware=[*_middleware(settings, address), Middleware(_Entrance, gateway)],
        exception_handlers={Exception: _failed},
        lifespan=following,
    )


async def _failed(request: Request, _error: Exception) -> Response:
    """Answer for a page that failed; uvicorn logs the error itself."""
    identity = request_id(request.headers)
    log.error("internal error", path=request.url.path, request_id=identity)
    return refusal_response(Failed(), identity)


class _Entrance:
    """Sends requests on, but for those for the pages of this server: starlette would try each of their routes first."""

    def __init__(self, app: ASGIApp, gateway: Gateway) -> None:
        self._app = app
        self._gateway = gateway

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or (scope["method"] in ("GET", "HEAD") and scope["path"] in self._gateway.pages):
            await self._app(scope, receive, send)
        elif (scope["method"], scope["path"]) == ("OPTIONS", "*"):
            # What the server can, and a sign of life to some proxies (RFC 9110, 9.3.7).
            verbs = "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"
            await Response(status_code=204, headers={"allow": verbs})(scope, receive, send)
        else:
            await self._gateway(scope, receive, send)


class _Compression(GZipMiddleware):
    """starlette's, for those who ask for it: for all others it looks at each part of an answer, too."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Compress the answer, or say that it might have been."""

        async def send_plain(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], (b"vary", b"Accept-Encoding")]
            await send(message)

        if scope["type"] != "http":
            await self.app(scope, receive, send)
        elif any(name == b"accept-encoding" and b"gzip" in value for name, value in scope["headers"]):
            await super().__call__(scope, receive, send)
        else:
            await self.app(scope, receive, send_plain)


def _middleware(settings: Settings, address: str) -> Iterator[Middleware]:
    hosts = hosts_to_answer(split_address(settings.listen)[0], address, settings.allowed_hosts)
    yield Middleware(Guard, hosts, settings.cors_origins)
    if settings.cors_origins:
        yield Middleware(
            CORSMiddleware,
            allow_origins=settings.cors_origins,
            allow_methods=["*"],
            allow_headers=[
                "authorization",
                "content-type",
                "grpc-timeout",
                "idempotency-key",
                "if-none-match",
                REQUEST_ID,
            ],
            expose_headers=["etag", "retry-after", REQUEST_ID],
        )
    # Not the streams: their lines would wait until there is enough to compress.
    yield Middleware(
        _Compression,
        minimum_size=1_000,
        compresslevel=5,
        exclude_content_types=(*DEFAULT_EXCLUDED_CONTENT_TYPES, NDJSON),
    )
