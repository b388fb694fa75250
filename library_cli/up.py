"""Run the whole library on this machine: both services, and books in it from the first moment."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import click
from rich.console import Console

from library_cli.channel import connected
from library_cli.csv_books import CsvBooks
from library_cli.grpc_errors import CallFailed
from library_cli.import_books import SAMPLE, book_count, import_rows
from library_cli.processes import CannotRun, Household, Stopped
from library_cli.status import sync_status

TRY_IT = """\
Try it:
  grpcurl -plaintext {frontend} list
  grpcurl -plaintext -d '{{"page_size": 3}}' {frontend} library.frontend.v1.CatalogService/ListBooks
  grpcurl -plaintext -d '{{"email": "ada@example.org", "first_name": "Ada", "last_name": "Lovelace"}}' \
{frontend} library.frontend.v1.MemberService/EnrollUser
"""


def run(data_dir: Path) -> list[str]:
    """Run both services until a signal stops them or one ends by itself.

    Gives a sentence for all that went wrong; none when they ran and stopped as they should.
    """
    household = Household()
    problems = []
    with household.stopped_by_signals():
        try:
            with progress_told() as say:
                admin, frontend = open_library(household, data_dir, say)
            click.echo(f"The library is open: patrons at {frontend}, librarians at {admin}.")
            click.echo(f"Logs are in {data_dir}. Ctrl-C stops both.\n")
            click.echo(TRY_IT.format(frontend=frontend))
            while True:
                household.wait(seconds=0.5)
        except Stopped:
            click.echo("Stopping, when the calls that run have come to their end.")
        except (CannotRun, CallFailed, OSError) as failure:
            problems.append(str(failure))
        finally:
            problems += household.close()
    return problems


def open_library(household: Household, data_dir: Path, say: Callable[[str], None]) -> tuple[str, str]:
    """Start both services, with the sample in an empty catalogue, and wait until patrons see the catalogue.

    Gives the addresses of the admin and the frontend service. Raises CannotRun, Stopped and CallFailed.
    """
    say("Starting the admin service")
    admin = household.start("admin", data_dir / "admin.log", environment("admin", data_dir))
    with connected(admin) as channel, SAMPLE.open("rb") as sample:
        if book_count(channel) == 0:
            say("Loading the sample catalogue")
            for _outcomes in import_rows(channel, CsvBooks(sample)):
                pass
        books = book_count(channel)
    say("Starting the frontend service")
    settings = {"LIBRARY_FRONTEND_ADMIN_TARGET": admin} | environment("frontend", data_dir)
    frontend = household.start("frontend", data_dir / "frontend.log", settings)
    if settings["LIBRARY_FRONTEND_ADMIN_TARGET"] == admin:
        say("Waiting until the frontend service has the catalogue")
        with connected(frontend) as channel:
            # However long a large catalogue takes: both services are well, and who waits is told what for.
            household.wait_for(lambda: sync_status(channel).book_count >= books or None, "the catalogue", math.inf)
    return admin, frontend


@contextmanager
def progress_told() -> Iterator[Callable[[str], None]]:
    """Tell what is being done: beside a spinner on a terminal, else in lines."""
    console = Console(stderr=True)
    if console.is_terminal:
        with console.status("") as spinner:
            yield spinner.update
    else:
        yield lambda text: click.echo(f"{text} ...", err=True)


def environment(name: str, data_dir: Path) -> dict[str, str]:
    """Give the variables for a service: those that are set, and for a store that is not, one in `data_dir`."""
    prefix = f"LIBRARY_{name.upper()}"
    variables = {f"{prefix}_DATABASE_URL": f"sqlite:///{data_dir / name}.db"} | os.environ
    # The log is read for the address, see `processes.Service.address`, so it must have that line, as JSON.
    variables[f"{prefix}_LOG_FORMAT"] = "json"
    if variables.get(f"{prefix}_LOG_LEVEL") != "debug":
        variables[f"{prefix}_LOG_LEVEL"] = "info"
    return variables
