"""The contract of a target: its types, and the HTTP rules of its methods."""

from __future__ import annotations

from dataclasses import dataclass

from protobuf import DescService, Registry
from protobuf.wkt import FileDescriptorSet

from rest_server.contracts.fields import Fields
from rest_server.contracts.http_rules import HttpRule, RuleInvalid, full_name, rules_of
from rest_server.contracts.reflection import Description
from rest_server.contracts.visibility import is_restricted
from rest_server.logs import logger

log = logger(__name__)


@dataclass(frozen=True)
class Contract:
    target: str
    """HOST:PORT."""
    description: Description
    registry: Registry
    """All types in its files."""
    fields: Fields
    services: tuple[DescService, ...]
    """Those that are not restricted."""
    rules: tuple[HttpRule, ...]


def compiled(target: str, description: Description) -> Contract:
    """Return the contract in a server's description. Invalid rules are left out, with a warning in the log.

    Raises ValueError if the files contradict each other.
    """
    registry = FileDescriptorSet.from_binary(description.files).to_registry()
    found = {name: registry.service(name) for name in description.services}
    described = [service for service in found.values() if service is not None]
    services = tuple(service for service in described if not is_restricted(service))
    for name in (name for name, service in found.items() if service is None):
        log.warning("service listed and not described", target=target, service=name)
    rules: list[HttpRule] = []
    for method in (method for service in services for method in service.methods if not is_restricted(method)):
        for rule in rules_of(method):
            if isinstance(rule, RuleInvalid):
                log.warning("rule left out", target=target, method=full_name(method), problem=str(rule))
            else:
                rules.append(rule)
    return Contract(target, description, registry, Fields(), services, tuple(rules))
