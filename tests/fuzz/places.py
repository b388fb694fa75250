"""How odd a request is: calm throughout, calm but for one place, or wild throughout."""

from __future__ import annotations

import random
from collections.abc import Callable
from enum import Enum
from typing import Any, TypeVar

from google.api.field_behavior_pb2 import OUTPUT_ONLY, field_behavior
from google.protobuf.descriptor import Descriptor, FieldDescriptor

Made = TypeVar("Made")


class Mode(Enum):
    """What a request is made of."""

    CALM = "calm"
    """Good values only, so that the call gets far and others have something to work with."""
    ONE_ODD = "one odd"
    """Good values, and one that is at or beyond its bounds: it gets past the checks of all others."""
    WILD = "wild"
    """Any value may be odd."""


def any_mode(chance: random.Random) -> Mode:
    """Pick a mode."""
    return chance.choices([Mode.CALM, Mode.ONE_ODD, Mode.WILD], weights=[40, 40, 20])[0]


class Places:
    """Counts the places of a request that could be odd, and decides for each whether it is."""

    def __init__(self, target: int | None) -> None:
        """`target` is the number of the odd place; None makes all calm."""
        self.count = 0
        self._target = target

    def is_odd(self, weight: int = 1) -> bool:
        """Count a place, `weight` times, and return whether it is to be odd."""
        begin = self.count
        self.count += weight
        return self._target is not None and begin <= self._target < self.count


def with_one_odd(chance: random.Random, make: Callable[[random.Random, Places], Made]) -> Made:
    """Make something twice from the same random numbers: to count its places, and with one of them odd."""
    state = chance.getrandbits(64)
    counting = Places(None)
    made = make(random.Random(state), counting)
    return make(random.Random(state), Places(chance.randrange(counting.count))) if counting.count else made


def changeable(message: Descriptor) -> list[str]:
    """Return the fields of the resource of an update that its mask may name; none for other requests."""
    if "update_mask" not in message.fields_by_name:
        return []
    for field in message.fields:
        resource = field.message_type
        if resource is not None and resource.full_name != "google.protobuf.FieldMask":
            return [one.name for one in resource.fields if OUTPUT_ONLY not in _behaviors(one) and one.name != "etag"]
    return []


def _behaviors(field: FieldDescriptor) -> Any:
    extension: Any = field_behavior
    return field.GetOptions().Extensions[extension]
