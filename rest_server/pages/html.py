"""The pages for people: the start page, which lists all paths, and Swagger UI.

They load nothing from elsewhere, and their Content-Security-Policy makes browsers enforce it.
"""

from __future__ import annotations

import json
import shlex
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jinja2
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Route
from starlette.staticfiles import StaticFiles

from rest_server.error_answers import refusal_answer
from rest_server.errors import PathUnknown

STATIC = Path(__file__).with_name("static")

FILES = ("docs.css", "docs.js", "icon.svg", "start.css", "swagger-ui-bundle.js", "swagger-ui.css")
"""All files below `/docs/`: those that the two pages load."""

HEADERS = {
    # For each page, and for the files, which a browser can open as pages.
    "Content-Security-Policy": "; ".join(
        [
            "default-src 'self'",
            # Swagger UI has its icons in its style sheet, and shows images of answers from blobs.
            "img-src 'self' data: blob:",
            "object-src 'none'",
            "base-uri 'none'",
            "form-action 'none'",
            "frame-ancestors 'none'",
        ]
    ),
    "X-Content-Type-Options": "nosniff",
    # Not "no-referrer": by the Fetch standard a page's own POST may then come from the origin "null".
    "Referrer-Policy": "same-origin",
    # Browsers ask each time, and get 304: after an upgrade none shows pages of two releases.
    "Cache-Control": "no-cache",
}


@dataclass(frozen=True)
class PathSummary:
    """One way to call a method: `GET`, `/v1/shelves/{id}`, and a sentence about it."""

    verb: str
    path: str
    summary: str
    needs_query: bool = False
    """Whether it has a required parameter in the query."""


@dataclass(frozen=True)
class ServiceSummary:
    """A service: its full name, a sentence about it, its paths, and its short name, if any."""

    name: str
    summary: str
    paths: Sequence[PathSummary]
    title: str = ""


@dataclass(frozen=True)
class ContractSummary:
    """The services at an address; None while its contract is not known."""

    target: str
    services: Sequence[ServiceSummary] | None


def page_routes(contracts: Callable[[], Sequence[ContractSummary]], title: str = "gRPC services") -> list[BaseRoute]:
    """Return the routes `/` and `/docs`, and the files that they need below `/docs/`.

    `contracts` is called for each request, as a contract can change at any time. `title` is the name on the pages.
    """

    async def start(request: Request) -> Response:
        return start_page(request, contracts(), title)

    async def docs(_request: Request) -> Response:
        return docs_page(title)

    files = StaticFiles(directory=STATIC, packages=[("rest_server.pages", "swagger_ui")])
    return [
        Route("/", start),
        Route("/docs", docs),
        Route("/docs/", docs_page_without_slash),
        *(file_route(files, name) for name in FILES),
    ]


def start_page(request: Request, contracts: Sequence[ContractSummary], title: str) -> Response:
    """Return the start page: HTML for clients that accept it, plain text for others, such as curl."""
    form, media_type = ("html", "text/html") if accepts_html(request) else ("txt", "text/plain")
    base = str(request.base_url).rstrip("/")
    text = _TEMPLATES.get_template(f"start.{form}").render(
        title=title,
        contracts=contracts,
        base=base,
        curl=shlex.join(["curl", base + path_to_try(contracts)]),
        refusal=refusal_for_example(),
    )
    return Response(text, media_type=media_type, headers=HEADERS | {"Vary": "Accept"})


def docs_page(title: str) -> Response:
    """Answer with the page on which Swagger UI shows `/openapi.json`."""
    text = _TEMPLATES.get_template("docs.html").render(title=title)
    return Response(text, media_type="text/html", headers=HEADERS)


async def docs_page_without_slash(_request: Request) -> Response:
    """Redirect from `/docs/`, where the page's relative links would be wrong; also below a prefix of a proxy."""
    return RedirectResponse("../docs", headers=HEADERS)


def file_route(files: StaticFiles, name: str) -> Route:
    """Return the route of one file. Other paths get the usual refusal, not that of StaticFiles."""

    async def file(request: Request) -> Response:
        response = await files.get_response(name, request.scope)
        response.headers.update(HEADERS)
        return response

    return Route(f"/docs/{name}", file)


def accepts_html(request: Request) -> bool:
    """Return whether the client accepts HTML by name; `*/*` is not enough (RFC 9110, 12.5.1)."""
    for media_range in request.headers.get("accept", "").lower().split(","):
        media_type, *parameters = (part.strip() for part in media_range.split(";"))
        if media_type == "text/html" and not any(is_zero_weight(parameter) for parameter in parameters):
            return True
    return False


def is_zero_weight(parameter: str) -> bool:
    """Return whether a parameter of a media range is `q=0`: not acceptable."""
    name, _, weight = parameter.partition("=")
    return name.strip() == "q" and weight.strip() in ("0", "0.", "0.0", "0.00", "0.000")


def path_to_try(contracts: Sequence[ContractSummary]) -> str:
    """Return a path that can be called as printed: a GET that needs no values, otherwise `/healthz`."""
    paths = [path for contract in contracts for service in contract.services or () for path in service.paths]
    return next((path.path for path in paths if is_plain_get(path)), "/healthz")


def refusal_for_example() -> Any:
    """Return the answer for an unknown path."""
    _, body = refusal_answer(PathUnknown(), uuid.uuid4().hex)
    return json.loads(body)


def is_plain_get(path: PathSummary) -> bool:
    """Return whether a path can be called as it is, without values for its variables or its query."""
    return path.verb == "GET" and not path.needs_query and not set(path.path) & set("{}*")


def on_one_line(value: Any) -> Any:
    """Return text of a contract as one printable line.

    Its comments can have control characters, and some of these are commands to a terminal.
    """
    if type(value) is not str:  # Markup is text of the template itself
        return value
    return "".join(
        sign if sign.isprintable() else " " if sign.isspace() else "\N{REPLACEMENT CHARACTER}" for sign in value
    )


_TEMPLATES = jinja2.Environment(
    loader=jinja2.FileSystemLoader(Path(__file__).with_name("templates")),
    autoescape=jinja2.select_autoescape(["html"]),
    finalize=on_one_line,
    undefined=jinja2.StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
    keep_trailing_newline=True,
)
_TEMPLATES.tests["plain_get"] = is_plain_get
# In the order in which the answer has them.
_TEMPLATES.policies["json.dumps_kwargs"] = {"sort_keys": False}
