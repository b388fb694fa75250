"""What a line does: a scan, a command, a search, or the answer to a question of the desk.

`steps_of` is a generator: it yields each call and receives its reply. It makes no call itself, draws nothing, and waits
for nothing.
"""

from __future__ import annotations

from library_cli.desk_screen.actions import command, find, override, send_again
from library_cli.desk_screen.entries import Kind, Steps
from library_cli.desk_screen.scans import open_user, scan
from library_cli.desk_screen.state import Desk


def steps_of(desk: Desk, line: str) -> Steps[None]:
    """Do what a line says, and add at least one answer to the desk's entries."""
    # Bytes that are not UTF-8 are in the line as surrogates, which no request can have.
    text = line.encode(errors="surrogateescape").decode(errors="replace").strip()
    if desk.asks_reason:
        desk.asks_reason = False
        if is_reason(text):
            yield from override(desk, text)
            return
        desk.add(Kind.NOTE, "Nothing was overridden.")
        if not text:
            return
    choices, desk.choices = desk.choices, ()
    if choices and text.isascii() and text.isdigit() and 1 <= int(text[:2]) <= len(choices) and len(text) < 3:
        yield from open_user(desk, choices[int(text) - 1])
    else:
        yield from _line(desk, text)


def _line(desk: Desk, text: str) -> Steps[None]:
    if not text:
        yield from send_again(desk, "")
    elif text.startswith("/"):
        yield from command(desk, text[1:])
    elif text.startswith("?"):
        yield from find(desk, text[1:].strip())
    else:
        yield from scan(desk, text)


def is_reason(text: str) -> bool:
    """Return whether a text is a reason, and not a scan or a command that came while the desk asked for one."""
    is_one_word = len(text.split()) == 1
    has_digit = any(letter.isdigit() for letter in text)
    return bool(text) and text[0] not in "/?" and not (is_one_word and has_digit)
