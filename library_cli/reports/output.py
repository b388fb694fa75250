"""Where a report goes: a table or lines, JSON, a CSV file, or a picture."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path
from typing import Any

import click
from rich.console import Console

from library_cli.channel import connected
from library_cli.desk.refusals import ended_by_refusals
from library_cli.labels.output import write as write_file
from library_cli.reports.bars import with_bars
from library_cli.reports.calls import Reports
from library_cli.reports.csv_files import write_csv
from library_cli.reports.kinds import Item, Report
from library_cli.stopped import CommandStopped
from library_cli.tables import SHOWN_ON_A_TERMINAL, json_option, limit_option, show
from library_cli.times import counted

PICTURES = (".svg", ".png")


@dataclass(frozen=True)
class Wanted:
    """The form of a report that the options name."""

    json: bool
    csv: Path | None
    limit: int | None


def output_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options for the form of a report, which the command gets as `wanted`."""

    @limit_option
    @json_option
    @click.option(
        "--csv",
        "csv_file",
        metavar="FILE",
        type=click.Path(dir_okay=False, allow_dash=True, path_type=Path),
        help="Write a CSV file with all columns; `-` is standard output.",
    )
    @functools.wraps(command)
    def with_options(limit: int | None, json_wanted: bool, csv_file: Path | None, **given: Any) -> Any:
        if sum((json_wanted, csv_file is not None, given.get("plot") is not None)) > 1:
            raise click.UsageError("--json, --csv and --plot exclude each other: a report has one form.")
        return command(wanted=Wanted(json_wanted, csv_file, limit), **given)

    return with_options


def plot_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the option for a picture."""
    return click.option(
        "--plot",
        metavar="FILE",
        type=click.Path(dir_okay=False, path_type=Path),
        callback=_picture,
        help="Draw bars into this file instead: an .svg or a .png.",
    )(command)


def _picture(_ctx: click.Context, _param: click.Parameter, file: Path | None) -> Path | None:
    if file is not None and file.suffix.lower() not in PICTURES:
        raise click.BadParameter(f"{file} does not end with .svg or .png.")
    return file


@contextmanager
def opened_reports(target: str, wanted: Wanted) -> Iterator[Reports]:
    """Open the admin service at `target` for a command. A refusal ends the command with its sentences."""
    with ended_by_refusals(json_wanted=wanted.json), connected(target) as channel:
        yield Reports(channel)


def write(
    items: Iterable[Item],
    report: Report[Item],
    wanted: Wanted,
    amount: Callable[[Item], int] | None = None,
    name: Callable[[Item], str] = str,
    *,
    plot: Path | None = None,
    title: str = "",
) -> None:
    """Write the rows in the form that is wanted.

    Args:
        items: The rows.
        report: How they are shown.
        wanted: The form, and the most rows.
        amount: Returns what the bar of a row shows; None for a report without bars.
        name: Returns the name of a row's bar.
        plot: The file for a picture of bars.
        title: The title of the picture.
    """
    rest = iter(items)
    if plot is not None and amount is not None:
        shown = list(islice(rest, wanted.limit or SHOWN_ON_A_TERMINAL))
        _draw(plot, title, [(name(item), amount(item)) for item in shown], report.form.nothing)
    elif wanted.csv is not None:
        _write_csv(wanted.csv, islice(rest, wanted.limit) if wanted.limit else rest, report)
    else:
        _show(rest, report, wanted, amount)


def _show(items: Iterator[Item], report: Report[Item], wanted: Wanted, amount: Callable[[Item], int] | None) -> None:
    form, console = report.form, Console()
    if amount is not None and console.is_terminal and not wanted.json:
        limit = SHOWN_ON_A_TERMINAL if wanted.limit is None else wanted.limit
        shown = list(islice(items, limit) if limit else items)
        form, items = with_bars(shown, form, amount, console), chain(shown, items)
    show(items, form, json_wanted=wanted.json, limit=wanted.limit)


def _write_csv(file: Path, items: Iterator[Item], report: Report[Item]) -> None:
    first = list(islice(items, 1))  # before anything is written, as the service may not answer
    with _file_problems(file):
        count = write_csv(file, chain(first, items), report)
    click.echo(f"Wrote {counted(count, 'row')}", err=True)


def _draw(file: Path, title: str, bars: list[tuple[str, int]], nothing: str) -> None:
    if not any(amount for _, amount in bars):
        raise CommandStopped(f"{nothing} {file} is not written.")
    # Imported here, because reportlab and Pillow take longer to import than `library --help` takes.
    from library_cli.reports.charts import Bar, png, svg  # noqa: PLC0415

    picture = (svg if file.suffix.lower() == ".svg" else png)(title, [Bar(*bar) for bar in bars])
    with _file_problems(file):
        write_file(file, picture, is_private=False, may_replace=True)
    click.echo(f"Wrote {counted(len(bars), 'bar')} to {file}", err=True)


@contextmanager
def _file_problems(file: Path) -> Iterator[None]:
    try:
        yield
    except BrokenPipeError:
        raise  # the reader of the pipe has closed it: click ends the program without a message
    except OSError as problem:
        raise CommandStopped(f"{file} cannot be written: {problem.strerror or problem}") from problem
