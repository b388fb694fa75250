"""Create and connect all parts of the server; no other module does."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
from collections.abc import AsyncIterator, Iterator
from functools import partial
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.middleware.gzip import DEFAULT_EXCLUDED_CONTENT_TYPES, GZipMiddleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from rest_server.addresses import is_loopback, split_address
from rest_server.contracts.targets import Target
from rest_server.error_answers import refusal_response
from rest_server.errors import Failed
from rest_server.gateway import Gateway
from rest_server.guards.connections import HEADER_SECONDS, BoundedConnection, Connections
from rest_server.guards.open_files import most_connections
from rest_server.guards.origins import Guard, hosts_to_answer
from rest_server.headers import NDJSON, REQUEST_ID, request_id
from rest_server.logs import logger
from rest_server.pages.documents import Documents
from rest_server.pages.html import page_routes
from rest_server.settings import Settings
from rest_server.tls import ServingTls, TargetTls

ACCEPTED_TOGETHER = 32
"""Connections that asyncio accepts in one turn. Several turns can pass before `BoundedConnection` counts them."""

QUEUE = 1_024
"""Connections that can wait to be accepted."""

log = logger(__name__)


class AddressTaken(Exception):
    """The server cannot listen at its address; the message explains what to do."""

    def __init__(self, address: str) -> None:
        super().__init__(
            f"cannot listen on {address}: another program has the port, or the address is not this machine's. "
            "Stop that program or listen elsewhere (--listen HOST:PORT)."
        )


def run(settings: Settings) -> None:
    """Serve until SIGTERM or SIGINT. Raises AddressTaken and TlsSettingsError."""
    tls = ServingTls(settings.serving) if settings.serving else None
    TargetTls(settings.target_files).credentials()  # raises before anything is served
    loop = partial(_Loop, min(HEADER_SECONDS, settings.limits.seconds))
    with listening_socket(settings.listen) as listening, asyncio.Runner(loop_factory=loop) as runner:
        runner.run(_serve(settings, listening, tls))


class _Loop(asyncio.SelectorEventLoop):
    """A loop that closes a connection whose client does not end its TLS handshake as early as one without headers."""

    def __init__(self, handshake_seconds: float) -> None:
        super().__init__()
        self._handshake_seconds = handshake_seconds

    async def create_server(self, *args: Any, **settings: Any) -> Any:
        if settings.get("ssl") is not None:
            settings["ssl_handshake_timeout"] = self._handshake_seconds
        return await super().create_server(*args, **settings)


async def _serve(settings: Settings, listening: socket.socket, tls: ServingTls | None) -> None:
    host, port = listening.getsockname()[:2]
    address = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    limits = settings.limits
    connections = Connections(limits.seconds, limits.stream_bytes, most_connections())
    config = uvicorn.Config(
        application(settings, host),
        http=partial(BoundedConnection, connections),  # type: ignore[arg-type]  # uvicorn only calls it
        ws="none",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        backlog=ACCEPTED_TOGETHER,
        # Fractions work, too; uvicorn's type says int. With 0, uvicorn would report that calls were cut off although
        # none were running.
        timeout_graceful_shutdown=max(settings.grace_seconds, 0.01),  # type: ignore[arg-type]
        ssl_context_factory=(lambda _config, _default: tls.context) if tls else None,
    )
    server = _Server(config)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, server.handle_exit, number, None)
    log.info(
        "listening",
        address=address,
        targets=list(settings.targets),
        docs=f"{'https' if tls else 'http'}://{address}/docs",
    )
    await server.serve(sockets=[listening])
    log.info("stopped")


class _Server(uvicorn.Server):
    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen with a longer queue: asyncio's has room for the connections that it accepts in one turn."""
        await super().startup(sockets)
        for listening in sockets or ():
            listening.listen(QUEUE)

    @contextlib.contextmanager
    def capture_signals(self):  # type: ignore[no-untyped-def]
        """Handle no signals: uvicorn would raise each again at the end, and the exit status would not be 0."""
        yield


def listening_socket(listen: str) -> socket.socket:
    """Listen at HOST:PORT. Raises AddressTaken."""
    host, port = split_address(listen)
    host = host.strip("[]")
    # asyncio sets TCP_NODELAY only on sockets that name TCP; on others a small answer waits 40 ms for an
    # acknowledgement.
    listening = socket.socket(
        socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP
    )
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((host, port))
        listening.listen(QUEUE)
    except (OSError, UnicodeError) as error:  # UnicodeError: a name that DNS does not allow
        listening.close()
        raise AddressTaken(listen) from error
    return listening


def application(settings: Settings, address: str) -> Starlette:
    """Create the ASGI application. It starts to read the contracts of its targets when it is started.

    `address` is the IP address that it listens on.
    """
    targets: list[Target] = []
    gateway = Gateway(targets, settings.limits)
    documents = Documents(targets, gateway, settings.about)
    pages = [*documents.routes(), *page_routes(documents.summaries, settings.about.title)]
    is_plain_text = settings.serving is None and not settings.allows_plain_text
    gateway.refuses_secrets_of_others = is_plain_text and not is_loopback(address)
    gateway.pages = frozenset(page.path for page in pages if isinstance(page, Route))

    @contextlib.asynccontextmanager
    async def following(_app: Starlette) -> AsyncIterator[None]:
        # A channel belongs to the event loop that it is created in.
        targets.extend(Target(address, settings.learning, settings.target_files) for address in settings.targets)
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
    """Answer for a page that failed. uvicorn logs the traceback."""
    identity = request_id(request.headers)
    log.error("internal error", path=request.url.path, request_id=identity)
    return refusal_response(Failed(), identity)


class _Entrance:
    """Passes all requests but those for pages to the gateway. starlette would compare each with every page's route."""

    def __init__(self, app: ASGIApp, gateway: Gateway) -> None:
        self._app = app
        self._gateway = gateway

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or (scope["method"] in ("GET", "HEAD") and scope["path"] in self._gateway.pages):
            await self._app(scope, receive, send)
        elif (scope["method"], scope["path"]) == ("OPTIONS", "*"):
            # Some proxies use it to check that the server is alive (RFC 9110, 9.3.7).
            verbs = "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"
            await Response(status_code=204, headers={"allow": verbs})(scope, receive, send)
        else:
            await self._gateway(scope, receive, send)


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
            expose_headers=["etag", "retry-after", "www-authenticate", REQUEST_ID],
        )
    # Streams are left out: their lines would wait until there is enough to compress.
    yield Middleware(
        GZipMiddleware,
        minimum_size=1_000,
        compresslevel=5,
        exclude_content_types=(*DEFAULT_EXCLUDED_CONTENT_TYPES, NDJSON),
    )
