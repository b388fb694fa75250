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
"""As a body: every field that the path does not bind. As a verb: any."""

HTTP_BODY = "google.api.HttpBody"
"""Content of any type, which goes as it is and not as JSON."""

_TOKEN = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
"""What the name of a method may be in HTTP (RFC 9110, 5.6.2)."""


class RuleInvalid(Exception):
    """A rule that contradicts its method's messages or the grammar. It is left out; the message says why."""


@dataclass(frozen=True)
class HttpRule:
    """One way to call a method by HTTP."""

    method: DescMethod
    verb: str
    """`GET`, `POST` …; `*` for any."""
    path: str
    """The path template as it was written."""
    template: Template
    body: str
    """The request's field that the body fills; `*` for all that the path leaves, empty for no body."""
    response_body: str
    """The response's field that is answered with; empty for all of it."""


def full_name(method: DescMethod) -> str:
    """The method's name as calls have it: `package.Service/Method`."""
    return f"{method.parent.type_name}/{method.name}"


def rules_of(method: DescMethod) -> Iterator[HttpRule | RuleInvalid]:
    """Give the rules that a method is annotated with, the first one first; for one without, the rule by default.

    By default a method is called by its own name, with all fields in the body. In a rule's place stands why it is none.
    """
    for number, rule in enumerate(_written(method)):
        try:
            if number and rule.additional_bindings:
                raise RuleInvalid("an additional binding has additional bindings of its own")
            yield _compiled(method, *_parts_of(rule))
        except RuleInvalid as problem:
            yield problem


def _written(method: DescMethod) -> Iterator[WrittenRule]:
    """Give the rules as they are written.

    They are read by google/api/http.proto as it is here: a target may have an older one, or another of that name.
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
    """Find a field by its name in the .proto."""
    return next((field for field in message.fields if field.name == name), None)


def message_of(field: DescField) -> DescMessage | None:
    """Give the message type of a singular message field; None for all others."""
    return field.value.message if isinstance(field.value, DescFieldValueMessage) else None


def _parts_of(rule: WrittenRule) -> tuple[str, str, str, str]:
    match rule.WhichOneof("pattern"):
        case None:
            raise RuleInvalid("it has no pattern")
        case "custom":
            verb, path = rule.custom.kind, rule.custom.path
        case verb:
            path = getattr(rule, verb)
    if not _TOKEN.fullmatch(verb):
        raise RuleInvalid(f"{verb!r} is no HTTP method")
    # Methods are in capitals (RFC 9110, 9.1): a kind `head` can only mean HEAD, as nobody sends the other.
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
        raise RuleInvalid("the response body is a field's name or nothing")
    if any(variable.field_path == (body,) for variable in template.variables):
        raise RuleInvalid(f"{body!r} is bound by the path and by the body")
    return HttpRule(method, verb, path, template, body, response_body)


def _check_bindable(message: DescMessage, field_path: Sequence[str]) -> None:
    """See that a path variable is a singular field of a primitive type."""
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
    """Whether a field is a list or a map."""
    return isinstance(field.value, DescFieldValueList | DescFieldValueMap)
