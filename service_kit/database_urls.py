"""Database URLs: which are accepted, and which parts of them may be shown.

A URL can contain a password in several places, and a password that is not percent-encoded moves the borders between its
parts: libpq reads `postgresql://u:p@ss@h/db` as the password `p` and the host `ss@h`. So a URL is not shown if libpq
cannot read it, or if one of its parts has characters that such a part does not have.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import quote

import psycopg
from psycopg.conninfo import conninfo_to_dict

POSTGRESQL = ("postgresql", "postgres")
FORMS = "sqlite:///relative/path, sqlite:////absolute/path or postgresql://user:password@host/name"

_HOST = re.compile(r"[A-Za-z0-9._-]+|[0-9A-Fa-f:.]+(%[A-Za-z0-9._-]+)?|[/@][^@:?#]*")  # a name, an address, a socket
_PORT = re.compile(r"[0-9]{0,5}")
_NAME = re.compile(r"[\w.+-]*")
_CREDENTIALS = re.compile(r":[^/]*@|//[^/]*@")

SHORTEST_SECRET = 4
"""Characters of a value that is replaced in messages: a shorter one would be found in many words."""

SECRET_FREE = frozenset({"user", "host", "hostaddr", "port", "dbname"})
"""The parameters of libpq that are shown. All others may contain a secret, such as `password`, or `options`."""


class UnreadableUrl(Exception):
    """A database URL cannot be used. The message is a clause without any part of the URL."""


def is_postgresql(url: str) -> bool:
    """Return whether a URL is one for PostgreSQL, readable or not."""
    return url.partition("://")[0] in POSTGRESQL and "://" in url


def checked_url(url: str) -> str:
    """Return a database URL in the form that the drivers take, `postgresql://…` or `sqlite:///…`.

    Raises:
        UnreadableUrl: It is not one, or a part of it cannot be such a part: a password was not percent-encoded. The
            message has nothing of the URL.
    """
    if is_postgresql(url):
        url = "postgresql" + url[url.index("://") :]
        parts = _parts(url)
        hosts, ports = _listed(parts, "host"), _listed(parts, "port")
        if not (all(map(_HOST.fullmatch, hosts)) and all(map(_PORT.fullmatch, ports))):
            raise UnreadableUrl(f"the database URL has a host or port that cannot be one; {ENCODE}")
        return url
    if not url.startswith("sqlite:"):
        raise UnreadableUrl(f"a database URL begins with sqlite:/// or postgresql://, and this one does not: {FORMS}")
    path = url.removeprefix("sqlite:///")
    if not path or path == url:
        raise UnreadableUrl("a SQLite URL names a file, as in sqlite:///library.db, and this one does not")
    if "?" in path or "#" in path or _CREDENTIALS.search(path):
        raise UnreadableUrl(
            "the path in a SQLite URL has a ?, a # or what looks like a password in it; it is only a path"
        )
    return url


def safe_url(url: str) -> str:
    """Return what may be shown of a database URL: no password, no parameters, and nothing that cannot be read.

    The path of a SQLite file is absolute: a relative one says little to somebody who is in another folder.
    """
    try:
        url = checked_url(url)
        if not is_postgresql(url):
            return f"sqlite:///{Path(url.removeprefix('sqlite:///')).absolute()}"
        parts = _parts(url)
        for name in [pair.partition("=")[0] for pair in url.rpartition("?")[2].split("&")]:
            parts.pop(name, None)
    except UnreadableUrl:
        return HIDDEN
    user, database = parts.get("user", ""), parts.get("dbname", "")
    if not (_NAME.fullmatch(user) and _NAME.fullmatch(database)):
        return HIDDEN
    return f"postgresql://{f'{user}@' if user else ''}{_shown_hosts(parts)}/{database}"


def shown_error(url: str, error: BaseException) -> str:
    """Return the message of a database's error, in one line.

    Where `safe_url` shows nothing of the URL, the message is left out: libpq repeats the parts of a URL.
    """
    message = " ".join(str(error).split())
    if not is_postgresql(url):
        return message
    if safe_url(url) == HIDDEN:
        state = getattr(getattr(error, "orig", error), "sqlstate", None)
        kind = f"{type(error).__name__}{f' {state}' if state else ''}"
        return f"{kind}; its message is not shown, since the database URL has unusual characters in it; {ENCODE}"
    return _without_secrets(message.replace(url, safe_url(url)), _parts(url))


HIDDEN = "(a database URL that is not shown)"
ENCODE = "percent-encode the characters @ : / ? # % & and spaces in its password, for example @ as %40"


def _parts(url: str) -> dict[str, str]:
    """Let libpq read the URL. Raises UnreadableUrl, without the message of libpq, which repeats what it cannot read."""
    try:
        return {name: str(value) for name, value in conninfo_to_dict(url).items() if value is not None}
    except (psycopg.Error, UnicodeError, ValueError):
        raise UnreadableUrl(f"the database URL cannot be read; {ENCODE}") from None


def _listed(parts: Mapping[str, str], name: str) -> list[str]:
    return [each for each in parts.get(name, "").split(",") if each]


def _shown_hosts(parts: Mapping[str, str]) -> str:
    hosts = parts.get("host", parts.get("hostaddr", "")).split(",")
    ports = parts.get("port", "").split(",")
    if len(ports) == 1:
        ports *= len(hosts)
    return ",".join(_shown_host(host, port) for host, port in zip(hosts, ports, strict=False))


def _shown_host(host: str, port: str) -> str:
    shown = f"[{host}]" if ":" in host else quote(host, safe="")
    return f"{shown}:{port}" if port else shown


def _without_secrets(message: str, parts: Mapping[str, str]) -> str:
    """Replace the values of all parameters that are not shown, in case a message repeats them."""
    for name, value in parts.items():
        if name not in SECRET_FREE and len(value) >= SHORTEST_SECRET:
            message = message.replace(value, "…")
    return message
