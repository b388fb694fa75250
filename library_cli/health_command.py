"""The command `library health`."""

from __future__ import annotations

import sys

import click

from library_cli.channel import connected_as_guest, health_of
from library_cli.grpc_errors import CallFailed
from library_cli.http_health import health_at, is_http_url


@click.command("health", short_help="Ask a service whether it serves.")
@click.argument("target")
def health_command(target: str) -> None:
    """Ask the service at TARGET whether it serves. Made for the health checks of containers.

    TARGET is HOST:PORT for a gRPC service, or a URL such as http://127.0.0.1:8080/healthz for the REST service.

    Exit status: 0 when the answer is SERVING, otherwise 1.
    """
    try:
        if is_http_url(target):
            health = health_at(target).status
        else:
            with connected_as_guest(target) as channel:
                health = health_of(channel)
    except CallFailed as problem:
        raise click.ClickException(str(problem)) from problem
    click.echo(health)
    sys.exit(0 if health == "SERVING" else 1)
