"""Settings of servers that have a store."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, TypeVar

from service_kit.addresses import ListenRefused, is_reached_by_others
from service_kit.logs import set_up_logs
from service_kit.server import Limits
from service_kit.settings import OPEN, SIGNED_IN, as_json, server_settings, setting
from service_kit.store import Store, open_store
from service_kit.store_checks import Schema
from service_kit.tls import ChannelTls, ServerTls

Command = TypeVar("Command", bound=Callable[..., Any])

SPARE_CONNECTIONS = 4
"""Connections for jobs that run in addition to the calls."""


@dataclass(frozen=True)
class ServerSettings:
    """Where a server listens, where its store is, how many calls it runs, and how it logs."""

    listen: str
    """HOST:PORT; port 0 is any free port."""
    database_url: str
    threads: int | None = None
    """Calls that run at the same time; None for a number that suits the engine."""
    concurrent_calls: int = 256
    """Calls that run or wait, of those that read and as many of those that write."""
    grace: float = 10.0
    """Seconds that running calls have to end after SIGTERM."""
    access: str = OPEN
    """Who may call: `open` for everybody, `token` for callers by their roles."""
    allow_open: bool = False
    """Whether the server starts in the mode `open` although other machines can connect."""
    allow_plain_text: bool = False
    """Whether passwords and tokens may pass between machines in plain text in the mode `token`."""
    reflection: str = OPEN
    """Who may read the contract by server reflection: `open`, `signed-in` or `closed`."""
    log_level: str = "info"
    log_format: str = "auto"
    tls_cert: Path | None = None
    tls_key: Path | None = None
    tls_client_ca: Path | None = None

    def tls(self) -> ServerTls | None:
        """Return the files for TLS, or None for plain text. Raises TlsSettingsError."""
        return ServerTls.of_settings(self.tls_cert, self.tls_key, self.tls_client_ca)

    def set_up_logs(self) -> None:
        """Log as the settings say, in this process."""
        set_up_logs(self.log_level, as_json=as_json(self.log_format))

    def check_access(self) -> None:
        """Raise `ListenRefused` for what the settings do not allow.

        That is: anyone on the network could call every method, or read the passwords and tokens of others.
        """
        if self.access == OPEN and self.reflection == SIGNED_IN:
            raise ListenRefused("--reflection signed-in is for --access token: in the mode `open` nobody signs in.")
        if self.access == OPEN and not self.allow_open and is_reached_by_others(self.listen):
            raise ListenRefused(
                f"{self.listen} can be reached from other machines, and in the mode `open` anyone there could read and "
                "change everything. Set --access token, or listen on 127.0.0.1, or add --allow-open if something "
                "outside this program limits who can connect."
            )
        if self._is_refused_in_plain_text(self.listen, has_tls=self.tls() is not None):
            raise ListenRefused(
                f"{self.listen} can be reached from other machines, and without TLS anyone on the way could read "
                "passwords and tokens. Set --tls-cert and --tls-key (`library certs init` makes them), or listen on "
                "127.0.0.1, or add --allow-plain-text if something outside this program protects the connections."
            )

    def check_channel(self, target: str, service: str, tls: ChannelTls) -> None:
        """Raise `ListenRefused` if the secret of this service would pass to another machine in plain text."""
        if self._is_refused_in_plain_text(target, has_tls=bool(tls.ca)):
            raise ListenRefused(
                f"{target} is another machine, and without TLS anyone on the way could read this service's secret. "
                f"Set --{service}-ca, or add --allow-plain-text if something outside this program protects the "
                "connections."
            )

    def _is_refused_in_plain_text(self, address: str, *, has_tls: bool) -> bool:
        may_be_plain = self.access == OPEN or has_tls or self.allow_plain_text
        return not may_be_plain and is_reached_by_others(address)

    def open_store(self, schema: Schema) -> Store:
        """Open the store, with a connection for each thread and for each job."""
        return open_store(self.database_url, connections=(self.threads or 16) + SPARE_CONNECTIONS, schema=schema)

    def limits(self, store: Store) -> Limits:
        """Return limits that suit the engine.

        With SQLite a few threads are fastest, because they compete for Python's lock at each query; with PostgreSQL
        they wait for the database.
        """
        return Limits(self.threads or (16 if store.is_postgresql else 4), self.concurrent_calls, self.grace)


def database_setting(prefix: str, default: str) -> Callable[[Command], Command]:
    """Where the store is."""
    return setting(
        prefix,
        "--database-url",
        default=default,
        help="sqlite:///relative/path, sqlite:////absolute/path or postgresql://user:password@host/name",
    )


def store_server_settings(prefix: str, listen: str, database_url: str) -> Callable[[Callable[..., None]], Any]:
    """Add the options of `ServerSettings` to a command, which gets them as one argument, `server`."""
    names = [field.name for field in fields(ServerSettings)]

    def decorate(command: Callable[..., None]) -> Any:
        @functools.wraps(command)
        def with_server(**options: Any) -> None:
            own = {name: options.pop(name) for name in names}
            command(server=ServerSettings(**own), **options)

        return server_settings(prefix, listen)(database_setting(prefix, database_url)(with_server))

    return decorate
