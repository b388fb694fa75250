"""Make a method's request from an HTTP request: path variables, query parameters and body, each to its fields."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from typing import Any, NoReturn

from protobuf import (
    DescEnum,
    DescField,
    DescFieldValueEnum,
    DescFieldValueList,
    DescFieldValueMap,
    DescFieldValueMessage,
    DescFieldValueScalar,
    DescMessage,
    Message,
    ScalarType,
    message_from_json_value,
)

from rest_server.contract import Contract
from rest_server.errors import BodyInvalid, FieldsInvalid
from rest_server.field_problems import FieldProblems
from rest_server.fields import Fields
from rest_server.http_rules import WHOLE, HttpRule, message_of

Json = Any
"""What json.loads gives."""

REQUEST_ID = "request_id"
"""The field of AIP-155, which the header Idempotency-Key fills."""

NO_BODY = object()
"""Stands for a body that is not there, which is another than one that says null."""

MOST_NESTING = 100
"""Of objects and lists in a body; protobuf's own parsers stop there, too."""

_WRAPPER = re.compile(r"google\.protobuf\.(?:Double|Float|U?Int(?:32|64)|Bool|String|Bytes)Value")
_UNDERSCORE = re.compile("_([a-z])")
_BOOLEANS = {"true": True, "false": False}
_WHOLE_NUMBER = re.compile(r"-?\d{1,20}")


def message_from(
    rule: HttpRule,
    contract: Contract,
    path: Sequence[str],
    query: Iterable[tuple[str, str]],
    body: Json,
    idempotency_key: str | None,
) -> Message:
    """Make the request of a rule's method.

    `path` are the segments as they came; `body` is what the body's JSON says, NO_BODY where there is none. Raises
    FieldsInvalid.
    """
    tree: dict[str, Json] = {}
    if body is not NO_BODY:
        _put_body(tree, rule, body)
    _put_query(tree, rule, contract.fields, query)
    _put_path(tree, rule, contract.fields, path)
    if idempotency_key:
        _put_request_id(tree, rule.method.input, contract.fields, idempotency_key)
    return _from_json(rule.method.input, tree, contract)


def _from_json(message: DescMessage, value: Json, contract: Contract) -> Message:
    problems = FieldProblems(contract.fields, contract.registry)
    if contradictions := list(problems.contradictions(message, value)):
        raise FieldsInvalid(*contradictions)
    try:
        return message_from_json_value(message.type, value, registry=contract.registry)
    except (ValueError, TypeError, OverflowError) as error:
        raise FieldsInvalid(*problems.all(message, value)) from error


def json_of(body: bytes) -> Json:
    """Read a body. Raises BodyInvalid."""
    try:
        if body.count(b"{") + body.count(b"[") > MOST_NESTING and _depth(body) > MOST_NESTING:
            raise BodyInvalid(problem=f"it is nested over {MOST_NESTING} deep")
        return json.loads(body.decode(), parse_constant=_no_json, object_pairs_hook=_object)
    except UnicodeDecodeError as error:
        raise BodyInvalid(problem="it is not UTF-8") from error
    except ValueError as error:
        raise BodyInvalid(problem=f"it is no JSON: {error}") from error


def _no_json(constant: str) -> NoReturn:
    """NaN and Infinity, which Python would read; protobuf has them as texts."""
    raise ValueError(f"{constant} is written in quotes")


def _object(members: list[tuple[str, Json]]) -> dict[str, Json]:
    """All members of an object; Python would take the last of those with the same name."""
    value = dict(members)
    if len(value) < len(members):
        names = [name for name, _ in members]
        raise ValueError(f"{next(name for name in names if names.count(name) > 1)!r} is there twice")
    return value


def _depth(body: bytes) -> int:
    """How deep objects and lists are nested; brackets inside of texts count for nothing."""
    depth = deepest = 0
    for token in re.finditer(rb'"(?:[^"\\]|\\.)*"|[\[{]|[\]}]', body, re.DOTALL):
        if token[0] in (b"[", b"{"):
            depth += 1
            deepest = max(deepest, depth)
        elif token[0] in (b"]", b"}"):
            depth -= 1
    return deepest


def _put_body(tree: dict[str, Json], rule: HttpRule, body: Json) -> None:
    if rule.body != WHOLE:
        tree[rule.body] = body
    elif isinstance(body, dict):
        tree.update(body)
    else:
        raise FieldsInvalid(("body", "must be a JSON object"))


def _put_query(tree: dict[str, Json], rule: HttpRule, fields: Fields, query: Iterable[tuple[str, str]]) -> None:
    texts: dict[str, list[str]] = {}
    for name, text in query:
        texts.setdefault(name, []).append(text)
    problems = []
    for name, values in texts.items():
        try:
            _put_parameter(tree, rule, fields, name, values)
        except _NotBindable as problem:
            problems.append((name, str(problem)))
    if problems:
        raise FieldsInvalid(*problems)


class _NotBindable(Exception):
    """A parameter that no field can be had from; the message says why."""


def _put_parameter(tree: dict[str, Json], rule: HttpRule, fields: Fields, name: str, values: Sequence[str]) -> None:
    if name.count(".") > MOST_NESTING:
        raise _NotBindable(f"is nested over {MOST_NESTING} deep")
    along = _fields_along(rule.method.input, fields, name.split("."))
    if rule.body == WHOLE:
        raise _NotBindable("belongs into the body; this method has no query parameters")
    if along[0].name == rule.body:
        raise _NotBindable("belongs into the body")
    names = tuple(field.name for field in along)
    if any(variable.field_path == names for variable in rule.template.variables):
        raise _NotBindable("is given by the path")
    field = along[-1]
    if isinstance(field.value, DescFieldValueList):
        value: Json = [_json_of_text(text, field.value.element) for text in values]
    elif len(values) > 1:
        raise _NotBindable("is given more than once")
    else:
        value = _json_of_text(values[0], _type_of(field))
    _put(tree, along, value)


def _fields_along(message: DescMessage, fields: Fields, names: Sequence[str]) -> Sequence[DescField]:
    along: list[DescField] = []
    within: DescMessage | None = message
    for name in names:
        field = None if within is None else fields.of(within).get(name)
        if field is None:
            raise _NotBindable("is no parameter of this method")
        along.append(field)
        within = message_of(field)
    return along


def _put_path(tree: dict[str, Json], rule: HttpRule, fields: Fields, path: Sequence[str]) -> None:
    """Path variables last: what else names their fields must agree."""
    for variable in rule.template.variables:
        name = ".".join(variable.field_path)
        along = _fields_along(rule.method.input, fields, variable.field_path)
        try:
            value = _json_of_text(variable.value(path), _type_of(along[-1]))
        except _NotBindable as problem:
            raise FieldsInvalid((name, str(problem))) from problem
        given = _taken(tree, along)
        if given is not None and str(given) != str(value):  # a number may be written as a text
            raise FieldsInvalid((name, "differs from the one in the path"))
        _put(tree, along, value)


def _put_request_id(tree: dict[str, Json], message: DescMessage, fields: Fields, key: str) -> None:
    """The header's value may be in quotes, as the IETF's draft has it, or bare, as most clients send it."""
    field = fields.of(message).get(REQUEST_ID)
    if field is None:
        return
    key = key.strip().strip('"')
    given = _taken(tree, [field])
    if given and given != key:
        raise FieldsInvalid((REQUEST_ID, "differs from the header Idempotency-Key"))
    tree[REQUEST_ID] = key


def _taken(tree: dict[str, Json], along: Sequence[DescField]) -> Json | None:
    """Take out what is at the last of these fields, under either of its names; None where nothing is."""
    *outer, last = along
    here: Json = tree
    for field in outer:
        here = next((here[name] for name in (field.name, field.json_name) if name in here), None)
        if not isinstance(here, dict):
            return None
    given = [here.pop(name) for name in dict.fromkeys((last.name, last.json_name)) if name in here]
    return given[0] if given else None


def _put(tree: dict[str, Json], along: Sequence[DescField], value: Json) -> None:
    *outer, last = along
    for field in outer:
        # Under the name that the body has it by, if it has it.
        inner = tree.setdefault(field.json_name if field.json_name in tree else field.name, {})
        if not isinstance(inner, dict):
            return  # the body has no object there: that is told when the message is made
        tree = inner
    tree[last.name] = value


def _type_of(field: DescField) -> ScalarType | DescEnum | DescMessage:
    match field.value:
        case DescFieldValueScalar(scalar=scalar):
            return scalar
        case DescFieldValueEnum(enum=enum):
            return enum
        case DescFieldValueMessage(message=message):
            return message
        case DescFieldValueList() | DescFieldValueMap():
            raise _NotBindable("is a list or a map")


def _json_of_text(text: str, kind: ScalarType | DescEnum | DescMessage) -> Json:
    """What a parameter's text would be in JSON; the rest is checked where the message is made from it."""
    match kind:
        case DescMessage():
            return _json_of_message_text(text, kind)
        case ScalarType.BOOL:
            return _BOOLEANS.get(text, text)
        case ScalarType.STRING | ScalarType.BYTES | ScalarType.DOUBLE | ScalarType.FLOAT:
            return text
        case _:  # whole numbers, and enums, which have names and numbers
            return int(text) if _WHOLE_NUMBER.fullmatch(text) else text


def _json_of_message_text(text: str, message: DescMessage) -> Json:
    """The same for those messages that are one text or number in JSON."""
    match message.type_name:
        case "google.protobuf.FieldMask":
            # In a query a mask may name fields as the contract does, as all other parameters may.
            return _UNDERSCORE.sub(lambda match: match[1].upper(), text)
        case "google.protobuf.Timestamp" | "google.protobuf.Duration":
            return text
        case name if _WRAPPER.fullmatch(name):
            return _json_of_text(text, _type_of(message.fields[0]))
        case _:
            raise _NotBindable("is a message; give its fields one by one, as in name.field=value")
