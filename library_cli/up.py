"""`library up`: run all three services on this machine, with a sample of books in a new library."""

from __future__ import annotations

import math
import os
import shlex
import shutil
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import click
from rich.console import Console

from library.frontend.v1.sync_service_pb2 import SyncStatus
from library_cli.channel import connected_as_guest
from library_cli.grpc_errors import CallFailed
from library_cli.importing.reading.books import Books
from library_cli.importing.sending import SAMPLE, book_count, import_rows
from library_cli.processes import CannotRun, Stopped, Supervisor, serves_grpc, serves_http
from library_cli.status.reports import clock_warning, sync_status
from library_cli.stores import SERVICES
from library_cli.transport import chosen
from service_kit.private_files import DEFAULT_FOLDER, close_to_others, make_folder, set_private_umask
from service_kit.sqlite.files import files_of

PROGRAMS = (*SERVICES, "rest")

TRY_IT = """\
To use it, type in another terminal:
{variables}  {library} search dune
  {library} enrol ada@example.org Ada Lovelace
  {library} lend dune ada@example.org
  {library} loans
  {library} return dune ada@example.org
  {library} status

{programs}"""

FOR_PROGRAMS = """\
For programs:
  grpcurl {grpcurl} {frontend} list
  grpcurl {grpcurl} -d '{{"page_size": 3}}' {frontend} library.frontend.v1.CatalogService/ListBooks
  curl {curl}'{rest}/v1/books?page_size=3'
"""

SIGN_IN = """\
The services check tokens. If there is no admin yet, make the first one in another terminal:
{variables}  {library} grant-role ada@example.org admin --first-name Ada --last-name Lovelace
  {library} set-password ada@example.org
  {library} login ada@example.org
  {library} import --sample   # if you want some sixty books to try it with
  {library} status

{programs}"""


@click.command("up", short_help="Run all services on this machine.")
@click.option(
    "--data-dir",
    type=click.Path(file_okay=False, path_type=Path),
    default=".data",
    show_default=True,
    help="The folder for logs, and for the SQLite stores unless a variable names others.",
)
def up_command(data_dir: Path) -> None:
    """Run the services on this machine until Ctrl-C or SIGTERM: admin, frontend, and rest, which serves both over HTTP.

    A new library gets a sample of well-known books. The variables of `library-admin serve`,
    `library-frontend serve` and `library-rest serve` are passed on.

    Exit status: 0 when all services stopped normally, 1 when one did not start or ended by itself.
    """
    set_private_umask()
    if sentence := tls_problem(os.environ):
        raise click.ClickException(sentence)
    try:
        prepare_folder(data_dir)
    except OSError as problem:
        raise click.ClickException(str(problem)) from problem
    problems = run(data_dir)
    for sentence in problems:
        click.echo(f"Error: {sentence}", err=True)
    sys.exit(1 if problems else 0)


def run(data_dir: Path) -> list[str]:
    """Run the services until a signal, or until one ends by itself; return a sentence for each problem."""
    supervisor = Supervisor()
    problems = []
    with supervisor.stopped_by_signals():
        try:
            with progress_messages() as show:
                admin, frontend = open_library(supervisor, data_dir, show)
                rest = open_rest(supervisor, data_dir, [frontend, admin], show)
            click.echo(f"The library is running: patrons at {frontend}, librarians at {admin}.")
            click.echo(f"HTTP and JSON for both: {rest}, with a page to try it at {rest}/docs.")
            click.echo(f"Logs are in {data_dir.absolute()}. Ctrl-C stops all.\n")
            click.echo(what_to_type(admin, frontend, rest, data_dir))
            if not checks_tokens(os.environ):
                warn_of_clock(frontend)
            while True:
                supervisor.wait(seconds=0.5)
        except Stopped:
            click.echo("Stopping; the running calls are finished first.")
        except (CannotRun, CallFailed, OSError) as failure:
            # A call can fail because its service has just ended. Then that is the problem to report.
            problems.append(supervisor.exit_within() or str(failure))
        finally:
            problems += supervisor.close()
    return problems


def checks_tokens(variables: Mapping[str, str]) -> bool:
    """Return whether a service will check tokens. This command has none: before a new library opens, nobody has one."""
    return "token" in (variables.get(f"LIBRARY_{name.upper()}_ACCESS") for name in SERVICES)


def warn_of_clock(frontend: str) -> None:
    """Print a warning if the frontend does not lend because of its clock. Raises CallFailed."""
    with connected_as_guest(frontend) as channel:
        if warning := clock_warning(sync_status(channel)):
            click.echo(f"Warning: {warning}", err=True)


def tls_problem(variables: Mapping[str, str]) -> str:
    """Return why the services would not reach each other with these settings of TLS; "" if they would."""
    with_tls = [name for name in SERVICES if variables.get(f"LIBRARY_{name.upper()}_TLS_CERT")]
    if not with_tls and not variables.get("LIBRARY_REST_TLS_CERT"):
        return (
            "" if not chosen().ca else "--ca is set, but no service has a certificate. See: library certs init --help"
        )
    if not chosen().ca:
        return "A service has a certificate. Set --ca or LIBRARY_CA, so that the others can check it."
    return (
        "" if len(with_tls) == len(SERVICES) else "Set certificates for both services, admin and frontend, or for none."
    )


def what_to_type(admin: str, frontend: str, rest: str, data_dir: Path) -> str:
    """Return the commands to try, with the path and the variables that a new terminal needs for them.

    `rest` is a URL, the others HOST:PORT.
    """
    wanted = {
        "LIBRARY_ADMIN_TARGET": (admin, "127.0.0.1:50052"),
        "LIBRARY_FRONTEND_TARGET": (frontend, "127.0.0.1:50051"),
        "LIBRARY_REST_URL": (rest, "http://127.0.0.1:8080"),
        "LIBRARY_CA": (chosen().ca, ""),
    }
    if checks_tokens(os.environ):  # `library grant-role` opens the stores
        for service in SERVICES:
            variable = f"LIBRARY_{service.upper()}_DATABASE_URL"
            if variable not in os.environ:
                wanted[variable] = (f"sqlite:///{data_dir}/{service}.db", f"sqlite:///{DEFAULT_FOLDER}/{service}.db")
    set_here = [f"{name}={shlex.quote(here)}" for name, (here, default) in wanted.items() if here != default]
    variables = f"  export {' '.join(set_here)}\n" if set_here else ""
    ca = shlex.quote(chosen().ca)
    programs = FOR_PROGRAMS.format(
        frontend=frontend,
        rest=rest,
        grpcurl=f"-cacert {ca}" if chosen().ca else "-plaintext",
        curl=f"--cacert {ca} " if rest.startswith("https:") else "",
    )
    to_type = SIGN_IN if checks_tokens(os.environ) else TRY_IT
    return to_type.format(library=own_program(), variables=variables, programs=programs)


def own_program() -> str:
    """Return how to call this command from a new terminal in the same folder: its name if it is on the PATH."""
    called = Path(sys.argv[0])
    if called.name != "library":
        return "library"
    on_path = shutil.which("library")
    if on_path and Path(on_path).resolve() == called.resolve():
        return "library"
    return shlex.quote(str(called))


def prepare_folder(data_dir: Path) -> None:
    """Make the folder for stores and logs, and make the library's files in it private.

    An earlier version left them readable for other users. An existing folder is made private only if it contains
    nothing but the library's files: another one may be shared on purpose. Raises OSError.
    """
    make_folder(data_dir)
    stores = [data_dir / f"{service}.db" for service in SERVICES]
    own = {*(file for store in stores for file in files_of(store)), *(data_dir / f"{name}.log" for name in PROGRAMS)}
    inside = set(data_dir.iterdir())
    is_own_folder = data_dir == DEFAULT_FOLDER or (bool(inside) and inside <= own)
    closed = close_to_others([*([data_dir] if is_own_folder else []), *sorted(own)])
    if closed:
        click.echo(
            f"Other users could read these files until now: {', '.join(map(str, closed))}",
            err=True,
        )


def open_library(supervisor: Supervisor, data_dir: Path, show: Callable[[str], None]) -> tuple[str, str]:
    """Start admin and frontend, with the sample in a new store, and wait until patrons see the catalogue.

    Only a store that this start has made gets the sample: a catalogue that was emptied or restored stays as it is.
    Services that check tokens get no sample, and their catalogue is not waited for.

    Returns the addresses of the admin and the frontend service. Raises CannotRun, Stopped and CallFailed.
    """
    show("Starting the admin service")
    settings = environment("admin", DATABASE_URL=f"sqlite:///{data_dir}/admin.db")
    admin = supervisor.start("admin", data_dir / "admin.log", settings, serves_grpc)
    books = None
    if not checks_tokens(os.environ):
        is_new = bool(supervisor.logged("admin", "serving")["store_is_new"])
        books = loaded_books(admin, show, with_sample=is_new)
    show("Starting the frontend service")
    settings = environment(
        "frontend", DATABASE_URL=f"sqlite:///{data_dir}/frontend.db", ADMIN_TARGET=admin, ADMIN_CA=chosen().ca
    )
    frontend = supervisor.start("frontend", data_dir / "frontend.log", settings, serves_patrons)
    if books is not None and settings["LIBRARY_FRONTEND_ADMIN_TARGET"] == admin:
        show("Waiting until the frontend service has the catalogue")
        with connected_as_guest(frontend) as channel:
            # Without a timeout: both services run, and the message above shows what this waits for.
            supervisor.wait_for(lambda: known_books(sync_status(channel)) >= books or None, "the catalogue", math.inf)
    return admin, frontend


def loaded_books(admin: str, show: Callable[[str], None], *, with_sample: bool) -> int:
    """Load the sample into an empty catalogue, if `with_sample`; return how many books there are. Raises CallFailed."""
    with connected_as_guest(admin) as channel, SAMPLE.open("rb") as sample:
        if with_sample and book_count(channel) == 0:
            show("Loading the sample catalogue")
            for _outcomes in import_rows(channel, Books(sample)):
                pass
        return book_count(channel)


def known_books(status: SyncStatus) -> int:
    """Return how many books the frontend has read, including those that it set aside."""
    return status.book_count + status.set_aside_count


def serves_patrons(address: str) -> bool:
    """Return whether the frontend service at `address` serves, or only does not lend because its clock is behind."""
    if serves_grpc(address):
        return True
    try:
        with connected_as_guest(address) as channel:
            return sync_status(channel).HasField("clock_behind")
    except CallFailed:
        return False


def open_rest(supervisor: Supervisor, data_dir: Path, targets: list[str], show: Callable[[str], None]) -> str:
    """Start the REST service for the services at `targets`, unless others are set, and return its URL.

    Raises CannotRun and Stopped.
    """
    show("Starting the REST service")
    settings = environment("rest", TARGET=" ".join(targets), TARGET_CA=chosen().ca)
    scheme = "https" if settings.get("LIBRARY_REST_TLS_CERT") else "http"
    address = supervisor.start("rest", data_dir / "rest.log", settings, partial(serves_http, scheme=scheme))
    return f"{scheme}://{address}"


@contextmanager
def progress_messages() -> Iterator[Callable[[str], None]]:
    """Yield a function that shows what is being done: next to a spinner on a terminal, otherwise in lines."""
    console = Console(stderr=True)
    if console.is_terminal:
        with console.status("") as spinner:
            yield spinner.update
    else:
        yield lambda text: click.echo(f"{text} ...", err=True)


def environment(name: str, **defaults: str) -> dict[str, str]:
    """Return the variables for a service: those that are set, and `defaults` (without prefix) for the rest.

    An empty default is left out.
    """
    prefix = f"LIBRARY_{name.upper()}"
    variables = {f"{prefix}_{setting}": value for setting, value in defaults.items() if value} | os.environ
    # `processes.Service.address` reads the address from a line of the log, which must be JSON.
    variables[f"{prefix}_LOG_FORMAT"] = "json"
    if variables.get(f"{prefix}_LOG_LEVEL") != "debug":
        variables[f"{prefix}_LOG_LEVEL"] = "info"
    return variables
