"""The libraries that the user of the command works with: their addresses, and the session at each.

They are in one file in the user's own configuration folder. The file is private, as a session in it lets anyone act as
the user.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import click

from service_kit.private_files import close_to_others, create_file, make_folder

FOLDER_VARIABLE = "LIBRARY_CONFIG_DIR"

DEFAULT = "default"
"""The context that is in use until another one is chosen."""


class ContextsUnreadable(click.ClickException):
    """The file is not one that the command wrote."""

    def __init__(self, file: Path, problem: str) -> None:
        super().__init__(f"{file} cannot be used: {problem}. Correct it, or delete it and sign in again.")


@dataclass(frozen=True)
class Session:
    """A user who has signed in. The tokens are secrets, which `repr` leaves out."""

    user_id: str
    access_token: str = field(repr=False)
    access_expire_time: float
    """In seconds since 1970, like the next one."""
    refresh_token: str = field(repr=False)
    refresh_expire_time: float


@dataclass(frozen=True)
class Context:
    """A library: where its services are, and who the user is there. Empty fields are not set."""

    frontend_target: str = ""
    admin_target: str = ""
    rest_url: str = ""
    ca: str = ""
    token: str = field(default="", repr=False)
    """An API token, in place of a session."""
    session: Session | None = None

    def is_at(self, target: str) -> bool:
        """Return whether a target is one of this library, so that it may see its token."""
        return bool(target) and target in (self.frontend_target, self.admin_target)


@dataclass(frozen=True)
class Contexts:
    """All libraries of the user, by their names."""

    current: str = DEFAULT
    by_name: Mapping[str, Context] = field(default_factory=dict)

    def of(self, name: str) -> Context:
        return self.by_name.get(name, Context())

    def with_context(self, name: str, context: Context) -> Contexts:
        return replace(self, by_name={**self.by_name, name: context})

    def without(self, name: str) -> Contexts:
        return replace(self, by_name={each: context for each, context in self.by_name.items() if each != name})


def unknown(name: str, contexts: Contexts) -> str:
    """Return the sentence for a name that no context has."""
    known = ", ".join(sorted(contexts.by_name)) or "none"
    return f"There is no context {name!r}. Saved contexts: {known}. To save one, run: library context set NAME"


def contexts_file() -> Path:
    """Return where the contexts are: in LIBRARY_CONFIG_DIR, or in the user's own configuration folder."""
    return Path(os.environ.get(FOLDER_VARIABLE) or click.get_app_dir("lending-library")) / "contexts.json"


def read_contexts() -> Contexts:
    """Return the contexts of the user. Raises ContextsUnreadable."""
    file = contexts_file()
    try:
        written = json.loads(file.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        return Contexts()
    except OSError as problem:
        raise ContextsUnreadable(file, problem.strerror or str(problem)) from problem
    except ValueError as problem:
        raise ContextsUnreadable(file, "it is not JSON") from problem
    close_to_others([file])
    try:
        return Contexts(
            str(written["current"]), {str(name): _context(each) for name, each in written["contexts"].items()}
        )
    except (AttributeError, KeyError, TypeError, ValueError) as problem:
        raise ContextsUnreadable(file, "it does not contain contexts") from problem


@contextmanager
def changing_contexts() -> Iterator[Changes]:
    """Keep other commands from changing the contexts, and write them at the end. Raises ContextsUnreadable."""
    file = contexts_file()
    try:
        make_folder(file.parent)
        with _locked(file.with_name("contexts.lock")):
            changes = Changes(read_contexts())
            yield changes
            if changes.contexts != changes.before:
                _write(file, changes.contexts)
    except OSError as problem:
        raise ContextsUnreadable(file, problem.strerror or str(problem)) from problem


class Changes:
    """The contexts before a change, and those to write."""

    def __init__(self, before: Contexts) -> None:
        self.before = self.contexts = before


@contextmanager
def _locked(file: Path) -> Iterator[None]:
    descriptor = os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _write(file: Path, contexts: Contexts) -> None:
    """Replace the file in one step, so that other commands read the old contexts or the new ones."""
    written = {
        "current": contexts.current,
        "contexts": {name: _without_empty(asdict(context)) for name, context in contexts.by_name.items()},
    }
    new = file.with_name(f".{file.name}.{os.getpid()}")
    create_file(new)
    try:
        new.write_text(json.dumps(written, indent=2) + "\n", encoding="utf-8")
        new.replace(file)
    finally:
        new.unlink(missing_ok=True)


def _without_empty(fields: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value}


def _context(written: dict[str, Any]) -> Context:
    fields = dict(written)
    session = fields.pop("session", None)
    return Context(**fields, session=Session(**session) if session else None)
