"""Write a method's request message from path variables, query parameters, body and Idempotency-Key."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager

from protobuf import (
    DescEnum,
    DescField,
    DescFieldValueEnum,
    DescFieldValueList,
    DescFieldValueMap,
    DescFieldValueMessage,
    DescFieldValueScalar,
    DescMessage,
    ScalarType,
    message_from_json_value,
)

from rest_server.contracts.contract import Contract
from rest_server.contracts.fields import Fields
from rest_server.contracts.http_rules import WHOLE, HttpRule, field_named, full_name, message_of
from rest_server.contracts.path_templates import Variable
from rest_server.errors import BodyInvalid, FieldsInvalid, IdempotencyKeyUnusable
from rest_server.field_problems import FieldProblems, is_plain
from rest_server.guards.json_bodies import MOST_NESTING, Json
from rest_server.spelling import IDEMPOTENCY_KEY, REQUEST_ID

NO_BODY = object()
"""A body that is missing, which differs from the body `null`."""

_WRAPPER = re.compile(r"google\.protobuf\.(?:Double|Float|U?Int(?:32|64)|Bool|String|Bytes)Value")
_UNDERSCORE = re.compile("_([a-z])")
_UUID = re.compile("[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_SAFE_VERBS = ("GET", "HEAD", "OPTIONS")  # RFC 9110, 9.2.1
_BOOLEANS = {"true": True, "false": False}
_WHOLE_NUMBER = re.compile("-?[0-9]{1,20}")


def serialized_request(
    rule: HttpRule,
    contract: Contract,
    path: Sequence[str],
    query: Iterable[tuple[str, str]],
    body: Json,
    idempotency_key: str | None,
) -> bytes:
    """Return the serialized request of a rule's method.

    `path` has the percent-encoded segments; `body` is the value of the body's JSON, or NO_BODY.

    Raises:
        FieldsInvalid: With all problems of all parts.
        BodyInvalid: The messages in the body are nested too deep.
        IdempotencyKeyUnusable: The method cannot use the key.
    """
    tree: dict[str, Json] = {}
    if body is not NO_BODY:
        _put_body(tree, rule, body)
    message, fields = rule.method.input, contract.fields
    found: dict[str, str] = {}
    with _collecting(found):
        _put_query(tree, rule, fields, query)
    for variable in rule.template.variables:
        with _collecting(found):
            _put_path(tree, message, fields, variable, path)
    if idempotency_key is not None:
        with _collecting(found):
            _put_request_id(tree, request_id_field(rule), idempotency_key)
    with _collecting(found):
        made = _serialized(message, tree, contract)
        if not found:
            return made
    raise FieldsInvalid(*found.items())


@contextmanager
def _collecting(found: dict[str, str]) -> Iterator[None]:
    """Add the problems that are raised to `found`, except for fields that have a problem already."""
    try:
        yield
    except FieldsInvalid as error:
        for field, problem in error.problems:
            found.setdefault(field, problem)


def _serialized(message: DescMessage, value: Json, contract: Contract) -> bytes:
    problems = FieldProblems(contract.fields, contract.registry)
    contradictions = problems.contradictions(message, value)
    try:
        made = message_from_json_value(message.type, value, registry=contract.registry)
    except RecursionError as error:  # google.protobuf.Value has several messages for one list
        raise BodyInvalid(problem="its messages are nested too deep") from error
    except (ValueError, TypeError, OverflowError) as error:
        raise FieldsInvalid(*contradictions, *problems.misfits(message, value)) from error
    if contradictions:
        raise FieldsInvalid(*contradictions)
    try:
        return made.to_binary()
    except ValueError as error:
        raise FieldsInvalid(*problems.missing(message, value)) from error


def _put_body(tree: dict[str, Json], rule: HttpRule, body: Json) -> None:
    if rule.body != WHOLE:
        tree[rule.body] = body
    elif isinstance(body, dict):
        tree.update(body)
    else:
        raise FieldsInvalid(("body", "must be a JSON object"))


def _put_query(tree: dict[str, Json], rule: HttpRule, fields: Fields, query: Iterable[tuple[str, str]]) -> None:
    # By field, as a query can have both names of one field.
    texts: dict[Sequence[DescField], list[str]] = {}
    names: dict[Sequence[DescField], str] = {}
    problems: dict[str, str] = {}
    for name, text in query:
        try:
            along = _parameter(rule, fields, name)
        except _NotBindable as problem:
            problems[name] = str(problem)
        else:
            texts.setdefault(along, []).append(text)
            names.setdefault(along, name)
    for along, values in texts.items():
        try:
            _put(tree, along, _json_of_texts(values, along[-1]))
        except _NotBindable as problem:
            problems[names[along]] = str(problem)
    if problems:
        raise FieldsInvalid(*problems.items())


class _NotBindable(Exception):
    """A parameter cannot be the value of a field; the message has the reason."""


def _parameter(rule: HttpRule, fields: Fields, name: str) -> Sequence[DescField]:
    if name.count(".") > MOST_NESTING:
        raise _NotBindable(f"is nested more than {MOST_NESTING} levels deep")
    along = _fields_along(rule.method.input, fields, name.split("."))
    if rule.body == WHOLE:
        raise _NotBindable("must be in the body; this method has no query parameters")
    if along[0].name == rule.body:
        raise _NotBindable("must be in the body")
    names = tuple(field.name for field in along)
    if any(variable.field_path == names for variable in rule.template.variables):
        raise _NotBindable("is set by the path")
    return along


def _json_of_texts(texts: Sequence[str], field: DescField) -> Json:
    if isinstance(field.value, DescFieldValueList):
        return [_json_of_text(text, field.value.element) for text in texts]
    if len(texts) > 1:
        raise _NotBindable("is sent more than once")
    return _json_of_text(texts[0], _type_of(field))


def _fields_along(message: DescMessage, fields: Fields, names: Sequence[str]) -> tuple[DescField, ...]:
    along: list[DescField] = []
    within: DescMessage | None = message
    for name in names:
        field = None if within is None else fields.of(within).get(name)
        if field is None:
            raise _NotBindable("is not a parameter of this method")
        along.append(field)
        within = message_of(field)
        if within is not None and not is_plain(within):
            within = None  # its JSON is not an object of its fields
    return tuple(along)


def _put_path(
    tree: dict[str, Json], message: DescMessage, fields: Fields, variable: Variable, path: Sequence[str]
) -> None:
    """Set the field of a path variable. Its value in the body or the query, if any, must be the same."""
    name = ".".join(variable.field_path)
    try:
        along = _fields_along(message, fields, variable.field_path)
        value = _json_of_text(variable.value(path), _type_of(along[-1]))
    except _NotBindable as problem:
        raise FieldsInvalid((name, str(problem))) from problem
    others = _pop(tree, along)
    if any(str(other) != str(value) for other in others):  # a number can be a string in JSON
        raise FieldsInvalid((name, "differs from the one in the path"))
    _put(tree, along, value)


def request_id_field(rule: HttpRule) -> DescField:
    """Return the field that the header Idempotency-Key sets. Raises IdempotencyKeyUnusable."""
    field = field_named(rule.method.input, REQUEST_ID)
    name = full_name(rule.method)
    if rule.method.method_kind != "unary":
        raise IdempotencyKeyUnusable(method=name, problem="it is a stream")
    if rule.verb in _SAFE_VERBS:
        raise IdempotencyKeyUnusable(method=name, problem="it changes nothing, so it can be sent again without one")
    if field is None or not _is_text(field):
        raise IdempotencyKeyUnusable(method=name, problem=f"its request has no text field {REQUEST_ID}")
    if any(variable.field_path == (REQUEST_ID,) for variable in rule.template.variables):
        raise IdempotencyKeyUnusable(method=name, problem=f"{REQUEST_ID} is in its path")
    return field


def _is_text(field: DescField) -> bool:
    return isinstance(field.value, DescFieldValueScalar) and field.value.scalar is ScalarType.STRING


def _put_request_id(tree: dict[str, Json], field: DescField, key: str) -> None:
    """Set the request id. The header can be in quotes, as in the IETF's draft, or without, as most clients send it."""
    key = key.strip().strip('"')
    if not key:
        raise FieldsInvalid((IDEMPOTENCY_KEY, "is empty; leave it out, or make it a UUID"))
    if not all(other == "" or _is_same_key(other, key) for other in _pop(tree, [field])):
        raise FieldsInvalid((REQUEST_ID, "differs from the header Idempotency-Key"))
    tree[REQUEST_ID] = key


def _is_same_key(other: Json, key: str) -> bool:
    """Compare two keys. UUIDs are the same in either case (RFC 9562), other keys need not be."""
    is_uuid = _UUID.fullmatch(key) is not None
    return bool(other == key or (is_uuid and isinstance(other, str) and other.lower() == key.lower()))


def _pop(tree: dict[str, Json], along: Sequence[DescField]) -> Sequence[Json]:
    """Remove the last of these fields, each the parent of the next, and return its values, which are not null."""
    *outer, last = along
    here: Json = tree
    for field in outer:
        here = next((here[name] for name in (field.name, field.json_name) if name in here), None)
        if not isinstance(here, dict):
            return []
    values = [here.pop(name, None) for name in dict.fromkeys((last.name, last.json_name))]
    return [value for value in values if value is not None]


def _put(tree: dict[str, Json], along: Sequence[DescField], value: Json) -> None:
    *outer, last = along
    for field in outer:
        # Under the name that the body has for it, if any.
        name = field.json_name if field.json_name in tree else field.name
        if tree.get(name) is None:
            tree[name] = {}
        if not isinstance(tree[name], dict):
            return  # the body has another value there; the parser reports it
        tree = tree[name]
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
    """Return the JSON of a parameter's text. The parser of the message checks it."""
    match kind:
        case DescMessage():
            return _json_of_message_text(text, kind)
        case ScalarType.BOOL:
            return _BOOLEANS.get(text, text)
        case ScalarType.STRING | ScalarType.BYTES | ScalarType.DOUBLE | ScalarType.FLOAT:
            return text
        case _:  # integers, and enums, which have names and numbers
            return int(text) if _WHOLE_NUMBER.fullmatch(text) else text


def _json_of_message_text(text: str, message: DescMessage) -> Json:
    """Return the JSON of a parameter's text for a message that is one string or number in JSON."""
    match message.type_name:
        case "google.protobuf.FieldMask":
            # In a query, a mask can have the contract's names, like other parameters.
            return _UNDERSCORE.sub(lambda match: match[1].upper(), text)
        case "google.protobuf.Timestamp" | "google.protobuf.Duration":
            return text
        case name if _WRAPPER.fullmatch(name):
            return _json_of_text(text, _type_of(message.fields[0]))
        case _:
            raise _NotBindable("is a message; send its fields one by one, as in name.field=value")
