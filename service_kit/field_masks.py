"""Field masks of updates (AIP-134)."""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import TypeVar

from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.message import Message

from service_kit.validation import Problem

Resource = TypeVar("Resource", bound=Message)


def masked_fields(resource: Message, mask: FieldMask, changeable: Collection[str]) -> tuple[list[str], list[Problem]]:
    """Return the fields that an update changes, and the problems of its `update_mask`.

    They are the fields of the mask; for the mask `*` all changeable ones; without a mask those that are set.
    """
    if list(mask.paths) == ["*"]:
        return list(changeable), []
    if not mask.paths:
        return [field.name for field, _ in resource.ListFields() if field.name in changeable], []
    known, kind = resource.DESCRIPTOR.fields_by_name, re.sub("(?<!^)(?=[A-Z])", " ", resource.DESCRIPTOR.name).lower()
    problems = [
        ("update_mask", f"{path} is read-only" if path in known else f"a {kind} has no field {path[:40]}")
        for path in mask.paths
        if path not in changeable
    ]
    return [path for path in dict.fromkeys(mask.paths) if path in changeable], problems


def picked(resource: Resource, fields: Collection[str]) -> Resource:
    """Return a message with these fields of a resource."""
    chosen = type(resource)()
    chosen.CopyFrom(resource)
    for field in resource.DESCRIPTOR.fields:
        if field.name not in fields:
            chosen.ClearField(field.name)
    return chosen


def updated(stored: Resource, resource: Resource, fields: Collection[str]) -> Resource:
    """Return the stored message with these fields of a resource. Those that are not set in the resource are cleared."""
    result = picked(stored, [field.name for field in stored.DESCRIPTOR.fields if field.name not in fields])
    result.MergeFrom(picked(resource, fields))
    return result
