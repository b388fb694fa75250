"""What this server says of itself: its health, its OpenAPI document, and what the start page tells."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from importlib.metadata import version

from protobuf import DescService
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from rest_server import openapi
from rest_server.bodies import JSON
from rest_server.gateway import Gateway
from rest_server.headers import NOT_SNIFFED, entity_tag, names_tag
from rest_server.http_rules import HttpRule
from rest_server.openapi.comments import summary_of, text_of_method
from rest_server.pages import ContractSummary, PathSummary, ServiceSummary
from rest_server.targets import Target

TITLE = "HTTP and JSON for gRPC"
DESCRIPTION = """\
Made of what the gRPC services behind this say of themselves. JSON is protobuf's own; requests may name fields as shown,
or as the services' contracts do, with underscores.

Each request may have the headers `Grpc-Timeout`, the most that its answer may take (`500m`, `10S`), and `X-Request-Id`,
the name under which the logs have it, which is made where it is not given.
"""


class Documents:
    """Answers about the targets as they are now."""

    def __init__(self, targets: Sequence[Target], gateway: Gateway) -> None:
        self._targets = targets
        self._gateway = gateway
        self._writing = asyncio.Lock()
        self._written: tuple[Sequence[HttpRule], bytes, str] = ((), b"", "")

    def routes(self) -> list[BaseRoute]:
        """Give the paths of the documents for machines."""
        return [Route("/healthz", self.health), Route("/openapi.json", self.openapi)]

    async def health(self, _request: Request) -> Response:
        """Say SERVING, with 200, once the contracts of all targets are learnt; before, NOT_SERVING, with 503."""
        serving = {target.address: in_words(target.contract is not None) for target in self._targets}
        is_serving = all(target.contract for target in self._targets)
        told = {"status": in_words(is_serving), "targets": serving}
        return JSONResponse(told, 200 if is_serving else 503, NOT_SNIFFED)

    async def openapi(self, request: Request) -> Response:
        """Give the OpenAPI document; it is written anew when a contract has changed."""
        async with self._writing:  # one at a time, for all who wait
            rules = self._gateway.rules
            if self._written[0] is not rules:
                document = await asyncio.to_thread(self._document, rules)
                self._written = (rules, document, entity_tag(document))
        _, document, tag = self._written
        headers = {"etag": tag, "cache-control": "no-cache", **NOT_SNIFFED}
        if names_tag(request.headers.get("if-none-match", ""), tag):
            return Response(status_code=304, headers=headers)
        return Response(document, headers=headers, media_type=JSON)

    def summaries(self) -> list[ContractSummary]:
        """Tell what each target offers, for people."""
        rules = self._gateway.rules
        found = []
        for target in self._targets:
            contract = target.contract
            services = None if contract is None else [_summary(service, rules) for service in contract.services]
            found.append(ContractSummary(target.address, services))
        return found

    def _document(self, rules: Sequence[HttpRule]) -> bytes:
        contracts = [target.contract for target in self._targets if target.contract]
        document = openapi.document(
            contracts, rules, title=TITLE, version=version("lending-library"), description=DESCRIPTION
        )
        return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()


def in_words(is_serving: bool) -> str:
    """A health as grpc.health.v1 names it."""
    return "SERVING" if is_serving else "NOT_SERVING"


def _summary(service: DescService, rules: Sequence[HttpRule]) -> ServiceSummary:
    own = [
        PathSummary(rule.verb, rule.path, text_of_method(rule.method).summary)
        for rule in rules
        if rule.method.parent is service
    ]
    return ServiceSummary(service.type_name, summary_of(service), own)
