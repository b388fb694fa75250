"""The rules of google/api/http.proto: which HTTP requests call a method, and where its fields come from."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from google.api.annotations_pb2 import http
from google.api.http_pb2 import HttpRule as WrittenRule
from google.protobuf.descriptor_pb2 import MethodOptions
from protobuf import DescField, DescFieldValueList, DescFieldValueMap, DescFieldValueMessage, DescMessage, DescMethod

from rest_server.contracts.path_templates import Template, TemplateInvalid, parse

WHOLE = "*"
"""As a body: all fields that the path does not bind. As a verb: any verb."""

HTTP_BODY = "google.api.HttpBody"
"""A message with content of any type, which is sent unchanged, not as JSON."""

_TOKEN = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
"""A method name of HTTP (RFC 9110, 5.6.2)."""


class RuleInvalid(Exception):
    """A rule does not fit its method's messages or the grammar; the message has the reason."""


@dataclass(frozen=True)
class HttpRule:
    """One way to call a method by HTTP."""

    method: DescMethod
    verb: str
    """`GET`, `POST` …; `*` for any."""
    path: str
    """The path template as in the contract."""
    template: Template
    body: str
    """The request's field in the body; `*` for all fields that the path does not bind, empty for no body."""
    response_body: str
    """The response's field in the answer; empty for the whole response."""


def full_name(method: DescMethod) -> str:
    """Return the method's name in calls: `package.Service/Method`."""
    return f"{method.parent.type_name}/{method.name}"


def rules_of(method: DescMethod) -> Iterator[HttpRule | RuleInvalid]:
    """Yield the rules of a method in their order, and RuleInvalid for each that is not valid.

    A method without a rule has a default: its own name as the path, with all fields in the body.
    """
    for number, rule in enumerate(_written(method)):
        try:
            if number and rule.additional_bindings:
                raise RuleInvalid("an additional binding has additional bindings of its own")
            yield _compiled(method, *_parts_of(rule))
        except RuleInvalid as problem:
            yield problem


def _written(method: DescMethod) -> Iterator[WrittenRule]:
    """Yield the rules in a method's options.

    They are read with the google/api/http.proto of this package, as a target can have an older version of it.
    """
    written = method.proto.options
    options: Any = MethodOptions.FromString(written.to_binary() if written else b"")
    if not options.HasExtension(http):
        yield WrittenRule(post=f"/{full_name(method)}", body=WHOLE)
        return
    annotation = options.Extensions[http]
    yield annotation
    yield from annotation.additional_bindings


def field_named(message: DescMessage, name: str) -> DescField | None:
    """Return the field with a name of the .proto, if the message has it."""
    return next((field for field in message.fields if field.name == name), None)


def message_of(field: DescField) -> DescMessage | None:
    """Return the message type of a singular message field; None for other fields."""
    return field.value.message if isinstance(field.value, DescFieldValueMessage) else None


def is_raw_body(rule: HttpRule) -> bool:
    """Return whether the bodies of requests are content of any type, and not JSON."""
    field = field_named(rule.method.input, rule.body)
    message = rule.method.input if rule.body == WHOLE else message_of(field) if field else None
    return message is not None and message.type_name == HTTP_BODY


def is_raw_answer(rule: HttpRule) -> bool:
    """Return whether answers are content of any type, and not JSON."""
    field = field_named(rule.method.output, rule.response_body)
    return ((message_of(field) if field else None) or rule.method.output).type_name == HTTP_BODY


def _parts_of(rule: WrittenRule) -> tuple[str, str, str, str]:
    match rule.WhichOneof("pattern"):
        case None:
            raise RuleInvalid("it has no pattern")
        case "custom":
            verb, path = rule.custom.kind, rule.custom.path
        case verb:
            path = getattr(rule, verb)
    if not _TOKEN.fullmatch(verb):
        raise RuleInvalid(f"{verb!r} is not an HTTP method")
    # HTTP methods are in capitals (RFC 9110, 9.1), so a kind `head` means HEAD.
    return verb.upper(), path, rule.body, rule.response_body


def _compiled(method: DescMethod, verb: str, path: str, body: str, response_body: str) -> HttpRule:
    try:
        template = parse(path)
    except TemplateInvalid as problem:
        raise RuleInvalid(str(problem)) from problem
    for variable in template.variables:
        _check_bindable(method.input, variable.field_path)
    for message, name in ((method.input, body), (method.output, response_body)):
        if name not in ("", WHOLE) and field_named(message, name) is None:
            raise RuleInvalid(f"{message.type_name} has no field {name!r}")
    if response_body == WHOLE:
        raise RuleInvalid("the response body must be the name of a field, or empty")
    if any(variable.field_path == (body,) for variable in template.variables):
        raise RuleInvalid(f"{body!r} is bound by the path and by the body")
    return HttpRule(method, verb, path, template, body, response_body)


def _check_bindable(message: DescMessage, field_path: Sequence[str]) -> None:
    """Raise RuleInvalid unless a path variable is a singular field of a primitive type."""
    fields = list(_fields_along(message, field_path))
    value = fields[-1].value
    if isinstance(value, DescFieldValueMessage) and not value.message.type_name.startswith("google.protobuf."):
        raise RuleInvalid(f"{'.'.join(field_path)!r} is a message")


def _fields_along(message: DescMessage | None, field_path: Sequence[str]) -> Iterator[DescField]:
    for name in field_path:
        field = None if message is None else field_named(message, name)
        if field is None:
            raise RuleInvalid(f"there is no field {'.'.join(field_path)!r}")
        if is_repeated(field):
            raise RuleInvalid(f"{'.'.join(field_path)!r} is repeated")
        yield field
        message = message_of(field)


def is_repeated(field: DescField) -> bool:
    """Return whether a field is a list or a map."""
    return isinstance(field.value, DescFieldValueList | DescFieldValueMap)
