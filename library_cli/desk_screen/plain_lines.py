"""The desk without a terminal: one scan a line, one line an answer."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Iterator

import click

from library_cli.desk_screen.entries import Entry, Kind
from library_cli.desk_screen.service import Service
from library_cli.desk_screen.session import steps_of
from library_cli.desk_screen.state import Desk
from library_cli.plain_text import one_line


def run_lines(desk: Desk, service: Service, *, json_wanted: bool) -> int:
    """Do what each line of standard input says. On a terminal, `> ` asks for the next one.

    Returns:
        The exit status: 2 if a call had no answer, 1 if one was refused, otherwise 0.
    """
    status = 0
    for line in _lines("> " if sys.stdin.isatty() else ""):
        desk.entries.clear()
        service.run(steps_of(desk, line))
        for entry in reversed(desk.entries):
            click.echo(as_json_line(entry, line.strip()) if json_wanted else as_line(entry))
            status = max(status, {Kind.REFUSED: 1, Kind.NO_ANSWER: 2}.get(entry.kind, 0))
        if desk.is_closed:
            break
    return status


def _lines(prompt: str) -> Iterator[str]:
    if isinstance(sys.stdin, io.TextIOWrapper):
        sys.stdin.reconfigure(errors="surrogateescape")
    click.echo(prompt, nl=False)
    for line in sys.stdin:
        yield line
        click.echo(prompt, nl=False)


def as_line(entry: Entry) -> str:
    line = f"{entry.kind.value}: {entry.text}"
    for more in entry.more:
        line += f" {more}" if line.endswith(".") else f"; {more}"
    return one_line(line)


def as_json_line(entry: Entry, line: str) -> str:
    written = {"line": line, "outcome": entry.kind.name, "message": entry.text, "more": list(entry.more)}
    return json.dumps({**written, **entry.data}, ensure_ascii=False)
