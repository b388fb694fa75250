"""The screen of the desk as lines of styled text: a pure function of the view and the size."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

from rich.cells import cell_len, set_cell_size

from library_cli.desk_screen.actions import ACTIONS
from library_cli.desk_screen.entries import Entry
from library_cli.desk_screen.state import View
from library_cli.desk_screen.wording import loan_line
from library_cli.plain_text import one_line

Line: TypeAlias = "tuple[str, str]"
"""The style and the text of a line."""

HISTORY_SHARE = 3
"""At least one row of 3 is for the answers before the last one."""

SMALL_HEIGHT = 8
"""Lower terminals have no blank lines."""

BLANK: Line = ("", "")


def draw(view: View, width: int, height: int) -> list[Line]:
    """Return `height` lines of at most `width` characters: the user, the last answer, the answers before it."""
    top: list[Line] = [("class:heading", view.heading), *_modes(view)]
    gap = [BLANK] if height >= SMALL_HEIGHT else []
    answer = _answer(view, width, height // 2) if view.entries else [_idle()]
    history = [("", _history_line(entry)) for entry in view.entries[1:]]
    kept = min(len(history), height // HISTORY_SHARE)
    room = height - len(top) - len(answer) - 2 * len(gap) - kept
    lines = [*top, *_user(view, width, max(room, 0)), *gap, *answer, *gap]
    lines += history[: max(height - len(lines), 0)]
    lines += [BLANK] * (height - len(lines))
    return [(style, fitted(text, width)) for style, text in lines[:height]]


def keys_line(width: int) -> str:
    """Return the function keys and what they do, as many as fit."""
    shown = ""
    for action in ACTIONS.values():
        more = f"{action.key} {action.short}" if action.key else ""
        if more and cell_len(shown) + cell_len(more) + 1 <= width:
            shown = f"{shown} {more}".strip()
    return shown


def fitted(text: str, width: int) -> str:
    """Cut a text to a width, in columns of the terminal."""
    text = one_line(text)
    return text if cell_len(text) <= width else set_cell_size(text, max(width - 1, 0)).rstrip() + "…"


def _modes(view: View) -> list[Line]:
    return [("class:mode", f" {' · '.join(view.modes)} ")] if view.modes else []


def _idle() -> Line:
    return ("class:plain", " Scan a card or an item. F1: help")


def _user(view: View, width: int, room: int) -> list[Line]:
    if view.user is None:
        return []
    lines: list[Line] = [("class:user", text) for text in _wrapped(view.user_lines, width)]
    lines += [("class:warn", f" {text} ") for text in view.warnings]
    space = max(room - len(lines), 1)
    loans = [("", f"  {loan_line(loan)}") for loan in view.loans]
    if len(loans) > space:
        hidden = len(loans) - space + 1
        loans = [*loans[: space - 1], ("", f"  and {hidden} more: /loans")]
    return [*lines, *loans][:room]


def _answer(view: View, width: int, room: int) -> list[Line]:
    """Return the last answer, larger than the others: its word in a bar, then all its lines."""
    entry = view.entries[0]
    # The open user is above the answer.
    more = () if "user" in entry.data and view.user is not None else entry.more
    style = f"class:{entry.kind.tone}"
    bar = f" {entry.kind.value.upper()} "
    lines = [(style, bar.ljust(width)), *(("class:answer", text) for text in _wrapped([entry.text], width))]
    lines += [("", text) for text in _wrapped(more, width)]
    return lines[:room]


def _history_line(entry: Entry) -> str:
    return f"{entry.time} {entry.kind.value.upper()}: {entry.text}"


def _wrapped(texts: Sequence[str], width: int) -> list[str]:
    """Break texts between words, so that a narrow terminal shows all of them."""
    lines = []
    for text in texts:
        line = ""
        for word in one_line(text).split(" "):
            joined = f"{line} {word}" if line else word
            if line and cell_len(joined) > width:
                lines.append(line)
                joined = f"  {word}"
            line = joined
        lines.append(line)
    return lines
