"""Options that several commands take."""

from __future__ import annotations

import click

admin_target_option = click.option(
    "--admin-target",
    envvar="LIBRARY_ADMIN_TARGET",
    default="127.0.0.1:50052",
    show_default=True,
    show_envvar=True,
    help="Where the admin service is, HOST:PORT.",
)
frontend_target_option = click.option(
    "--frontend-target",
    envvar="LIBRARY_FRONTEND_TARGET",
    default="127.0.0.1:50051",
    show_default=True,
    show_envvar=True,
    help="Where the frontend service is, HOST:PORT.",
)
