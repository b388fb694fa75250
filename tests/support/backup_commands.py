"""`library backup`, `verify` and `restore`, run with the stores at some URLs."""

from __future__ import annotations

import os
from pathlib import Path

from click.testing import CliRunner, Result

import library_cli.__main__
import library_cli.backup
import library_cli.stores
from tests.support.stores import ServerName
from tests.sync.libraries import Library

SERVICES: tuple[ServerName, ...] = ("admin", "frontend")


def run(*arguments: str | Path, **urls: str) -> Result:
    """Run `library` with the stores at these URLs."""
    variables: dict[str, str | None] = {name: None for name in os.environ if name.startswith("LIBRARY_")}
    variables |= {f"LIBRARY_{service.upper()}_DATABASE_URL": url for service, url in urls.items()}
    return CliRunner(env=variables).invoke(library_cli.__main__.main, [str(part) for part in arguments])


def done(result: Result) -> str:
    """The output of a command that went well."""
    assert result.exit_code == 0, result.output
    return result.stdout


def refusal(result: Result) -> str:
    """The message of a command that was refused: one sentence."""
    assert result.exit_code == 1, result.output
    assert isinstance(result.exception, SystemExit), result.exception
    (message,) = result.stderr.splitlines()
    assert message.startswith("Error: ")
    return message.removeprefix("Error: ")


def urls_of(library: Library) -> dict[str, str]:
    return {"admin": library.admin.url, "frontend": library.frontend.url}
