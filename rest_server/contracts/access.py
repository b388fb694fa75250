"""What callers need for a method, if the contract of a target says so.

It says so by an option of its methods: an extension of google.protobuf.MethodOptions that is called `access`, of a
message with an enum `role`. The first role after zero is that of callers without a token. The message can also have a
list `own` of messages with a `path`: the fields that name whose data a request is about, which callers with no more
than the role of the method set to what is their own. The target enforces this; here it is only described.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from protobuf import DescEnum, DescExtension, DescFieldValueEnum, DescFieldValueMessage, DescMethod, Registry

from rest_server.contracts.http_rules import field_named

METHOD_OPTIONS, OPTION, ROLE = "google.protobuf.MethodOptions", "access", "role"


@dataclass(frozen=True)
class Access:
    """What callers need for a method."""

    role: str
    """The least role, without the prefix of its enum: `LIBRARIAN`."""
    is_open: bool
    """Whether callers without a token have this role."""
    own: tuple[str, ...] = ()
    """Paths of the fields that callers with no more than this role set to what is their own."""


class AccessOptions:
    """The access options of a contract's methods."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._found = next(_options_in(registry), None)

    @property
    def is_there(self) -> bool:
        """Whether the contract has such an option."""
        return self._found is not None

    def of(self, method: DescMethod) -> Access | None:
        """Return what a method needs; None if its contract does not say."""
        options: Any = method.proto.options
        if self._found is None or options is None or self._found[0].type not in options:
            return None
        option, roles = self._found
        written = json.loads(options[option.type].to_json(registry=self._registry))
        role = written.get(ROLE)
        names = [value.name for value in sorted(roles.values, key=lambda value: value.number) if value.number]
        if role not in names:
            return None
        own = written.get("own")
        paths = [each.get("path") for each in own if isinstance(each, dict)] if isinstance(own, list) else []
        return Access(
            role.removeprefix(f"{roles.name.upper()}_"),
            role == names[0],
            tuple(path for path in paths if isinstance(path, str)),
        )


def _options_in(registry: Registry) -> Iterator[tuple[DescExtension, DescEnum]]:
    for found in registry:
        if not isinstance(found, DescExtension) or (found.name, found.extendee.type_name) != (OPTION, METHOD_OPTIONS):
            continue
        role = field_named(found.value.message, ROLE) if isinstance(found.value, DescFieldValueMessage) else None
        if role is not None and isinstance(role.value, DescFieldValueEnum):
            yield found, role.value.enum
