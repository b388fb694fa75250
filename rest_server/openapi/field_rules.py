"""Annotations of fields as JSON Schema: google.api.field_behavior, and the rules of buf.validate.

Generators of clients make one type of each schema, so each schema is one plain type: there is no `anyOf`, no list of
types, and no `pattern` next to a `format`. A rule that this form cannot express (CEL, lengths in bytes, times, a range
with a hole) is left out. If the rules ignore the zero value, the schema is of the other values, as leaving the field
out means the same as its zero value.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

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
    Oneof,
    Registry,
    ScalarType,
)

Schema = dict[str, Any]

# Numbers of google/api/field_behavior.proto and buf/validate/validate.proto.
REQUIRED, OUTPUT_ONLY, INPUT_ONLY = 2, 3, 4
_IF_ZERO_VALUE, _ALWAYS = 1, 3

INTEGERS_64 = frozenset(
    {ScalarType.INT64, ScalarType.SINT64, ScalarType.SFIXED64, ScalarType.UINT64, ScalarType.FIXED64}
)
"""Strings in JSON, as numbers of some readers have fewer bits."""

_FORMATS: Mapping[str, Schema] = {
    "email": {"format": "email"},
    "hostname": {"format": "hostname"},
    "ipv4": {"format": "ipv4"},
    "ipv6": {"format": "ipv6"},
    "uri": {"format": "uri"},
    "uri_ref": {"format": "uri-reference"},
    "uuid": {"format": "uuid"},
    "tuuid": {"pattern": "^[0-9a-fA-F]{32}$"},
}
_BOUNDS = ("minimum", "exclusiveMinimum", "maximum", "exclusiveMaximum")

_NO_ECMA = re.compile(r"\(\?[^:]|\\[AzQEpPC]|\[\[:")
"""Syntax of RE2 (buf.validate) that ECMA 262 (JSON Schema) lacks or reads in another way."""


class FieldRules:
    """The annotations of a contract's fields, if it has any."""

    def __init__(self, registry: Registry) -> None:
        """Extensions are found by name, so their files need not be installed."""
        self._behavior = registry.extension("google.api.field_behavior")
        self._rules = registry.extension("buf.validate.field")

    def behaviors(self, field: DescField) -> frozenset[int]:
        """Return the numbers of a field's google.api.field_behavior."""
        options: Any = field.proto.options
        if self._behavior is None or options is None or self._behavior.type not in options:
            return frozenset()
        return frozenset(map(int, options[self._behavior.type]))

    def is_read_only(self, field: DescField) -> bool:
        """Return whether the field is in answers only."""
        return OUTPUT_ONLY in self.behaviors(field)

    def is_set_always(self, field: DescField) -> bool:
        """Return whether the rules require a field with presence."""
        rules = self._of(field)
        return rules is not None and bool(_value_of(rules, "required"))

    def refuse_zero(self, field: DescField) -> bool:
        """Return whether the rules refuse the field's zero value, and so its absence if it has no presence."""
        rules = self._of(field)
        if rules is None or _value_of(rules, "ignore") in (_IF_ZERO_VALUE, _ALWAYS):
            return False
        return self.is_set_always(field) or _refuse_any(_constraints(rules, field.value), _zeros(field.value))

    def constrain(self, schema: Schema, field: DescField) -> Schema:
        """Return the schema of a field with the constraints of its rules."""
        rules = self._of(field)
        if rules is None or _value_of(rules, "ignore") == _ALWAYS:
            return schema
        return _merged(schema, _constraints(rules, field.value))

    def _of(self, field: DescField) -> Message | None:
        options: Any = field.proto.options
        if self._rules is None or options is None or self._rules.type not in options:
            return None
        rules: Message = options[self._rules.type]
        return rules


def _value_of(message: Message, name: str) -> Any:
    """Return the value of a field that is set; None if it is not, or if this version of the rules lacks it."""
    field = next((field for field in message.desc().fields if field.name == name), None)
    return message[field] if field is not None and field in message else None


def _constraints(rules: Message, value: Any) -> Schema:
    """Return rules (buf.validate.FieldRules) as JSON Schema."""
    match getattr(rules, "type", None):
        case Oneof(field="string", value=typed):
            return _of_string(typed)
        case Oneof(field="repeated", value=typed) if isinstance(value, DescFieldValueList):
            return _of_list(typed, value)
        case Oneof(field="map", value=typed) if isinstance(value, DescFieldValueMap):
            return _of_map(typed, value)
        case Oneof(field="enum", value=typed):
            return _of_enum(typed, _element(value))
        case Oneof(field="bool", value=typed):
            return _chosen(typed, lambda one: [one])
        case Oneof(field="bytes" | "any" | "duration" | "timestamp" | "field_mask"):
            return {}
        case Oneof(value=typed):
            element = _element(value)
            is_whole = element not in (ScalarType.FLOAT, ScalarType.DOUBLE)
            is_text = element in INTEGERS_64
            return _of_number(typed, is_whole=is_whole) | _chosen(
                typed, lambda one: [one, str(one)] if is_text else [one]
            )
    return {}


def _element(value: Any) -> Any:
    """Return the scalar type or enum of a value, an element or a wrapper's value; None for others."""
    match value:
        case DescEnum() | ScalarType():
            return value
        case DescFieldValueScalar(scalar=scalar):
            return scalar
        case DescFieldValueEnum(enum=enum):
            return enum
        case DescFieldValueMessage(message=message) if is_wrapper(message):
            return _element(message.fields[0].value)
        case DescMessage() if is_wrapper(value):
            return _element(value.fields[0].value)
    return None


def is_wrapper(message: DescMessage) -> bool:
    """Return whether a message is one of google/protobuf/wrappers.proto, which is its value in JSON."""
    return message.file.name == "google/protobuf/wrappers.proto"


def _of_string(rules: Message) -> Schema:
    found: Schema = {}
    for keyword, names in (
        ("minLength", ("min_len", "len")),
        ("maxLength", ("max_len", "len", "max_bytes", "len_bytes")),
    ):
        lengths = [length for name in names if (length := _value_of(rules, name)) is not None]
        if lengths:
            found[keyword] = int(min(lengths))
    patterns = [
        pattern
        for name, form in (("pattern", "{}"), ("prefix", "^{}"), ("suffix", "{}$"), ("contains", "{}"))
        if (text := _value_of(rules, name)) is not None
        and not (name == "pattern" and _NO_ECMA.search(text))
        and (pattern := form.format(text if name == "pattern" else _escaped(text)))
    ]
    formats = [schema for name, schema in _FORMATS.items() if _value_of(rules, name)]
    if formats:
        # Generators make a type of a format, and a pattern cannot be applied to its values.
        found |= formats[0]
    elif patterns:
        found["pattern"] = patterns[0]
    return found | _chosen(rules, lambda one: [one])


def _escaped(text: str) -> str:
    """Escape for ECMA 262, which does not allow all escapes of `re.escape`."""
    return re.sub(r"[\\^$.*+?()\[\]{}|/]", r"\\\g<0>", text)


def _of_number(rules: Message, *, is_whole: bool) -> Schema:
    bounds = {
        "minimum": _value_of(rules, "gte"),
        "exclusiveMinimum": _value_of(rules, "gt"),
        "maximum": _value_of(rules, "lte"),
        "exclusiveMaximum": _value_of(rules, "lt"),
    }
    found = {keyword: bound for keyword, bound in bounds.items() if bound is not None}
    if is_whole:
        # OpenAPI 3.0 writes exclusive bounds in another way, and some tools read only that.
        found = dict(_inclusive(keyword, bound) for keyword, bound in found.items())
    lower = [bound for keyword, bound in found.items() if keyword.lower().endswith("minimum")]
    upper = [bound for keyword, bound in found.items() if keyword.lower().endswith("maximum")]
    if lower and upper and lower[0] > upper[0]:
        return {}  # values outside of both bounds
    return found


def _inclusive(keyword: str, bound: int) -> tuple[str, int]:
    match keyword:
        case "exclusiveMinimum":
            return "minimum", bound + 1
        case "exclusiveMaximum":
            return "maximum", bound - 1
    return keyword, bound


def _of_enum(rules: Message, enum: Any) -> Schema:
    if not isinstance(enum, DescEnum):
        return {}
    names = {value.number: value.json_name or value.name for value in enum.values}
    return _chosen(rules, lambda one: [names[one]] if one in names else [])


def _of_list(rules: Message, value: DescFieldValueList) -> Schema:
    found = _sizes(rules, ("minItems", "min_items"), ("maxItems", "max_items"), ("uniqueItems", "unique"))
    of_items = _value_of(rules, "items")
    return found | ({"items": _constraints(of_items, value.element)} if of_items is not None else {})


def _of_map(rules: Message, value: DescFieldValueMap) -> Schema:
    found = _sizes(rules, ("minProperties", "min_pairs"), ("maxProperties", "max_pairs"))
    of_keys, of_values = _value_of(rules, "keys"), _value_of(rules, "values")
    if of_keys is not None and value.key is ScalarType.STRING:
        found["propertyNames"] = _constraints(of_keys, value.key)
    if of_values is not None:
        found["additionalProperties"] = _constraints(of_values, value.value)
    return found


def _sizes(rules: Message, *keywords: tuple[str, str]) -> Schema:
    return {keyword: value for keyword, name in keywords if (value := _value_of(rules, name)) is not None}


def _chosen(rules: Message, forms: Any) -> Schema:
    """Return `const`, `in` and `not_in` as JSON Schema; `forms` returns the JSON forms of a value."""
    found: Schema = {}
    constant, allowed, refused = (_value_of(rules, name) for name in ("const", "in", "not_in"))
    if constant is not None or allowed:
        found["enum"] = [form for one in ([constant] if constant is not None else allowed) for form in forms(one)]
    if refused:
        found["not"] = {"enum": [form for one in refused for form in forms(one)]}
    return found


def _zeros(value: Any) -> Sequence[Any]:
    """Return the JSON forms of the value when nothing is set."""
    match value:
        case DescFieldValueList():
            return [[]]
        case DescFieldValueMap():
            return [{}]
    match _element(value):
        case DescEnum() as enum:
            return [value.json_name or value.name for value in enum.values if value.number == 0]
        case ScalarType.STRING:
            return [""]
        case ScalarType.BOOL:
            return [False]
        case scalar:
            return [0, "0"] if scalar in INTEGERS_64 else [0]


def _refuse_any(constraints: Schema, zeros: Sequence[Any]) -> bool:
    return any(_refuses(keyword, constraint, zeros) for keyword, constraint in constraints.items())


def _refuses(keyword: str, constraint: Any, zeros: Sequence[Any]) -> bool:
    """Return whether a constraint refuses the value when nothing is set."""
    match keyword:
        case "enum":
            return not any(zero in constraint for zero in zeros)
        case "not":
            return any(zero in constraint["enum"] for zero in zeros)
    return keyword in _REFUSES_ZERO and _REFUSES_ZERO[keyword](constraint)


def _finds_in_nothing(pattern: str) -> bool:
    try:
        return re.search(pattern, "") is not None
    except re.error:
        return False


_REFUSES_ZERO: Mapping[str, Callable[[Any], bool]] = {
    **dict.fromkeys(("minLength", "minItems", "minProperties", "minimum"), lambda least: bool(least > 0)),
    "exclusiveMinimum": lambda below: bool(below >= 0),
    "maximum": lambda most: bool(most < 0),
    "exclusiveMaximum": lambda above: bool(above <= 0),
    "format": lambda name: bool(name != "uri-reference"),
    "pattern": lambda pattern: not _finds_in_nothing(pattern),
}


def _merged(schema: Schema, constraints: Schema) -> Schema:
    """Add constraints to a schema; those for elements to the schema of its elements."""
    merged = dict(schema)
    for keyword, constraint in constraints.items():
        if keyword in ("items", "additionalProperties", "propertyNames") and isinstance(merged.get(keyword), dict):
            merged[keyword] = _merged(merged[keyword], constraint)
        elif keyword == "enum":
            own: Sequence[Any] = merged.get("enum") or constraint
            merged["enum"] = _of_the_type(merged, [name for name in own if name in constraint])
        elif keyword == "not":
            merged["not"] = {"enum": _of_the_type(merged, constraint["enum"])}
        elif constraint != {} and not (keyword in _BOUNDS and merged.get("type") == "string"):
            merged[keyword] = constraint
    return merged


def _of_the_type(schema: Schema, values: Sequence[Any]) -> list[Any]:
    """Of the two JSON forms of a 64-bit integer, keep the one of the schema."""
    if "type" not in schema:
        return list(values)
    return [value for value in values if isinstance(value, str) == (schema["type"] == "string")]
