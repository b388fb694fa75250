"""What a test of request ids needs of a method."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass
class Case:
    """A call of a changing method."""

    request: Any
    """Acceptable, without a request id."""
    other: Any
    """Another request of the method, acceptable as well."""
    change: Callable[[Any], object]
    """Takes the answer, and changes what it was about by other calls."""
    count: Callable[[Any], int]
    """Takes the answer; returns how often the request was done."""
