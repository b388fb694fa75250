"""What a benchmark finds: how fast the product is as a part of how fast something simpler is, measured in turns."""

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
    """What the product did, and how fast."""
    yardstick: str
    """What it is compared with, and how fast that was."""
    ratios: Sequence[float]
    """The product's speed as a part of the yardstick's, pair by pair; 1 is as fast."""
    cpu_ratio: float | None = None
    """The same of the processor time that a call costs the server, where that was measured: other programs on the
    machine, and callers that are too slow, distort it less."""
    target: float | None = None
    """What the first ratio should reach."""
    remarks: Sequence[str] = field(default_factory=tuple)

    @property
    def ratio(self) -> float:
        """The median pair."""
        return statistics.median(self.ratios)


def in_turns(
    product: Callable[[], Round], yardstick: Callable[[], Round], pairs: int
) -> tuple[list[Round], list[Round]]:
    """Measure one after the other, so often; a first pair to warm up does not count."""
    rounds = [(product(), yardstick()) for _ in range(pairs + 1)][1:]
    return [pair[0] for pair in rounds], [pair[1] for pair in rounds]


def compared(
    name: str,
    store: str,
    product: tuple[str, Sequence[Round]],
    yardstick: tuple[str, Sequence[Round]],
    target: float | None = None,
) -> Result:
    """Sum up rounds that were measured in turns."""
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
