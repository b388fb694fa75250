"""The OpenAPI document of all that is served: https://spec.openapis.org/oas/v3.1.1."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from protobuf import DescMessage, DescService

from rest_server.contracts.contract import Contract
from rest_server.contracts.http_rules import HttpRule, full_name
from rest_server.errors import HTTP_STATUS
from rest_server.headers import JSON
from rest_server.openapi.comments import text_of, title_of
from rest_server.openapi.components import named, with_references
from rest_server.openapi.error_samples import unavailable_sample
from rest_server.openapi.field_rules import Schema
from rest_server.openapi.operations import operation
from rest_server.openapi.paths import PathParameter, documented
from rest_server.openapi.samples import Samples
from rest_server.openapi.schemas import Schemas

ANY = "*"
"""A rule's verb that stands for all."""

_SLOTS = ("get", "put", "post", "delete", "options", "head", "patch", "trace")
"""The verbs that OpenAPI 3.1 has a place for."""

_OTHERS = "x-additionalOperations"
"""Where operations with other verbs are. From OpenAPI 3.2 on it has this name without the `x-`."""

_METHOD = "x-grpc-method"
"""What an operation calls: `package.Service/Method`."""


@dataclass(frozen=True)
class Info:
    """What the document says of the API as a whole."""

    title: str
    version: str
    description: str = ""
    license: str = ""
    """Of the API's contract, as SPDX names it."""
    contact: str = ""
    """An e-mail address or a URL."""

    def described(self) -> Schema:
        """The `info` of the document."""
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
    """Describe the rules, which are those of the contracts' services. The same arguments give the same document.

    Of two rules that OpenAPI cannot tell apart, the first one is described. `server` is the URL that the paths are
    below.
    """
    makers_of: dict[DescService, tuple[Schemas, Samples]] = {}
    every_schemas = [Schemas(contract.registry, ordinal) for ordinal, contract in enumerate(contracts)]
    for contract, schemas in zip(contracts, every_schemas, strict=True):
        makers_of.update(dict.fromkeys(contract.services, (schemas, Samples(schemas, contract.registry))))
    paths: dict[str, Schema] = {}
    operation_ids: set[str] = set()
    tags: dict[DescService, str] = {}
    for rule, parameters, path in documented(rules):
        slots, slot = _slot(paths.setdefault(path, {}), rule)
        if slot in slots:
            continue
        service = rule.method.parent
        tag = tags.get(service) or tags.setdefault(service, _tag_name(service, tags.values()))
        operation_id = _operation_id(f"{_identifier(tag)}_{rule.method.name}", parameters, operation_ids)
        described = operation(rule, parameters, *makers_of[service])
        slots[slot] = {"tags": [tag], "operationId": operation_id, _METHOD: full_name(rule.method), **described}
    components = {key: schema for schemas in every_schemas for key, schema in schemas.components.items()}
    names = named(components)
    every_schema = {names[key]: with_references(schema, names) for key, schema in components.items()}
    made = {
        "openapi": "3.1.1",
        "info": info.described(),
        "servers": [{"url": server}],
        "security": [],
        "tags": [_tag(tag, service) for service, tag in tags.items()],
        "paths": with_references(paths, names),
        "components": {
            "schemas": {**dict(sorted(every_schema.items())), **_ERROR_SCHEMAS},
            "responses": {"Error": _ERROR_RESPONSE},
            "parameters": {"If-None-Match": _IF_NONE_MATCH},
            "headers": {"X-Request-Id": _REQUEST_ID, "ETag": _ETAG},
        },
    }
    names_in_json = json_names(contracts)
    by_themselves = ("info", "servers")
    return {
        part: value if part in by_themselves else _with_json_names(value, names_in_json) for part, value in made.items()
    }


def _slot(item: Schema, rule: HttpRule) -> tuple[Schema, str]:
    """Where in a path item the rule's operation goes. One for any verb takes the likelier of two that are not taken."""
    if rule.verb == ANY:
        likely = ("post", "get") if rule.body else ("get", "post")
        return item, next((slot for slot in likely if slot not in item), likely[0])
    if rule.verb.lower() in _SLOTS:
        return item, rule.verb.lower()
    others: Schema = item.setdefault(_OTHERS, {})
    return others, rule.verb


def _free(name: str, taken: set[str]) -> str:
    """Make a name unique by a number, and take it."""
    names = [name, *(f"{name}_{number}" for number in range(2, len(taken) + 3))]
    free = next(name for name in names if name not in taken)
    taken.add(free)
    return free


def _operation_id(name: str, parameters: Iterable[PathParameter], taken: set[str]) -> str:
    """Return a free id for an operation, and take it.

    A further path of a method has its parameters in the id: `Lending_ListLoans` and `Lending_ListLoansByUserId`.
    """
    if name in taken:
        by = "And".join(_identifier(parameter.name) for parameter in parameters)
        name = f"{name}By{by}" if by else name
    return _free(name, taken)


def _tag_name(service: DescService, taken: Collection[str]) -> str:
    """The service's title; its full name if another service has that title."""
    title = title_of(service)
    return service.type_name if title in taken else title


def _identifier(tag: str) -> str:
    """A tag as a part of a name in programs: `Admin catalogue` becomes `AdminCatalogue`."""
    return "".join(word[:1].upper() + word[1:] for word in re.findall(r"\w+", tag))


def _tag(name: str, service: DescService) -> Schema:
    paragraphs = [text_of(service), f"In gRPC: `{service.type_name}`."]
    return {"name": name, "description": "\n\n".join(filter(None, paragraphs))}


_PROTO_NAME = re.compile(r"(?<![\w./-])[a-z][a-z0-9]*(?:_[a-z0-9]+)+(?![\w/])")


def json_names(contracts: Iterable[Contract]) -> dict[str, str]:
    """What the fields of the contracts are called in JSON, by their names in the contracts."""
    messages = [found for contract in contracts for found in contract.registry if isinstance(found, DescMessage)]
    return {field.name: field.json_name for message in messages for field in message.fields}


def text_with_json_names(text: str, names: Mapping[str, str]) -> str:
    """Return a text that names fields as JSON does, and not as the contracts do."""
    return _PROTO_NAME.sub(lambda found: names.get(found[0], found[0]), text)


def _with_json_names(value: Any, names: Mapping[str, str]) -> Any:
    """Copy a part of the document; its texts name fields as the document does, and not as the contracts do."""
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
            "domain": {"type": "string", "description": "ErrorInfo: whose reason it is."},
            "metadata": {
                "type": "object",
                "additionalProperties": {"type": "string"},
                "description": "ErrorInfo: values that the message mentions.",
            },
            "fieldViolations": {
                "type": "array",
                "description": "BadRequest: each field at fault.",
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
            "field": {"type": "string", "description": "Its name, with dots between fields of fields."},
            "description": {"type": "string", "description": "What is wrong with it."},
        },
    },
}
"""Hyphens, which no message has in its name."""

_REQUEST_ID: Schema = {
    "description": "The request's id, which the logs have, too. It is the one that the request came with, if it did.",
    "schema": {"type": "string"},
}

_ETAG: Schema = {"description": "The version of what was answered.", "schema": {"type": "string"}}

_ERROR_RESPONSE: Schema = {
    "description": "The request was refused, or it failed.",
    "headers": {"X-Request-Id": {"$ref": "#/components/headers/X-Request-Id"}},
    "content": {JSON: {"schema": {"$ref": "#/components/schemas/http-error"}, "example": unavailable_sample()}},
}

_IF_NONE_MATCH: Schema = {
    "name": "If-None-Match",
    "in": "header",
    "description": "The `ETag` of an earlier answer: answer only if there is another version by now.",
    "schema": {"type": "string"},
}
