"""What a long-running operation contains, if the contract of its method says so: google.longrunning.operation_info."""

from __future__ import annotations

from typing import Any

from protobuf import DescMessage, DescMethod, Registry

from rest_server.contracts.http_rules import field_named

OPERATION = "google.longrunning.Operation"

_OPTION = "google.longrunning.operation_info"


def operation_types(method: DescMethod, registry: Registry) -> dict[str, DescMessage]:
    """Return the types of an operation's `metadata` and `response`, by these names, as far as they are known."""
    extension = registry.extension(_OPTION)
    options: Any = method.proto.options
    if method.output.type_name != OPERATION or extension is None or options is None or extension.type not in options:
        return {}
    written = options[extension.type]
    found: dict[str, DescMessage] = {}
    for name in ("metadata", "response"):
        field = field_named(written.desc(), f"{name}_type")
        named = str(written[field]) if field is not None else ""
        # A name without a package is one of the method's own package.
        for full_name in (named, f"{method.parent.file.proto.package}.{named}"):
            if named and (message := registry.message(full_name)) is not None:
                found.setdefault(name, message)
    return found
