"""What a patron may name in a request: only what is the patron's own. Pure, but for the question whose a loan is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.field_mask_pb2 import FieldMask

from library.access.v1.access_pb2 import OWN_KIND_LOAN, OWN_KIND_USER
from library_domain.access.errors import NotYourOwn
from library_domain.access.requirements import OwnPath, Requirement, RequirementMissing
from service_kit.ids import UUID

MASK = "update_mask"
ETAG = "etag"
"""The field of a resource by which an update names a version."""

OwnerOfLoan = Callable[[str], str | None]


@dataclass(frozen=True, slots=True)
class _MaskedResource:
    """The resource of an update, of which a patron may change some fields."""

    parents: tuple[str, ...]
    kept: frozenset[str]
    """The fields that are not cleared: those that the patron may change, and those that name the resource."""


class OwnFields:
    """The fields of a method's requests by which patrons are limited to their own."""

    def __init__(self, requirement: Requirement, request: Descriptor) -> None:
        """Take what a method needs, and the type of its requests.

        Raises:
            RequirementMissing: The option of the method does not fit its request.
        """
        self._fields = requirement.own
        self._mask_paths = requirement.own_mask_paths
        for own in self._fields:
            _check(own, request)
        self._resource = _masked_resource(requirement, request) if self._mask_paths else None

    def limit(self, request: Any, user_id: str, owner_of_loan: OwnerOfLoan) -> None:
        """Refuse a request of a patron that names anything of somebody else, and set the patron where it names nobody.

        Raises:
            NotYourOwn: It names another user, or a loan that is not the patron's, or does not exist: the answer is the
                same, so that nobody can find out which loans exist.
        """
        for own in self._fields:
            parent = _descend(request, own.path[:-1])
            _limit_field(parent, own, user_id, owner_of_loan)
        if self._resource is not None:
            self._limit_mask(request, self._resource)

    def _limit_mask(self, request: Any, masked: _MaskedResource) -> None:
        mask: FieldMask = request.update_mask
        if not self._mask_paths.issuperset(mask.paths):
            raise NotYourOwn(field=MASK)
        resource = _descend(request, masked.parents)
        # Without a mask an update changes what is set, so what a patron may not change must not be set.
        for field, _ in resource.ListFields():
            if field.name not in masked.kept:
                resource.ClearField(field.name)
        if not mask.paths:
            mask.paths.extend(sorted(self._mask_paths.intersection(field.name for field, _ in resource.ListFields())))


def _limit_field(parent: Any, own: OwnPath, user_id: str, owner_of_loan: OwnerOfLoan) -> None:
    name = own.path[-1]
    value: str = getattr(parent, name)
    if own.kind == OWN_KIND_USER:
        is_own = not value or value.lower() == user_id
    else:
        is_own = UUID.fullmatch(value) is not None and owner_of_loan(value.lower()) == user_id
    if not is_own or not user_id:
        raise NotYourOwn(field=".".join(own.path))
    if own.kind == OWN_KIND_USER:
        setattr(parent, name, user_id)


def _descend(message: Any, path: tuple[str, ...]) -> Any:
    for name in path:
        message = getattr(message, name)
    return message


def _masked_resource(requirement: Requirement, request: Descriptor) -> _MaskedResource:
    if MASK not in request.fields_by_name or len({own.path[:-1] for own in requirement.own}) != 1:
        raise RequirementMissing(f"{request.full_name}: own_paths need a field {MASK} and a resource with an own field")
    parents = requirement.own[0].path[:-1]
    kept = requirement.own_mask_paths | {own.path[-1] for own in requirement.own} | {ETAG}
    resource: Any = request
    for name in parents:
        resource = resource.fields_by_name[name].message_type
    unknown = requirement.own_mask_paths - set(resource.fields_by_name)
    if unknown:
        raise RequirementMissing(f"{resource.full_name} has no fields {sorted(unknown)}, which own_paths name")
    return _MaskedResource(parents, frozenset(kept))


def _check(own: OwnPath, request: Descriptor) -> None:
    """Raise `RequirementMissing` unless the path leads to a text through messages, each of which there is one."""
    if own.kind not in (OWN_KIND_USER, OWN_KIND_LOAN):
        raise RequirementMissing(f"{request.full_name}: the kind {own.kind} of {'.'.join(own.path)} is unknown")
    message: Any = request
    field: FieldDescriptor | None = None
    for name in own.path:
        field = message.fields_by_name.get(name) if message else None
        if field is None or field.is_repeated:
            raise RequirementMissing(f"{request.full_name} has no field {'.'.join(own.path)}, which is to be one's own")
        message = field.message_type  # None for a field that is not a message
    if field is None or field.type != FieldDescriptor.TYPE_STRING:
        raise RequirementMissing(f"{request.full_name}: {'.'.join(own.path)} is not a text")
