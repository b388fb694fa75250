"""Names for schemas: a type's full name, unless the document has several forms of the type."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from rest_server.openapi.field_rules import Schema


def named(components: Mapping[str, Schema]) -> dict[str, str]:
    """Give each schema its name in the document; those that say the same have the same.

    Keys are `TYPE USE CONTRACT`, and in the schemas each `$ref` is such a key. The first form of a type has the type's
    name, answers first; a further one for requests ends in `-input`, any other in a number.
    """
    classes = _classes(components)
    names: dict[int, str] = {}
    for key in sorted(components, key=lambda key: (int(key.split()[2]), key.split()[1])):
        if classes[key] in names:
            continue
        type_name, use, _ = key.split()
        forms = [type_name, *([f"{type_name}-input"] if use == "input" else [])]
        forms += [f"{type_name}-{number}" for number in range(2, len(classes) + 2)]
        names[classes[key]] = next(name for name in forms if name not in names.values())
    return {key: names[classes[key]] for key in components}


def with_references(value: Any, names: Mapping[str, str]) -> Any:
    """Copy a part of the document, with the names in place of the keys."""
    if isinstance(value, list):
        return [with_references(item, names) for item in value]
    if not isinstance(value, dict):
        return value
    copied = {keyword: with_references(item, names) for keyword, item in value.items()}
    if isinstance(reference := value.get("$ref"), str) and reference in names:
        copied["$ref"] = f"#/components/schemas/{names[reference]}"
    return copied


def _classes(components: Mapping[str, Schema]) -> dict[str, int]:
    """Number the schemas so that two have one number if they say the same, and so do all that they refer to.

    All of a type begin as one class, and are told apart by what they say, then by the classes that they refer to, and
    so on until nothing more is told apart. So messages that hold themselves are no trouble.
    """
    classes = _numbered({key: key.split()[0] for key in components})
    while True:
        told = {key: f"{classes[key]} {json.dumps(_in_classes(schema, classes))}" for key, schema in components.items()}
        finer = _numbered(told)
        if len(set(finer.values())) == len(set(classes.values())):
            return classes
        classes = finer


def _in_classes(schema: Schema, classes: Mapping[str, int]) -> Any:
    return with_references(schema, {key: str(number) for key, number in classes.items()})


def _numbered(signatures: Mapping[str, str]) -> dict[str, int]:
    numbers: dict[str, int] = {}
    return {key: numbers.setdefault(signature, len(numbers)) for key, signature in signatures.items()}
