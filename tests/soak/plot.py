"""The samples of a soak as a drawing: SVG, written by hand, with the kills as vertical lines."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from html import escape
from itertools import pairwise
from pathlib import Path

from tests.soak.sampling import Sample

PANELS = {
    "memory": "resident memory, MB",
    "files": "open file descriptors",
    "threads": "threads",
    "log": "write-ahead log, MB",
    "store": "store without its log, MB",
}
COLORS = {"admin": "#1f77b4", "frontend": "#d62728", "rest": "#2ca02c", "postgresql": "#9467bd"}
WIDTH, HEIGHT, LEFT, TOP, GAP = 1_000, 130, 70, 60, 45


def draw(path: Path, title: str, samples: Sequence[Sample], kills: Sequence[tuple[float, str]], calm: float) -> None:
    """Write the drawing. `calm` is the moment of time.monotonic() after which nothing was killed for a while."""
    first = min(sample.at for sample in samples)
    last = max(sample.at for sample in samples)
    x_scale = WIDTH / max(last - first, 1.0)
    parts = [_text(LEFT, 22, title, size=16), _legend()]
    for number, (quantity, caption) in enumerate(PANELS.items()):
        top = TOP + number * (HEIGHT + GAP)
        lines = _lines(samples, quantity)
        highest = max((value for line in lines.values() for _, value in line), default=0.0) * 1.1 or 1.0
        parts.append(f'<rect x="{LEFT}" y="{top}" width="{WIDTH}" height="{HEIGHT}" fill="none" stroke="#999"/>')
        parts.append(_text(LEFT, top - 6, caption))
        parts += [_text(5, top + 10, f"{highest:.0f}"), _text(5, top + HEIGHT, "0")]
        shaded = LEFT + (calm - first) * x_scale
        width = max(LEFT + WIDTH - shaded, 0)
        parts.append(f'<rect x="{shaded:.1f}" y="{top}" width="{width:.1f}" height="{HEIGHT}" fill="#eee"/>')
        for moment, name in kills:
            x = LEFT + (moment - first) * x_scale
            parts.append(
                f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{top}" y2="{top + HEIGHT}" stroke="{COLORS[name]}" '
                'stroke-width="0.7" stroke-dasharray="3 3"/>'
            )
        for life, line in lines.items():
            points = " ".join(
                f"{LEFT + (at - first) * x_scale:.1f},{top + HEIGHT - value / highest * HEIGHT:.1f}"
                for at, value in line
            )
            color = COLORS[life.replace("'", " ").split()[0]]
            parts.append(f'<polyline points="{points}" fill="none" stroke="{color}" stroke-width="1.3"/>')
    bottom = TOP + len(PANELS) * (HEIGHT + GAP)
    for seconds in _ticks(last - first):
        parts.append(_text(LEFT + seconds * x_scale, bottom - 25, f"{seconds:.0f} s"))
    path.parent.mkdir(parents=True, exist_ok=True)
    size = f'width="{LEFT + WIDTH + 20}" height="{bottom}"'
    path.write_text(
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} font-family="sans-serif">'
        f'<rect {size} fill="white"/>\n' + "\n".join(parts) + "\n</svg>\n"
    )


def _lines(samples: Sequence[Sample], quantity: str) -> dict[str, list[tuple[float, float]]]:
    lines: dict[str, list[tuple[float, float]]] = defaultdict(list)
    for sample in samples:
        if quantity in sample.values:
            lines[sample.life].append((sample.at, sample.values[quantity]))
    return lines


def _ticks(seconds: float) -> list[float]:
    steps = [10, 30, 60, 120, 300, 600]
    step = next((low for low, high in pairwise(steps) if seconds / low <= 12 or high is steps[-1]), steps[-1])
    return [number * float(step) for number in range(int(seconds // step) + 1)]


def _legend() -> str:
    shown = [*COLORS.items(), ("grey: nothing is killed", "#777")]
    return "".join(_text(LEFT + number * 110, 40, name, color=color) for number, (name, color) in enumerate(shown))


def _text(x: float, y: float, text: str, size: int = 11, color: str = "#222") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" fill="{color}">{escape(text)}</text>'
