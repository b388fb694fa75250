"""What a contract says of a field's values: google.api.field_behavior, and buf.validate as JSON Schema has it.

Generators of clients make one type of each schema, so each schema is one plain type: there is no `anyOf`, no list of
types, and no `pattern` next to a `format`. A rule that this form cannot express (CEL, lengths in bytes, times, a range
with a hole) is left out. Where the rules ignore a zero value, the schema describes the values that are worth sending:
leaving the field out means the same as its zero value.
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

# Numbers that google/api/field_behavior.proto and buf/validate/validate.proto have given out.
REQUIRED, OUTPUT_ONLY, INPUT_ONLY = 2, 3, 4
_IF_ZERO_VALUE, _ALWAYS = 1, 3

INTEGERS_64 = frozenset(
    {ScalarType.INT64, ScalarType.SINT64, ScalarType.SFIXED64, ScalarType.UINT64, ScalarType.FIXED64}
)
"""Strings in JSON, as not every reader's numbers hold them."""

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
"""What RE2, of buf.validate, has and ECMA 262, of JSON Schema, has not or otherwise."""


class FieldRules:
    """Reads the annotations of a contract's fields, where the contract has them."""

    def __init__(self, registry: Registry) -> None:
        """The annotations are found by their names, so their files need not be known here."""
        self._behavior = registry.extension("google.api.field_behavior")
        self._rules = registry.extension("buf.validate.field")

    def behaviors(self, field: DescField) -> frozenset[int]:
        """The numbers of a field's google.api.field_behavior."""
        options: Any = field.proto.options
        if self._behavior is None or options is None or self._behavior.type not in options:
            return frozenset()
        return frozenset(map(int, options[self._behavior.type]))

    def is_read_only(self, field: DescField) -> bool:
        """Whether answers have the field, and requests have no say in it."""
        return OUTPUT_ONLY in self.behaviors(field)

    def is_set_always(self, field: DescField) -> bool:
        """Whether the rules want a field that tells unset from zero to be set."""
        rules = self._of(field)
        return rules is not None and bool(_given(rules, "required"))

    def refuse_zero(self, field: DescField) -> bool:
        """Whether the rules refuse the field's zero value, and so, without presence, its absence."""
        rules = self._of(field)
        if rules is None or _given(rules, "ignore") in (_IF_ZERO_VALUE, _ALWAYS):
            return False
        return self.is_set_always(field) or _refuse_any(_constraints(rules, field.value), _zeros(field.value))

    def constrain(self, schema: Schema, field: DescField) -> Schema:
        """Return the schema of a field's values with what the rules say of them."""
        rules = self._of(field)
        if rules is None or _given(rules, "ignore") == _ALWAYS:
            return schema
        return _merged(schema, _constraints(rules, field.value))

    def _of(self, field: DescField) -> Message | None:
        options: Any = field.proto.options
        if self._rules is None or options is None or self._rules.type not in options:
            return None
        rules: Message = options[self._rules.type]
        return rules


def _given(message: Message, name: str) -> Any:
    """The value of a field that is set; None where it is not, or where the version of the rules has no such field."""
    field = next((field for field in message.desc().fields if field.name == name), None)
    return message[field] if field is not None and field in message else None


def _constraints(rules: Message, value: Any) -> Schema:
    """Say in JSON Schema what rules (buf.validate.FieldRules) say."""
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
    """The scalar type or the enum of a field's value, or of an element, or of what a wrapper wraps; None for others."""
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
    """Whether it is one of google/protobuf/wrappers.proto, which in JSON is what it wraps."""
    return message.file.name == "google/protobuf/wrappers.proto"


def _of_string(rules: Message) -> Schema:
    found: Schema = {}
    for keyword, names in (
        ("minLength", ("min_len", "len")),
        ("maxLength", ("max_len", "len", "max_bytes", "len_bytes")),
    ):
        lengths = [length for name in names if (length := _given(rules, name)) is not None]
        if lengths:
            found[keyword] = int(min(lengths))
    patterns = [
        pattern
        for name, form in (("pattern", "{}"), ("prefix", "^{}"), ("suffix", "{}$"), ("contains", "{}"))
        if (text := _given(rules, name)) is not None
        and not (name == "pattern" and _NO_ECMA.search(text))
        and (pattern := form.format(text if name == "pattern" else _escaped(text)))
    ]
    formats = [schema for name, schema in _FORMATS.items() if _given(rules, name)]
    if formats:
        # A generator turns the format into a type of its own, whose values no pattern can be applied to.
        found |= formats[0]
    elif patterns:
        found["pattern"] = patterns[0]
    return found | _chosen(rules, lambda one: [one])


def _escaped(text: str) -> str:
    """Escape for ECMA 262, which has fewer escapes than Python makes."""
    return re.sub(r"[\\^$.*+?()\[\]{}|/]", r"\\\g<0>", text)


def _of_number(rules: Message, *, is_whole: bool) -> Schema:
    bounds = {
        "minimum": _given(rules, "gte"),
        "exclusiveMinimum": _given(rules, "gt"),
        "maximum": _given(rules, "lte"),
        "exclusiveMaximum": _given(rules, "lt"),
    }
    found = {keyword: bound for keyword, bound in bounds.items() if bound is not None}
    if is_whole:
        # OpenAPI 3.0 has other words for exclusive bounds, and tools that were made for it stumble over these.
        found = dict(_inclusive(keyword, bound) for keyword, bound in found.items())
    lower = [bound for keyword, bound in found.items() if keyword.lower().endswith("minimum")]
    upper = [bound for keyword, bound in found.items() if keyword.lower().endswith("maximum")]
    if lower and upper and lower[0] > upper[0]:
        return {}  # the rules' way to say: outside of both
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
    of_items = _given(rules, "items")
    return found | ({"items": _constraints(of_items, value.element)} if of_items is not None else {})


def _of_map(rules: Message, value: DescFieldValueMap) -> Schema:
    found = _sizes(rules, ("minProperties", "min_pairs"), ("maxProperties", "max_pairs"))
    of_keys, of_values = _given(rules, "keys"), _given(rules, "values")
    if of_keys is not None and value.key is ScalarType.STRING:
        found["propertyNames"] = _constraints(of_keys, value.key)
    if of_values is not None:
        found["additionalProperties"] = _constraints(of_values, value.value)
    return found


def _sizes(rules: Message, *keywords: tuple[str, str]) -> Schema:
    return {keyword: given for keyword, name in keywords if (given := _given(rules, name)) is not None}


def _chosen(rules: Message, forms: Any) -> Schema:
    """`const`, `in` and `not_in`; `forms` gives the forms in JSON of a value."""
    found: Schema = {}
    constant, allowed, refused = (_given(rules, name) for name in ("const", "in", "not_in"))
    if constant is not None or allowed:
        found["enum"] = [form for one in ([constant] if constant is not None else allowed) for form in forms(one)]
    if refused:
        found["not"] = {"enum": [form for one in refused for form in forms(one)]}
    return found


def _zeros(value: Any) -> Sequence[Any]:
    """The forms in JSON of what is there when nothing is set."""
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
    """Whether a constraint refuses what is there when nothing is set."""
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
    """Add constraints to a schema, those on elements to that of its elements."""
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
    """Of the two forms that a 64-bit integer has in JSON, keep the one that the schema describes."""
    if "type" not in schema:
        return list(values)
    return [value for value in values if isinstance(value, str) == (schema["type"] == "string")]
