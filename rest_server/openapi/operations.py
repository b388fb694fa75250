"""One HTTP rule as an OpenAPI operation: its parameters, its body, its answers."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import suppress
from itertools import islice
from typing import Any

from protobuf import DescField, DescMessage

from rest_server.answers import etag_field
from rest_server.calls import MOST_PARAMETERS
from rest_server.contracts.http_rules import HTTP_BODY, WHOLE, HttpRule, is_raw_answer, is_raw_body, message_of
from rest_server.contracts.operation_types import operation_types
from rest_server.errors import IdempotencyKeyUnusable
from rest_server.headers import JSON, NDJSON
from rest_server.openapi.comments import text_of, text_of_method
from rest_server.openapi.error_samples import error_samples
from rest_server.openapi.field_rules import Schema
from rest_server.openapi.paths import PathParameter, json_path, pattern
from rest_server.openapi.samples import NO_SAMPLE, Samples
from rest_server.openapi.schemas import Schemas, Use, fits_a_parameter, names_of
from rest_server.requests import request_id_field

_UUID = "^[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}$"

ERROR = "#/components/responses/Error"
ERROR_SCHEMA = {"$ref": "#/components/schemas/http-error"}
"""A hyphen, which no message has in its name."""

# The schema is of OpenAPI 3.0: without one, as in 3.1, some generated clients take a value of any type.
_FILE: Schema = {"schema": {"type": "string", "format": "binary"}}
_SENT_FILE: Schema = {"application/octet-stream": _FILE}
"""Content of any type. Some generators have no name for `*/*` in requests."""
_ANSWERED_FILE: Schema = {**_SENT_FILE, "*/*": _FILE}

IN_OPERATION = "x-operation-"
"""Prefix of the keys of the types of an operation's `metadata` and `response`. The sample has their fields.

There are no schemas for them: linters warn that schemas are not used to which only such keys refer."""

_BAD_REQUEST = 400
_UNREADABLE = "INVALID_ARGUMENT for a request that cannot be read, such as one with an unknown parameter"
"""An answer of each operation, also if its method has no arguments."""


def operation(rule: HttpRule, path: Sequence[PathParameter], schemas: Schemas, samples: Samples) -> Schema:
    """Return the operation without its tag and operationId. `path` has the names of its path parameters."""
    method = rule.method
    text = text_of_method(method)
    made: Schema = {"summary": text.summary or method.name}
    # Linters ask for both.
    made["description"] = text.description or f"{made['summary']}."
    if method.deprecated or method.parent.deprecated:
        made["deprecated"] = True
    parameters = [
        *_in_path(rule, path, schemas, samples),
        *_in_query(rule, schemas, samples),
        *_in_headers(rule, schemas),
    ]
    if parameters:
        made["parameters"] = parameters
    if (body := _request_body(rule, schemas, samples)) is not None:
        made["requestBody"] = body
    made["responses"] = {"200": _answer(rule, schemas, samples)}
    if has_etag(rule):
        made["responses"]["304"] = {"description": "It is still the version that `If-None-Match` names."}
    for status, errors in ({_BAD_REQUEST: _UNREADABLE} | text.errors).items():
        content = {"schema": ERROR_SCHEMA, "examples": error_samples(errors, method)}
        made["responses"][str(status)] = {"description": errors, "content": {JSON: content}}
    made["responses"]["default"] = {"$ref": ERROR}
    return made


def has_etag(rule: HttpRule) -> bool:
    """Return whether the answer has an ETag, so that clients can send If-None-Match."""
    if rule.verb != "GET" or rule.method.method_kind != "unary":
        return False
    return is_raw_answer(rule) or etag_field(rule.method.output) is not None


def _in_path(rule: HttpRule, path: Sequence[PathParameter], schemas: Schemas, samples: Samples) -> Iterator[Schema]:
    for parameter in path:
        schema: Schema = {"type": "string"}
        description, sample = "", parameter.name
        if parameter.variable is not None:
            field = field_at(rule.method.input, parameter.variable.field_path)
            description = text_of(field)
            form, name = pattern(rule.template, parameter.variable), json_path(rule, parameter.variable.field_path)
            if parameter.is_whole:
                schema = schemas.rules.constrain(schemas.value(field.value, Use.PARAMETER), field)
                sample = samples.of_parameter(field)
            else:
                description = f"A part of `{name}`, which is `{form}`. {description}".rstrip()
            if parameter.is_whole and parameter.name != name:
                description = f"`{name}`: {description}".removesuffix(": ")
        if parameter.goes_on:
            description = f"{description}\n\nAny number of segments, with slashes between them.".strip()
        yield {
            "name": parameter.name,
            "in": "path",
            "required": True,
            **({"description": description} if description else {}),
            "schema": schema,
            "example": sample,
        }


def _in_query(rule: HttpRule, schemas: Schemas, samples: Samples) -> Iterator[Schema]:
    """Yield a parameter for each field that neither the path nor the body has."""
    if rule.body == WHOLE or rule.method.input.type_name == HTTP_BODY:
        return
    bound = {variable.field_path for variable in rule.template.variables} | {(rule.body,)}
    # Inner messages can have any number of fields, and a request at most MOST_PARAMETERS parameters.
    for chain in filter(None, islice(_leaves(rule.method.input, (), ()), MOST_PARAMETERS)):
        field_path = tuple(field.name for field in chain)
        if any(field_path[: len(path)] == path for path in bound):
            continue
        described = schemas.field(chain[-1], Use.PARAMETER)
        made: Schema = {"name": ".".join(field.json_name for field in chain), "in": "query"}
        if all(schemas.is_required(field) for field in chain):
            made["required"] = True
        for keyword in ("description", "deprecated"):
            if keyword in described:
                made[keyword] = described.pop(keyword)
        described.pop("readOnly", None)
        made["schema"] = described
        if (sample := _query_sample(rule, chain[-1], made, samples)) is not NO_SAMPLE:
            made["example"] = sample
        yield made


def _query_sample(rule: HttpRule, field: DescField, made: Schema, samples: Samples) -> Any:
    """Return a sample for a required parameter or an update mask. Optional filters have none: they would hide rows."""
    message = message_of(field)
    if rule.body and message is not None and message.type_name == "google.protobuf.FieldMask":
        body = samples.of_request_field(field_at(rule.method.input, (rule.body,)))
        return ",".join(body) if isinstance(body, dict) else NO_SAMPLE
    return samples.of_parameter(field) if made.get("required") else NO_SAMPLE


def _leaves(
    message: DescMessage, chain: tuple[DescField, ...], within: tuple[DescMessage, ...]
) -> Iterator[tuple[DescField, ...] | None]:
    """Yield each field that can be a parameter, after the fields that contain it, and None for each inner message.

    A message that contains itself is not entered again.
    """
    for field in message.fields:
        below = message_of(field)
        if fits_a_parameter(field):
            yield (*chain, field)
        elif (
            below is not None and below not in (*within, message) and not below.type_name.startswith("google.protobuf.")
        ):
            yield None
            yield from _leaves(below, (*chain, field), (*within, message))


def _in_headers(rule: HttpRule, schemas: Schemas) -> Iterator[Schema]:
    with suppress(IdempotencyKeyUnusable):
        request_id = request_id_field(rule)
        yield {
            "name": "Idempotency-Key",
            "in": "header",
            "description": f"Another way to send `{request_id.json_name}`. {text_of(request_id)}".rstrip(),
            "schema": _in_header(schemas.rules.constrain(schemas.value(request_id.value, Use.PARAMETER), request_id)),
        }
    if has_etag(rule):
        yield {"$ref": "#/components/parameters/If-None-Match"}


def _in_header(schema: Schema) -> Schema:
    """Describe a string without a format: some generated clients cannot write the type of a format into a header."""
    plain: Schema = {"pattern": _UUID} if schema.get("format") == "uuid" else {"minLength": 1}
    return {name: part for name, part in schema.items() if name != "format"} | plain


def _request_body(rule: HttpRule, schemas: Schemas, samples: Samples) -> Schema | None:
    if not rule.body:
        return None
    if is_raw_body(rule):
        is_needed = rule.body != WHOLE and schemas.is_required(field_at(rule.method.input, (rule.body,)))
        made: Schema = {"description": "The content of a file, of any type.", "content": _SENT_FILE}
        return {**made, "required": True} if is_needed else made
    without = _set_by_path(rule, schemas)
    if rule.body == WHOLE:
        fields = [field for field in rule.method.input.fields if (field.name,) not in without]
        if without and not fields:
            return None  # the path has all fields
        schema = schemas.message(rule.method.input, Use.REQUEST, without)
        sample: Any = samples.request(rule.method.input, without)
        is_required = schemas.is_any_required(rule.method.input, names_of(without))
    else:
        field = field_at(rule.method.input, (rule.body,))
        below = [path[1:] for path in without if path[0] == rule.body]
        schema, sample = schemas.field(field, Use.REQUEST, below), samples.of_request_field(field, below)
        is_required = schemas.is_required(field)
    if rule.method.method_kind in ("client_streaming", "bidi_streaming"):
        content: Schema = {NDJSON: _lines(schema, sample)}
        if is_required:
            content[NDJSON]["schema"]["minLength"] = 1
    else:
        content = {JSON: {"schema": schema, "example": {} if sample is NO_SAMPLE else sample}}
    return {"content": content, "required": True} if is_required else {"content": content}


def _set_by_path(rule: HttpRule, schemas: Schemas) -> list[tuple[str, ...]]:
    """Return the fields in the path. Read-only ones can be in the body, too, which is often an answer sent back."""
    paths = [variable.field_path for variable in rule.template.variables]
    return [path for path in paths if not schemas.rules.is_read_only(field_at(rule.method.input, path))]


def _answer(rule: HttpRule, schemas: Schemas, samples: Samples) -> Schema:
    method = rule.method
    content, description = _answered(rule, schemas, samples)
    headers = {"X-Request-Id": {"$ref": "#/components/headers/X-Request-Id"}}
    if has_etag(rule):
        headers["ETag"] = {"$ref": "#/components/headers/ETag"}
    types = operation_types(method, schemas.registry)
    inside = {f"{IN_OPERATION}{name}": contained.type_name for name, contained in types.items()}
    return {"description": description.strip() or "The answer.", "headers": headers, "content": content, **inside}


def _answered(rule: HttpRule, schemas: Schemas, samples: Samples) -> tuple[Schema, str]:
    """Return the content of an answer, and its description."""
    method = rule.method
    if is_raw_answer(rule):
        return _ANSWERED_FILE, "The content, of the type in `Content-Type`."
    if rule.response_body:
        field = field_at(method.output, (rule.response_body,))
        schema = schemas.field(field, Use.ANSWER)
        description, sample = schema.get("description", ""), samples.of_parameter(field)
    else:
        schema, description = schemas.message(method.output, Use.ANSWER), text_of(method.output)
        sample = samples.answer(method.output)
        if types := operation_types(method, schemas.registry):
            sample.pop("error", None)  # there is either an error or a response
            for name, contained in types.items():
                sample[name] = {"@type": f"type.googleapis.com/{contained.type_name}", **samples.answer(contained)}
    if method.method_kind not in ("server_streaming", "bidi_streaming"):
        return {JSON: {"schema": schema, "example": sample}}, description
    description += (
        "\n\nOne message a line, as they come. An error after the first message is a last line of its own, as "
        "`http-error` describes it."
    )
    return {NDJSON: _lines(schema, sample)}, description


def _lines(item: Schema, sample: Any) -> Schema:
    """Describe a body with one JSON value per line: a string in OpenAPI 3.1, whose content JSON Schema describes."""
    return {
        "schema": {
            "type": "string",
            "contentMediaType": NDJSON,
            "contentSchema": {"type": "array", "items": item},
        },
        "example": json.dumps(sample, ensure_ascii=False) + "\n",
    }


def field_at(message: DescMessage, field_path: Sequence[str]) -> DescField:
    """Return the field at a path in a rule. It exists, as the rule was checked."""
    name, *below = field_path
    field = next(field for field in message.fields if field.name == name)
    inner = message_of(field)
    return field_at(inner, below) if below and inner is not None else field
