"""The results of benchmarks: the speed of the product divided by that of a simpler program, measured in turns."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from benchmarks.callers import Round


@dataclass(frozen=True)
class Result:
    """A comparison with a yardstick."""

    name: str
    store: str
    measured: str
    """The product's work and its speed."""
    yardstick: str
    """The yardstick's work and its speed."""
    ratios: Sequence[float]
    """The product's speed divided by the yardstick's, for each pair; 1 means equally fast."""
    cpu_ratio: float | None = None
    """The same of the processor time that a call costs the server, where that was measured: other programs on the
    machine, and callers that are too slow, distort it less."""
    target: float | None = None
    """The target of the first ratio."""
    remarks: Sequence[str] = field(default_factory=tuple)

    @property
    def ratio(self) -> float:
        """The median pair."""
        return statistics.median(self.ratios)


def in_turns(
    product: Callable[[], Round], yardstick: Callable[[], Round], pairs: int
) -> tuple[list[Round], list[Round]]:
    """Measure both in turns, `pairs` times, after one pair to warm up."""
    rounds = [(product(), yardstick()) for _ in range(pairs + 1)][1:]
    return [pair[0] for pair in rounds], [pair[1] for pair in rounds]


def compared(
    name: str,
    store: str,
    product: tuple[str, Sequence[Round]],
    yardstick: tuple[str, Sequence[Round]],
    target: float | None = None,
) -> Result:
    """Return the result of rounds that were measured in turns."""
    (product_name, measured), (yardstick_name, against) = product, yardstick
    has_cpu = all(each.server_cpu_seconds for each in (*measured, *against))
    return Result(
        name,
        store,
        f"{product_name}: {_speed(measured, has_cpu)}",
        f"{yardstick_name}: {_speed(against, has_cpu)}",
        [mine.rate / other.rate for mine, other in zip(measured, against, strict=True)],
        statistics.median(other.cpu_micros / mine.cpu_micros for mine, other in zip(measured, against, strict=True))
        if has_cpu
        else None,
        target,
    )


def _speed(rounds: Sequence[Round], has_cpu: bool) -> str:
    speed = f"{statistics.median(each.rate for each in rounds):,.0f}/s"
    if has_cpu:
        speed += f", {statistics.median(each.cpu_micros for each in rounds):,.0f} µs"
    return speed
