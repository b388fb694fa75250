"""The OpenAPI document of all targets: https://spec.openapis.org/oas/v3.1.1."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from protobuf import DescMessage, DescService

from rest_server.contracts.access import AccessOptions
from rest_server.contracts.contract import Contract
from rest_server.contracts.http_rules import HttpRule, full_name
from rest_server.errors import HTTP_STATUS
from rest_server.headers import JSON
from rest_server.openapi.comments import text_of, title_of
from rest_server.openapi.components import named, with_references
from rest_server.openapi.error_samples import unavailable_sample
from rest_server.openapi.field_rules import Schema
from rest_server.openapi.operations import ERROR_SCHEMA, operation
from rest_server.openapi.paths import PathParameter, documented
from rest_server.openapi.samples import Samples
from rest_server.openapi.schemas import Schemas
from rest_server.openapi.security import SCHEMES, refusals, secured

ANY = "*"
"""The verb of a rule for all verbs."""

_SLOTS = ("get", "put", "post", "delete", "options", "head", "patch", "trace")
"""The verbs that a path item of OpenAPI 3.1 can have."""

_OTHERS = "x-additionalOperations"
"""The key of operations with other verbs. In OpenAPI 3.2 it has no `x-`."""

_METHOD = "x-grpc-method"
"""The key of the method that an operation calls: `package.Service/Method`."""


@dataclass(frozen=True)
class Info:
    """What the document says about the API as a whole."""

    title: str
    version: str
    description: str = ""
    license: str = ""
    """An identifier of SPDX."""
    contact: str = ""
    """An e-mail address or a URL."""

    def described(self) -> Schema:
        """Return the `info` of the document."""
        made: Schema = {"title": self.title, "version": self.version}
        if self.description:
            made["description"] = self.description
        made["contact"] = {"name": self.title}
        if self.contact:
            made["contact"]["url" if "://" in self.contact else "email"] = self.contact
        if self.license:
            made["license"] = {"name": self.license, "url": f"https://spdx.org/licenses/{self.license}.html"}
        return made


def document(contracts: Sequence[Contract], rules: Iterable[HttpRule], info: Info, server: str = "/") -> dict[str, Any]:
    """Return the document of rules of the contracts' services. The same arguments return the same document.

    Of two rules that OpenAPI cannot distinguish, it has the first one. `server` is the base URL of the paths.
    """
    makers_of: dict[DescService, tuple[Schemas, Samples, AccessOptions]] = {}
    every_schemas = [Schemas(contract.registry, ordinal) for ordinal, contract in enumerate(contracts)]
    for contract, schemas in zip(contracts, every_schemas, strict=True):
        makers = (schemas, Samples(schemas, contract.registry), AccessOptions(contract.registry))
        makers_of.update(dict.fromkeys(contract.services, makers))
    paths: dict[str, Schema] = {}
    operation_ids: set[str] = set()
    tags: dict[DescService, str] = {}
    for rule, parameters, path in documented(rules):
        slots, slot = _slot(paths.setdefault(path, {}), rule)
        if slot in slots:
            continue
        service = rule.method.parent
        tag = tags.get(service) or tags.setdefault(service, _tag_name(service, tags.values()))
        operation_id = _operation_id(f"{_identifier(tag)}_{rule.method.name}", rule, parameters, operation_ids)
        schemas, samples, options = makers_of[service]
        described = secured(operation(rule, parameters, schemas, samples), rule, options)
        slots[slot] = {"tags": [tag], "operationId": operation_id, _METHOD: full_name(rule.method), **described}
    components = {key: schema for schemas in every_schemas for key, schema in schemas.components.items()}
    names = named(components)
    every_schema = {names[key]: with_references(schema, names) for key, schema in components.items()}
    is_secured = any(options.is_there for _, _, options in makers_of.values())
    made = {
        "openapi": "3.1.1",
        "info": info.described(),
        "servers": [{"url": server}],
        "security": [],
        "tags": [_tag(tag, service) for service, tag in tags.items()],
        "paths": with_references(paths, names),
        "components": {
            "schemas": {**dict(sorted(every_schema.items())), **_ERROR_SCHEMAS},
            "responses": {"Error": _ERROR_RESPONSE, **(refusals(ERROR_SCHEMA, _HEADERS) if is_secured else {})},
            "parameters": {"If-None-Match": _IF_NONE_MATCH},
            "headers": {"X-Request-Id": _REQUEST_ID, "ETag": _ETAG},
            **({"securitySchemes": SCHEMES} if is_secured else {}),
        },
    }
    names_in_json = json_names(contracts)
    by_themselves = ("info", "servers")
    return {
        part: value if part in by_themselves else _with_json_names(value, names_in_json) for part, value in made.items()
    }


def _slot(item: Schema, rule: HttpRule) -> tuple[Schema, str]:
    """Return where the rule's operation is in a path item. A rule for any verb is POST or GET, whichever is free."""
    if rule.verb == ANY:
        likely = ("post", "get") if rule.body else ("get", "post")
        return item, next((slot for slot in likely if slot not in item), likely[0])
    if rule.verb.lower() in _SLOTS:
        return item, rule.verb.lower()
    others: Schema = item.setdefault(_OTHERS, {})
    return others, rule.verb


def _free(name: str, taken: set[str]) -> str:
    """Return the name, with a number if it is taken, and add it to those that are taken."""
    names = [name, *(f"{name}_{number}" for number in range(2, len(taken) + 3))]
    free = next(name for name in names if name not in taken)
    taken.add(free)
    return free


def _operation_id(name: str, rule: HttpRule, parameters: Iterable[PathParameter], taken: set[str]) -> str:
    """Return a free id for an operation, and add it to those that are taken.

    A further path of a method has its parameters in the id, or the path's own verb: `Lending_ListLoans` and
    `Lending_ListLoansByUserId`, `Imports_StartImport` and `Imports_StartImport_upload`.
    """
    if name in taken:
        by = "And".join(_identifier(parameter.name) for parameter in parameters)
        verb = "_".join(re.findall(r"\w+", rule.template.verb))
        name = f"{name}By{by}" if by else f"{name}_{verb}" if verb else name
    return _free(name, taken)


def _tag_name(service: DescService, taken: Collection[str]) -> str:
    """Return the service's title, or its full name if another service has that title."""
    title = title_of(service)
    return service.type_name if title in taken else title


def _identifier(tag: str) -> str:
    """Return a tag as a part of an identifier: `Admin catalogue` becomes `AdminCatalogue`."""
    return "".join(word[:1].upper() + word[1:] for word in re.findall(r"\w+", tag))


def _tag(name: str, service: DescService) -> Schema:
    paragraphs = [text_of(service), f"In gRPC: `{service.type_name}`."]
    return {"name": name, "description": "\n\n".join(filter(None, paragraphs))}


_PROTO_NAME = re.compile(r"(?<![\w./-])[a-z][a-z0-9]*(?:_[a-z0-9]+)+(?![\w/])")


def json_names(contracts: Iterable[Contract]) -> dict[str, str]:
    """Return the names of fields in JSON by their names in the contracts."""
    messages = [found for contract in contracts for found in contract.registry if isinstance(found, DescMessage)]
    return {field.name: field.json_name for message in messages for field in message.fields}


def text_with_json_names(text: str, names: Mapping[str, str]) -> str:
    """Return a text with the fields' names in JSON in place of those in the contracts."""
    return _PROTO_NAME.sub(lambda found: names.get(found[0], found[0]), text)


def _with_json_names(value: Any, names: Mapping[str, str]) -> Any:
    """Copy a part of the document. Fields in its texts have their names in JSON."""
    if isinstance(value, list):
        return [_with_json_names(item, names) for item in value]
    if not isinstance(value, dict):
        return value
    return {
        keyword: text_with_json_names(item, names)
        if keyword in ("description", "summary") and isinstance(item, str)
        else _with_json_names(item, names)
        for keyword, item in value.items()
    }


_ERROR_SCHEMAS: Mapping[str, Schema] = {
    "http-error": {
        "description": "An error, by [AIP-193](https://google.aip.dev/193).",
        "type": "object",
        "additionalProperties": False,
        "required": ["error"],
        "properties": {"error": {"$ref": "#/components/schemas/http-error-status"}},
    },
    "http-error-status": {
        "description": "What went wrong.",
        "type": "object",
        "additionalProperties": False,
        "required": ["code", "status", "message", "details"],
        "properties": {
            "code": {"type": "integer", "format": "int32", "description": "The HTTP status."},
            "status": {
                "type": "string",
                "enum": [code.name for code, status in HTTP_STATUS.items() if status >= 400],
                "description": "The code, of google.rpc.Code.",
            },
            "message": {"type": "string", "description": "A sentence in English for people."},
            "details": {
                "type": "array",
                "description": "The same for programs. The first one has the `reason`.",
                "items": {"$ref": "#/components/schemas/http-error-detail"},
            },
        },
    },
    "http-error-detail": {
        "description": (
            "One of the messages in google/rpc/error_details.proto, or a detail that a service defines itself: `@type` "
            "says which. It has the properties of that message only."
        ),
        "type": "object",
        "required": ["@type"],
        "properties": {
            "@type": {"type": "string", "examples": ["type.googleapis.com/google.rpc.ErrorInfo"]},
            "reason": {"type": "string", "description": "ErrorInfo: which error it is, for programs."},
            "domain": {"type": "string", "description": "ErrorInfo: the service that defines the reason."},
            "metadata": {
                "type": "object",
                "additionalProperties": {"type": "string"},
                "description": "ErrorInfo: values that the message mentions.",
            },
            "fieldViolations": {
                "type": "array",
                "description": "BadRequest: each invalid field.",
                "items": {"$ref": "#/components/schemas/http-error-field"},
            },
            "resourceType": {"type": "string", "description": "ResourceInfo: the type of what was not found."},
            "resourceName": {"type": "string", "description": "ResourceInfo: its id."},
            "requestId": {"type": "string", "description": "RequestInfo: the id of the request in the logs."},
            "retryDelay": {"type": "string", "description": "RetryInfo: try again after this time: `1.5s`."},
        },
    },
    "http-error-field": {
        "description": "A field of a request that is invalid.",
        "type": "object",
        "properties": {
            "field": {"type": "string", "description": "Its name, with dots before inner fields."},
            "description": {"type": "string", "description": "Why it is invalid."},
        },
    },
}
"""Their names have hyphens, so no message has one of them."""

_REQUEST_ID: Schema = {
    "description": "The id of the request in the logs: the one that the client sent, or a new one.",
    "schema": {"type": "string"},
}

_ETAG: Schema = {"description": "The version of the answer.", "schema": {"type": "string"}}

_HEADERS: Schema = {"X-Request-Id": {"$ref": "#/components/headers/X-Request-Id"}}

_ERROR_RESPONSE: Schema = {
    "description": "The request was refused, or it failed.",
    "headers": _HEADERS,
    "content": {JSON: {"schema": ERROR_SCHEMA, "example": unavailable_sample()}},
}

_IF_NONE_MATCH: Schema = {
    "name": "If-None-Match",
    "in": "header",
    "description": "The `ETag` of an earlier answer. If the answer is still the same, it is 304 without content.",
    "schema": {"type": "string"},
}
