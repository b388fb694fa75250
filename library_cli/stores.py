"""The database URLs of the two services, from the same settings as the servers' own."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click
from click.core import ParameterSource

from library_domain.stores import store_schema
from service_kit.database_urls import UnreadableUrl, checked_url, is_postgresql, safe_url
from service_kit.sqlite.files import files_of
from service_kit.store_checks import Schema

SERVICES = ("admin", "frontend")

Command = TypeVar("Command", bound=Callable[..., Any])


def store_options(command: Command) -> Command:
    """Add the options for the stores, which `database_urls` reads."""
    command = click.option(
        "--data-dir",
        type=click.Path(file_okay=False, path_type=Path),
        default=".data",
        show_default=True,
        help="The folder with admin.db and frontend.db. This option overrides the variables.",
    )(command)
    for service in reversed(SERVICES):
        command = click.option(
            f"--{service}-database-url",
            envvar=f"LIBRARY_{service.upper()}_DATABASE_URL",
            default=f"sqlite:///.data/{service}.db",
            show_default=True,
            show_envvar=True,
            help=f"The store of the {service} service, as its own --database-url has it.",
        )(command)
    return command


def database_urls(context: click.Context) -> dict[str, str]:
    """Return the URL of each store, from its option, --data-dir, its variable or the default, in this order."""
    data_dir_is_given = context.get_parameter_source("data_dir") is ParameterSource.COMMANDLINE
    urls = {}
    for service in SERVICES:
        name = f"{service}_database_url"
        urls[service] = context.params[name]
        if data_dir_is_given and context.get_parameter_source(name) is not ParameterSource.COMMANDLINE:
            urls[service] = f"sqlite:///{context.params['data_dir']}/{service}.db"
    return urls


def missing_store(service: str, url: str) -> str:
    """Return the error message for a SQLite file that does not exist; "" if it exists, and for PostgreSQL."""
    try:
        url = checked_url(url)
    except UnreadableUrl:
        return ""
    if is_postgresql(url) or any(file.exists() for file in files_of(Path(url.removeprefix("sqlite:///")))):
        return ""
    remedy = "run the command in the folder of the library, or name the folder of the stores with --data-dir DIR"
    return f"the {service} service has no store at {safe_url(url)}; {remedy}"


def schema_of(service: str) -> Schema:
    """Return the schema of a service's store, from the migrations that are installed with the server."""
    spec = importlib.util.find_spec(f"{service}_server")
    if spec is None or not spec.submodule_search_locations:
        raise click.ClickException(f"{service}_server is not installed in the same environment as this command.")
    return store_schema(service, Path(spec.submodule_search_locations[0]) / "store" / "migrations")
