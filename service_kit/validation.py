"""Checks requests by the rules that the contract has at each field (protovalidate)."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterable
from typing import Any, TypeAlias, TypeVar

import protovalidate
import regex
from google.api.field_behavior_pb2 import REQUIRED, field_behavior
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message

from buf.validate import validate_pb2
from service_kit.errors import FieldInvalid
from service_kit.text.invisible import EMPTY_GLYPHS

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ufeff]")
_CONTROL_BUT_LAYOUT = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ufeff]")

# A character that is visible by itself. Not visible are blanks, characters without a glyph (U+200B, the Hangul fillers,
# tags, variation selectors), marks, which need a letter, and a few characters with an empty glyph that have no such
# property in Unicode: the Braille blank, the null notehead, blank hieroglyphs.
_VISIBLE = regex.compile(
    r"[^\p{White_Space}\p{Default_Ignorable_Code_Point}\p{M}\p{Cc}\p{Cf}\p{Cs}\p{Noncharacter_Code_Point}"
    rf"{EMPTY_GLYPHS}]"
)

Problem: TypeAlias = tuple[str, str]
"""A field's path, and what is wrong with it."""

_Text: TypeAlias = tuple[str, FieldDescriptor, str]
"""The path of a text, its field, and itself."""

Request = TypeVar("Request", bound=Message)

Rule: TypeAlias = Callable[[Any], object]
"""A rule of a method in addition to the contract's: it raises `FieldInvalid`, or returns."""

MULTI_LINE_FIELDS = frozenset({"description"})
"""Fields in which line breaks and tabs are part of the text."""


MOST_ITEMS = 1_000
"""More items than any list of the contract takes. The rules are tried on each item, which for a full message takes many
seconds."""


LONGEST_FAULTY = 300
"""The most characters of a text with a problem that further rules see."""


def check(request: Message) -> None:
    """Raise `FieldInvalid` with every problem that the contract's rules find.

    UUIDs in the request become lower case: case does not matter in what comes in (RFC 9562), and does in a store.
    """
    found = problems(request)
    if found:
        raise FieldInvalid(*found)
    _lower_uuids(request)


def problems(request: Message) -> list[Problem]:
    """Return the problems of a request by the rules of the contract."""
    too_long = _too_long_lists(request)
    if too_long:
        rest = type(request)()
        rest.CopyFrom(request)
        _clear_lists(rest, too_long)
        return joined(too_long, problems(rest))
    found = [(_path(violation), violation.proto.message) for violation in protovalidate.collect_violations(request)]
    texts = _texts(request)
    found += _unfit(texts)
    without_content = _without_content(texts)
    return joined(found, without_content) if without_content else found


def problems_by(rules: Iterable[Rule], request: Message) -> list[Problem]:
    """Return the problems of a request by these rules."""
    found: list[Problem] = []
    for rule in rules:
        try:
            rule(request)
        except FieldInvalid as error:
            found = joined(found, error.problems)
    return found


def joined(first: list[Problem], others: Iterable[Problem]) -> list[Problem]:
    """Add the other problems of fields that have none yet: an empty e-mail address is not also malformed."""
    named = {field for field, _ in first}
    return first + [(field, problem) for field, problem in others if not named.intersection(_with_parents(field))]


def shortened(request: Request, faulty: Iterable[Problem]) -> Request:
    """Return a copy of a request in which texts with a problem are cut, as they can be of any length."""
    copy = type(request)()
    copy.CopyFrom(request)
    fields = request.DESCRIPTOR.fields_by_name
    for name, _ in faulty:
        if name in fields and isinstance(text := getattr(copy, name), str):
            setattr(copy, name, text[:LONGEST_FAULTY])
    return copy


def is_visible(text: str) -> bool:
    """Return whether a text has a character that shows something."""
    # The first character of most texts decides, without the cost of the general expression.
    return "!" <= text[:1] <= "~" or _VISIBLE.search(text) is not None


def _with_parents(field: str) -> list[str]:
    """Return the path of a field, and those of the list and the messages that it is in."""
    parts = field.split(".")
    paths = [".".join(parts[: count + 1]) for count in range(len(parts))]
    return paths + [path.partition("[")[0] for path in paths if "[" in path]


def _clear_lists(message: Message, too_long: Iterable[Problem]) -> None:
    for path, _ in too_long:
        *parents, name = path.split(".")
        functools.reduce(getattr, parents, message).ClearField(name)


def _too_long_lists(message: Message, prefix: str = "") -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    for field, value in message.ListFields():
        if field.is_repeated:
            if len(value) > MOST_ITEMS:
                found.append((prefix + field.name, f"must have at most {MOST_ITEMS} items"))
        elif isinstance(value, Message):
            found += _too_long_lists(value, f"{prefix}{field.name}.")
    return found


def _lower_uuids(message: Message) -> None:
    for name in _uuid_fields(message.DESCRIPTOR):
        text: str = getattr(message, name)
        if not text.islower():
            setattr(message, name, text.lower())
    for field, value in message.ListFields():
        if isinstance(value, Message) and _uuid_fields(field.message_type):
            _lower_uuids(value)


@functools.cache
def _uuid_fields(message: Descriptor) -> tuple[str, ...]:
    """Return the fields of a message that are UUIDs by the rules of the contract."""
    rules = {field.name: field.GetOptions().Extensions[validate_pb2.field] for field in message.fields}
    return tuple(name for name, rule in rules.items() if rule.string.uuid)


@functools.cache
def _is_required(field: FieldDescriptor) -> bool:
    """Return whether the contract asks for a text here, or for a text in each item of this list."""
    options = field.GetOptions()
    rules = options.Extensions[validate_pb2.field]
    has_least_length = rules.string.min_len > 0 or rules.repeated.items.string.min_len > 0
    return REQUIRED in options.Extensions[field_behavior] or has_least_length  # type: ignore[index]


def _path(violation: protovalidate.Violation) -> str:
    path = ""
    if violation.proto.field is None:
        return path
    for element in violation.proto.field.elements:
        path += ("." if path else "") + element.field_name
        if element.subscript is not None and element.subscript.field == "index":
            path += f"[{element.subscript.value}]"
    return path


def text_problems(message: Message, prefix: str) -> list[Problem]:
    """Return the problems of the texts of one item of a list of messages, whose path begins with `prefix`.

    `problems` does not read the texts of such lists: the sync sends rows in them, which have their own checks.
    """
    texts = _texts(message, prefix)
    return joined(_unfit(texts), _without_content(texts))


def unfit_characters(message: Message) -> list[Problem]:
    """Find texts with control characters, which no rule of the contract mentions because they are unfit in any field.

    They have no place in a name, and forge lines in logs and terminals.
    """
    return _unfit(_texts(message))


def _unfit(texts: Iterable[_Text]) -> list[Problem]:
    found: list[Problem] = []
    for path, field, text in texts:
        pattern = _CONTROL_BUT_LAYOUT if field.name in MULTI_LINE_FIELDS else _CONTROL
        if pattern.search(text):
            found.append((path, "must not contain control characters"))
    return found


def _without_content(texts: Iterable[_Text]) -> list[Problem]:
    """Find texts in which there is nothing to see: blank ones where a text is required, invisible ones anywhere.

    An optional text that is blank counts as empty.
    """
    found: list[Problem] = []
    for path, field, text in texts:
        if text and not is_visible(text):
            if not text.isspace():
                found.append((path, "must have a visible character"))
            elif _is_required(field):
                found.append((path, "must not be blank"))
    return found


def _texts(message: Message, prefix: str = "") -> list[_Text]:
    """List the texts of a message and of the messages in it."""
    found: list[_Text] = []
    for field, value in message.ListFields():
        if field.type == FieldDescriptor.TYPE_STRING:
            if isinstance(value, str):
                found.append((prefix + field.name, field, value))
            else:
                found += [(f"{prefix}{field.name}[{index}]", field, text) for index, text in enumerate(value)]
        elif isinstance(value, Message):
            found += _texts(value, f"{prefix}{field.name}.")
    return found
