"""Names of schemas: short names of types, with a suffix for further forms of a type."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any

from rest_server.openapi.field_rules import Schema


def named(components: Mapping[str, Schema]) -> dict[str, str]:
    """Return the name of each schema in the document. Equal schemas have one name.

    Keys are `TYPE USE CONTRACT`, and in the schemas each `$ref` is such a key. A schema has the short name of its type;
    if another type has that name already, words of its package come first. The first form of a type has the
    type's name: answers first, then requests in the order of the rules, so that a further rule of a method does not
    rename the form of its first one. A further form for requests ends in `-input`, any other in a number.
    """
    classes = _classes(components)
    types = _short_names(sorted({(int(key.split()[2]), key.split()[0]) for key in components}, key=_own_first))
    names: dict[int, str] = {}
    for key in sorted(components, key=_precedence):
        if classes[key] in names:
            continue
        type_name, use, _ = key.split()
        name = types[type_name]
        forms = [name, *([f"{name}-input"] if use.startswith("input") else [])]
        forms += [f"{name}-{number}" for number in range(2, len(classes) + 2)]
        names[classes[key]] = next(name for name in forms if name not in names.values())
    return {key: names[classes[key]] for key in components}


def _own_first(described: tuple[int, str]) -> tuple[int, bool, str]:
    """Return what orders types that choose names: a contract's own come before Google's, such as google.rpc.Status."""
    contract, type_name = described
    return contract, type_name.startswith("google."), type_name


def _precedence(key: str) -> tuple[int, int]:
    """Return what orders the forms of a type: its contract, then answers, whole requests and parts of them."""
    _, use, contract = key.split()
    return int(contract), ["answer", "input", use].index(use)


def _short_names(types: Iterable[tuple[int, str]]) -> dict[str, str]:
    """Choose a name for each type, `library.admin.v1.Status`: `Status`, `AdminStatus`, or all of it.

    `types` are the types' full names with the numbers of their contracts. Earlier ones choose first. No type has the
    name of a class that generated Java needs.
    """
    names: dict[str, str] = {}
    for _, type_name in types:
        *package, own = [word for word in type_name.split(".") if not _VERSION.fullmatch(word)]
        words = [word[:1].upper() + word[1:] for word in package]
        forms = [own, *("".join([*words[start:], own]) for start in range(len(words) - 1, -1, -1)), type_name]
        forms.append(f"{own}-2")  # for a type without a package
        if type_name not in names:
            free = (form for form in forms if form not in names.values())
            names[type_name] = next(form for form in free if not _OF_JAVA.fullmatch(form))
    return names


_VERSION = re.compile(r"v\d+\w*")

_OF_JAVA = re.compile(
    "Arrays|BigDecimal|Date|DateTime|Duration|Exception|HashMap|IllegalArgumentException|Integer|InterruptedException|"
    "JsonProperty|LocalDateTime|Map|Objects|Override|Set|String|StringBuilder|Thread|Throwable|Timestamp|URI|UUID"
)
"""Classes that openapi-generator's Java uses by these names: with a schema of such a name it does not compile."""


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
    """Number the schemas: two have one number if they are equal, and so are all that they refer to.

    All of a type begin as one class. Classes are split by content, then by the classes that they refer to, until
    nothing changes. So messages can contain themselves.
    """
    classes = _numbered({key: key.split()[0] for key in components})
    while True:
        contents = {
            key: f"{classes[key]} {json.dumps(_in_classes(schema, classes))}" for key, schema in components.items()
        }
        finer = _numbered(contents)
        if len(set(finer.values())) == len(set(classes.values())):
            return classes
        classes = finer


def _in_classes(schema: Schema, classes: Mapping[str, int]) -> Any:
    return with_references(schema, {key: str(number) for key, number in classes.items()})


def _numbered(signatures: Mapping[str, str]) -> dict[str, int]:
    numbers: dict[str, int] = {}
    return {key: numbers.setdefault(signature, len(numbers)) for key, signature in signatures.items()}
