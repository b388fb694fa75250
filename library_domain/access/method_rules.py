"""What the guard checks at each method, read once from the contract."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from google.protobuf.descriptor import MethodDescriptor, ServiceDescriptor

from library.access.v1.access_pb2 import ROLE_ADMIN, ROLE_GUEST, ROLE_SERVICE, Role
from library_domain.access.desk import DeskFields
from library_domain.access.own import OwnFields
from library_domain.access.requirements import RequirementMissing, requirement_of


@dataclass(frozen=True, slots=True)
class MethodRule:
    """What the guard checks at a method."""

    role: Role.ValueType
    scopes: frozenset[str]
    """The scopes of API tokens that include the method."""
    own: OwnFields | None = None
    desk: DeskFields | None = None
    looks_at_requests: bool = False
    """Whether a request can be refused, or changed, because of what it says."""

    @property
    def is_for_guests(self) -> bool:
        """Whether it needs no token."""
        return self.role == ROLE_GUEST


def rules_of(services: Iterable[ServiceDescriptor]) -> dict[str, MethodRule]:
    """Return the rules of the methods of some services, by names as in `package.Service/Method`.

    Raises:
        RequirementMissing: A method lacks the option, or its option does not fit its request.
    """
    return {
        f"{service.full_name}/{method.name}": rule_of(service, method)
        for service in services
        for method in service.methods
    }


def rule_of(service: ServiceDescriptor, method: MethodDescriptor) -> MethodRule:
    """Return the rule of a method. Raises `RequirementMissing`."""
    requirement = requirement_of(method)
    if not ROLE_GUEST <= requirement.role <= ROLE_SERVICE:
        raise RequirementMissing(f"{method.full_name} needs the unknown role {requirement.role}")
    scopes = frozenset({service.full_name, method.full_name, f"{service.full_name}/{method.name}"})
    desk = DeskFields(method.input_type) if DeskFields.are_in(method.input_type) else None
    own = OwnFields(requirement, method.input_type) if requirement.own or requirement.own_mask_paths else None
    if method.client_streaming and (own or desk):
        raise RequirementMissing(f"{method.full_name} takes a stream, whose messages no guard checks")
    if requirement.role > ROLE_ADMIN and (own or desk):
        raise RequirementMissing(f"{method.full_name} is for the other service, which has nothing of its own")
    return MethodRule(requirement.role, scopes, own, desk, looks_at_requests=bool(own or desk))
