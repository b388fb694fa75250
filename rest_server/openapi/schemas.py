"""Messages and enums as JSON Schemas, by protobuf's mapping to JSON.

Answers and requests differ: an answer has every field without presence; a request can omit what its rules allow.

Each value has one plain type, as generators of clients make one type of it. Further forms that the server accepts are
not described: 64-bit integers as numbers, for example, and `NaN` as a string.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from enum import Enum

from protobuf import (
    DescEnum,
    DescField,
    DescFieldValue,
    DescFieldValueEnum,
    DescFieldValueList,
    DescFieldValueMap,
    DescFieldValueMessage,
    DescFieldValueScalar,
    DescMessage,
    Registry,
    ScalarType,
)

from rest_server.openapi.comments import needs_one_of, text_of
from rest_server.openapi.field_rules import (
    INPUT_ONLY,
    INTEGERS_64,
    REQUIRED,
    FieldRules,
    Schema,
    is_wrapper,
)


class Use(Enum):
    """Where a value is; its form depends on it."""

    ANSWER = "answer"
    REQUEST = "input"
    PARAMETER = "parameter"
    """In the path or the query, where numbers need no quotes."""


_RANGES: Mapping[ScalarType, tuple[int, int]] = {
    **dict.fromkeys((ScalarType.INT32, ScalarType.SINT32, ScalarType.SFIXED32), (-(2**31), 2**31 - 1)),
    **dict.fromkeys((ScalarType.UINT32, ScalarType.FIXED32), (0, 2**32 - 1)),
    **dict.fromkeys((ScalarType.INT64, ScalarType.SINT64, ScalarType.SFIXED64), (-(2**63), 2**63 - 1)),
    **dict.fromkeys((ScalarType.UINT64, ScalarType.FIXED64), (0, 2**64 - 1)),
}

_BASE64 = "^([A-Za-z0-9+/]{4})*([A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$"
_DURATION = "^-?[0-9]{1,12}(\\.[0-9]{1,9})?s$"

_WELL_KNOWN: Mapping[str, Schema] = {
    "google.protobuf.Timestamp": {"type": "string", "format": "date-time"},
    "google.protobuf.Duration": {"type": "string", "pattern": _DURATION, "examples": ["3.5s"]},
    "google.protobuf.FieldMask": {"type": "string", "pattern": "^[^_]*$", "examples": ["name,home.zipCode"]},
    "google.protobuf.Struct": {"type": "object"},
    "google.protobuf.ListValue": {"type": "array"},
    "google.protobuf.Value": {},
    "google.protobuf.Any": {
        "type": "object",
        "properties": {"@type": {"type": "string"}},
        "additionalProperties": True,
    },
}
_WELL_KNOWN_IN: Mapping[tuple[str, Use], Schema] = {
    # There, a mask can have the contract's names, too.
    ("google.protobuf.FieldMask", Use.PARAMETER): {"pattern": "^([^_]|_[a-z])*$"},
}
_TEXTS = ("google.protobuf.Timestamp", "google.protobuf.Duration", "google.protobuf.FieldMask")

# protobuf-py's numbers for DescField.presence.
_IMPLICIT, _LEGACY_REQUIRED = 2, 3


class Schemas:
    """The schemas of one contract. `components` has those that were requested and those that they refer to."""

    def __init__(self, registry: Registry, ordinal: int) -> None:
        """`ordinal` distinguishes this contract's types from those of others in the document."""
        self.registry = registry
        self.rules = FieldRules(registry)
        self.components: dict[str, Schema] = {}
        self._ordinal = ordinal

    def message(self, message: DescMessage, use: Use, without: Collection[tuple[str, ...]] = ()) -> Schema:
        """Return the schema of a message: a reference, unless protobuf's JSON has a special form for it.

        Fields at the paths in `without` are left out.
        """
        if is_wrapper(message):
            return self.value(message.fields[0].value, use)
        if message.type_name in _WELL_KNOWN:
            return {**_WELL_KNOWN[message.type_name], **_WELL_KNOWN_IN.get((message.type_name, use), {})}
        key = self._key(message, use, without)
        if key not in self.components:
            self.components[key] = {}  # for messages that contain themselves
            self.components[key] = self._object(message, use, without)
        return {"$ref": key}

    def _object(self, message: DescMessage, use: Use, without: Collection[tuple[str, ...]]) -> Schema:
        """Return the schema of a message's fields, without those at the paths in `without`."""
        fields = [field for field in message.fields if (field.name,) not in without]
        schema: Schema = {"type": "object"}
        paragraphs = [text_of(message), *(_at_most_one(oneof.fields) for oneof in message.oneofs)]
        if text := "\n\n".join(filter(None, paragraphs)):
            schema["description"] = text
        if required := [field.json_name for field in fields if self._is_required(field, use)]:
            schema["required"] = required
        properties: Schema = {}
        for field in fields:
            below = [path[1:] for path in without if path[0] == field.name]
            properties[field.json_name] = self.field(field, use, below)
        schema |= {"properties": properties, "additionalProperties": False}
        if message.proto.extension_range:
            schema["patternProperties"] = {"^\\[.+\\]$": {}}
        return schema

    def field(self, field: DescField, use: Use, without: Collection[tuple[str, ...]] = ()) -> Schema:
        """Return the schema of a field with its comment and annotations."""
        if without and isinstance(field.value, DescFieldValueMessage):
            schema = self.message(field.value.message, use, without)
        else:
            schema = self.value(field.value, use)
        if use is not Use.ANSWER:
            schema = self.rules.constrain(schema, field)
        if text := text_of(field):
            schema["description"] = text
        if use is not Use.ANSWER and self.rules.is_read_only(field):
            schema["readOnly"] = True
        if use is Use.REQUEST and INPUT_ONLY in self.rules.behaviors(field):
            schema["writeOnly"] = True
        if field.deprecated:
            schema["deprecated"] = True
        return schema

    def value(self, value: DescFieldValue | DescMessage | DescEnum | ScalarType, use: Use) -> Schema:
        """Return the schema of a value."""
        match value:
            case DescFieldValueList(element=element):
                return {"type": "array", "items": self.value(element, use)}
            case DescFieldValueMap(key=key, value=element):
                names = {} if key is ScalarType.STRING else {"propertyNames": _key_in_json(key)}
                return {"type": "object", "additionalProperties": self.value(element, use), **names}
            case DescFieldValueMessage(message=message):
                return self.message(message, use)
            case DescFieldValueEnum(enum=enum):
                return self._enum(enum)
            case DescFieldValueScalar(scalar=scalar):
                return _scalar(scalar, use)
            case DescMessage():
                return self.message(value, use)
            case DescEnum():
                return self._enum(value)
        return _scalar(value, use)

    def is_required(self, field: DescField) -> bool:
        """Return whether a request must have the field."""
        if self.rules.is_read_only(field):
            return False
        if (
            REQUIRED in self.rules.behaviors(field)
            or self.rules.is_set_always(field)
            or field.presence == _LEGACY_REQUIRED
        ):
            return True
        return field.presence == _IMPLICIT and self.rules.refuse_zero(field)

    def is_any_required(self, message: DescMessage, without: Collection[str]) -> bool:
        """Return whether a request needs one of its fields, apart from those in `without`, which it has already."""
        fields = [field for field in message.fields if field.name not in without]
        needed = needs_one_of(message)
        is_one_missing = bool(needed) and not any(name in without for name in needed)
        return is_one_missing or any(self.is_required(field) for field in fields)

    def _is_required(self, field: DescField, use: Use) -> bool:
        if use is Use.ANSWER:
            return field.presence in (_IMPLICIT, _LEGACY_REQUIRED)
        return self.is_required(field)

    def _enum(self, enum: DescEnum) -> Schema:
        if enum.type_name == "google.protobuf.NullValue":
            return {"type": "null"}
        key = self._key(enum, Use.ANSWER)
        if key not in self.components:
            names = [value.json_name or value.name for value in enum.values]
            texts = [f"- `{name}`: {text_of(value)}" for name, value in zip(names, enum.values, strict=True)]
            paragraphs = [text_of(enum), "\n".join(text for text in texts if not text.endswith(": "))]
            schema: Schema = {"type": "string", "enum": names}
            if description := "\n\n".join(paragraph for paragraph in paragraphs if paragraph):
                schema["description"] = description
            self.components[key] = schema
        return {"$ref": key}

    def _key(self, described: DescMessage | DescEnum, use: Use, without: Collection[tuple[str, ...]] = ()) -> str:
        used = "-".join(
            [
                Use.ANSWER.value if use is Use.ANSWER else Use.REQUEST.value,
                *sorted(".".join(path) for path in without),
            ]
        )
        return f"{described.type_name} {used} {self._ordinal}"


def names_of(paths: Iterable[tuple[str, ...]]) -> frozenset[str]:
    """Return the names of the fields of a request that `paths` contain as a whole, not only a part of."""
    return frozenset(path[0] for path in paths if len(path) == 1)


def fits_a_parameter(field: DescField) -> bool:
    """Whether a value of the field, or of its elements, is a piece of text."""
    match field.value:
        case DescFieldValueList(element=DescMessage() as message) | DescFieldValueMessage(message=message):
            return is_wrapper(message) or message.type_name in _TEXTS
    return not isinstance(field.value, DescFieldValueMap)


def _scalar(scalar: ScalarType, use: Use) -> Schema:
    match scalar:
        case ScalarType.BOOL:
            return {"type": "boolean"}
        case ScalarType.STRING:
            return {"type": "string"}
        case ScalarType.BYTES:
            return {"type": "string", "contentEncoding": "base64", "pattern": _BASE64}
        case ScalarType.FLOAT | ScalarType.DOUBLE:
            return {"type": "number", "format": scalar.name.lower()}
    low, high = _RANGES[scalar]
    form = {"format": f"{'int' if low else 'uint'}{high.bit_length() + bool(low)}"}
    if scalar in INTEGERS_64 and use is not Use.PARAMETER:
        return {"type": "string", **form}
    # Signed types have their bounds in the format only: Swagger UI would take a minimum for a sample.
    limits = {} if low or use is Use.ANSWER else {"minimum": 0}
    return {"type": "integer", **form, **limits}


def _key_in_json(key: ScalarType) -> Schema:
    if key is ScalarType.BOOL:
        return {"enum": ["true", "false"]}
    return {"pattern": "^-?[0-9]+$" if _RANGES[key][0] else "^[0-9]+$"}


def _at_most_one(fields: Sequence[DescField]) -> str:
    """Describe a oneof in words, as a schema would have a type for each of its fields."""
    names = [f"`{field.json_name}`" for field in fields]
    return f"At most one of {', '.join(names[:-1])} and {names[-1]} is set." if len(names) > 1 else ""
