"""Channels, as gRPC opens them: without a token, and with gRPC's own errors."""

from __future__ import annotations

import grpc

from library_cli.grpc_errors import CallFailed
from library_cli.transport import FilesUnusable, chosen

# Without a proxy: one that is set for the web cannot reach the library's own services.
OPTIONS = [("grpc.enable_http_proxy", 0)]


def dial(target: str) -> grpc.Channel:
    """Open a channel, with TLS if the user has named an authority. Raises CallFailed for unusable files."""
    files = chosen()
    if not files.ca:
        return grpc.insecure_channel(target, options=OPTIONS)
    try:
        files.context()  # raises for files of which gRPC would only report that the handshake failed
        credentials = grpc.ssl_channel_credentials(files.roots(), *files.own())
    except FilesUnusable as problem:
        raise CallFailed(str(problem)) from problem
    return grpc.secure_channel(target, credentials, options=OPTIONS)
