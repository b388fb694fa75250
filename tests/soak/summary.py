"""The table that a soak prints at its end."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from tests.soak.flatness import Trend
from tests.soak.records import Records


def summary(
    title: str, records: Records, kills: Sequence[tuple[float, str]], trends: Sequence[Trend], found: Sequence[str]
) -> str:
    """All that is worth knowing of a soak, as text."""
    borrowed = sum(count for method, count in records.acknowledged.items() if method.endswith("/BorrowBook"))
    killed = ", ".join(f"{name} {count}" for name, count in sorted(Counter(name for _, name in kills).items()))
    lines = [
        f"=== {title} ===",
        f"{records.calls()} calls; killed: {killed or 'nothing'}; borrowings acknowledged: {borrowed}",
        *found,
        "",
        *_methods(records),
        "",
        "longest wait by kind of call:",
        *(
            f"  {way:<24} {records.ways[way]:>7} calls, at most {seconds:6.2f} s ({method})"
            for way, (seconds, method) in sorted(records.longest.items())
        ),
        "",
        "reasons of refusals: " + ", ".join(f"{reason} {count}" for reason, count in sorted(records.reasons.items())),
        "",
        "while nothing was killed, the medians of the middle third and of the last one:",
        f"{'':<16} {'':<8} {'count':>5} {'middle':>9} {'last':>9} {'limit':>9} {'highest':>9}",
        *map(str, trends),
    ]
    return "\n".join(lines) + "\n"


def _methods(records: Records) -> list[str]:
    statuses = sorted({status for counts in records.statuses.values() for status in counts})
    # Short enough for the heads of the columns.
    heads = [
        status.removesuffix("_EXCEEDED").removesuffix("_PRECONDITION").removesuffix("_ARGUMENT") for status in statuses
    ]
    widths = [max(len(head), 7) for head in heads]
    head = " ".join(f"{head:>{width}}" for head, width in zip(heads, widths, strict=True))
    names = {method: method.removeprefix("library.").removeprefix("grpc.") for method in records.statuses}
    wide = max(map(len, names.values()))
    rows = [f"{'method':<{wide}} {head}"]
    for method, counts in sorted(records.statuses.items()):
        cells = " ".join(f"{counts[status] or '-':>{width}}" for status, width in zip(statuses, widths, strict=True))
        rows.append(f"{names[method]:<{wide}} {cells}")
    return rows
