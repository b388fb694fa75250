"""The documents of this server: its health, its OpenAPI document, and the content of the start page."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence

from protobuf import DescService
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from rest_server import LICENSE, __version__, openapi
from rest_server.contracts.contract import Contract
from rest_server.contracts.http_rules import HttpRule
from rest_server.contracts.targets import Target
from rest_server.gateway import Gateway
from rest_server.headers import JSON, NOT_SNIFFED, entity_tag, names_tag
from rest_server.openapi.comments import summary_of, text_of_method, title_of
from rest_server.pages.html import ContractSummary, PathSummary, ServiceSummary
from rest_server.settings import About

DESCRIPTION = """\
The HTTP form of gRPC services, generated from their contracts. Bodies are protobuf's JSON. Requests can name fields as
shown here (`pageSize`) or as the contracts do (`page_size`).

Two headers can be sent with each request: `Grpc-Timeout` is the longest time for the answer (`500m`, `10S`), and
`X-Request-Id` is an id of the request for the logs; the server makes one for a request that has none.
"""

DOCUMENTS_KEPT = 8
"""The document contains the URL that it was requested at, so there is one for each name of this server."""


class Documents:
    """Documents about the present contracts of the targets."""

    def __init__(self, targets: Sequence[Target], gateway: Gateway, about: About) -> None:
        self._targets = targets
        self._gateway = gateway
        self._about = about
        self._writing = asyncio.Lock()
        self._written_of: Sequence[HttpRule] = ()
        self._written: dict[str, tuple[bytes, str]] = {}
        """Documents and their entity tags, by their URLs."""

    def routes(self) -> list[BaseRoute]:
        """Return the routes of the documents for programs."""
        return [Route("/healthz", self.health), Route("/openapi.json", self.openapi)]

    async def health(self, _request: Request) -> Response:
        """Answer SERVING with 200 when the contracts of all targets are known, before NOT_SERVING with 503."""
        serving = {target.address: in_words(target.contract is not None) for target in self._targets}
        is_serving = all(target.contract for target in self._targets)
        status = {"status": in_words(is_serving), "targets": serving}
        return JSONResponse(status, 200 if is_serving else 503, NOT_SNIFFED)

    async def openapi(self, request: Request) -> Response:
        """Return the OpenAPI document; it is generated again when a contract has changed."""
        url = self._about.public_url or str(request.base_url).rstrip("/")
        async with self._writing:  # one at a time, for all requests that wait for it
            rules = self._gateway.rules
            if self._written_of is not rules or len(self._written) > DOCUMENTS_KEPT:
                self._written_of, self._written = rules, {}
            if url not in self._written:
                made = await asyncio.to_thread(self._document, rules, url)
                self._written[url] = (made, entity_tag(made))
            document, tag = self._written[url]
        headers = {"etag": tag, "cache-control": "no-cache", **NOT_SNIFFED}
        if names_tag(request.headers.get("if-none-match", ""), tag):
            return Response(status_code=304, headers=headers)
        return Response(document, headers=headers, media_type=JSON)

    def summaries(self) -> list[ContractSummary]:
        """Return the services and paths of each target, for the start page."""
        rules = self._gateway.rules
        names = openapi.json_names(target.contract for target in self._targets if target.contract)
        found = []
        for target in self._targets:
            contract = target.contract
            services = None if contract is None else _summaries(contract, rules, names)
            found.append(ContractSummary(target.address, services))
        return found

    def _document(self, rules: Sequence[HttpRule], url: str) -> bytes:
        contracts = [target.contract for target in self._targets if target.contract]
        info = openapi.Info(self._about.title, __version__, DESCRIPTION, LICENSE, self._about.contact)
        document = openapi.document(contracts, rules, info, url)
        return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()


def in_words(is_serving: bool) -> str:
    """Return the name of a health in grpc.health.v1."""
    return "SERVING" if is_serving else "NOT_SERVING"


def _summaries(contract: Contract, rules: Sequence[HttpRule], names: Mapping[str, str]) -> list[ServiceSummary]:
    needed = openapi.NeededBodies(contract)
    return [_summary(service, rules, names, needed) for service in contract.services]


def _summary(
    service: DescService, rules: Sequence[HttpRule], names: Mapping[str, str], needed: openapi.NeededBodies
) -> ServiceSummary:
    own = [
        PathSummary(
            rule.verb,
            path,
            openapi.text_with_json_names(text_of_method(rule.method).summary, names),
            needs_query=needed.in_query(rule),
        )
        for rule, _, path in openapi.documented(rules)
        if rule.method.parent is service
    ]
    summary = openapi.text_with_json_names(summary_of(service), names)
    return ServiceSummary(service.type_name, summary, own, title_of(service))
