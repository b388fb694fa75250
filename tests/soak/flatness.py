"""What "flat" means: over a time without kills, the last third is like the middle third.

The first third is left out: a process that has just started loads modules, opens connections and fills its caches. The
median of each other third is taken, so that no single peak decides. The last one may be above the middle one by a tenth
and a fixed amount, for the allocator, a pool's last threads and the rows that came in meanwhile.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import median

from tests.soak.sampling import Sample

FEWEST_SAMPLES = 15
"""In all; with fewer, no trend is judged."""

SLACK = {"memory": 16.0, "files": 24.0, "threads": 8.0, "log": 48.0}
"""By quantity, in MB or in numbers. PostgreSQL's log goes in steps of 16 MB. The stores are left out: they fill."""

SHARE = 0.1


@dataclass(frozen=True)
class Trend:
    """How one quantity of one process or store went."""

    life: str
    quantity: str
    samples: int
    middle: float
    last: float
    highest: float

    @property
    def is_judged(self) -> bool:
        """Whether there are enough samples."""
        return self.samples >= FEWEST_SAMPLES

    @property
    def limit(self) -> float:
        """The most that the median of the last third may be."""
        return self.middle * (1 + SHARE) + SLACK[self.quantity]

    @property
    def is_flat(self) -> bool:
        """Whether it stayed as it was."""
        return self.last <= self.limit

    def __str__(self) -> str:
        judgement = "too short to judge" if not self.is_judged else "flat" if self.is_flat else "RISES"
        return (
            f"{self.life:<16} {self.quantity:<8} {self.samples:>5} {self.middle:>9.1f} {self.last:>9.1f} "
            f"{self.limit:>9.1f} {self.highest:>9.1f}  {judgement}"
        )


def trends(samples: Iterable[Sample], since: float, until: float) -> list[Trend]:
    """How each quantity of each process and store went between two moments."""
    series: dict[tuple[str, str], list[float]] = defaultdict(list)
    for sample in samples:
        if since <= sample.at <= until:
            for quantity, value in sample.values.items():
                series[sample.life, quantity].append(value)
    return [trend(life, quantity, values) for (life, quantity), values in sorted(series.items()) if quantity in SLACK]


def trend(life: str, quantity: str, values: Sequence[float]) -> Trend:
    """How a quantity went, from its values in order."""
    third = max(len(values) // 3, 1)
    middle, last = values[third : 2 * third] or values, values[-third:]
    return Trend(life, quantity, len(values), median(middle), median(last), max(values))
