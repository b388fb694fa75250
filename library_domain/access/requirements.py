"""What each method needs of its callers: its option `library.access.v1.access` in the contract."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from google.protobuf.descriptor import MethodDescriptor

from library.access.v1 import access_pb2
from library.access.v1.access_pb2 import ROLE_LIBRARIAN, OwnKind, Role

OF_OTHERS: Mapping[str, Role.ValueType] = {"google.longrunning.Operations": ROLE_LIBRARIAN}
"""The roles for services whose contracts are not the library's, and so have no option. Operations are imports."""


class RequirementMissing(Exception):
    """A method has no requirement, so nobody knows who may call it. The server does not start."""


@dataclass(frozen=True, slots=True)
class OwnPath:
    """A field of a request that a patron may only set to what is the patron's own."""

    path: tuple[str, ...]
    kind: OwnKind.ValueType


@dataclass(frozen=True, slots=True)
class Requirement:
    """What a method needs."""

    role: Role.ValueType
    own: tuple[OwnPath, ...] = ()
    own_mask_paths: frozenset[str] = frozenset()
    """What a patron may name in `update_mask`."""


def requirement_of(method: MethodDescriptor) -> Requirement:
    """Return what a method needs. Raises `RequirementMissing`."""
    access = method.GetOptions().Extensions[access_pb2.access]
    if not access.role and (role := OF_OTHERS.get(method.containing_service.full_name)):
        return Requirement(role)
    if not access.role:
        raise RequirementMissing(f"{method.full_name} has no option (library.access.v1.access), or one without a role")
    own = tuple(OwnPath(tuple(field.path.split(".")), field.kind) for field in access.own)
    return Requirement(access.role, own, frozenset(access.own_paths))
