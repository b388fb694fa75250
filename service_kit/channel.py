"""Channels to other services, and the reasons of their errors."""

from __future__ import annotations

from collections.abc import Iterable
from typing import cast

import grpc
from google.protobuf.message import DecodeError
from google.rpc import error_details_pb2, status_pb2

from service_kit.tls import PLAIN_TEXT, ChannelTls

MESSAGE_BYTES = 4 * 1024 * 1024
"""The largest message, in either direction. It is gRPC's default, so clients need no setting."""

OPTIONS = [
    # After a lost connection, reconnect within a second or two, not minutes as by default.
    ("grpc.initial_reconnect_backoff_ms", 200),
    ("grpc.min_reconnect_backoff_ms", 500),
    ("grpc.max_reconnect_backoff_ms", 2_000),
    # A connection without an answer (a machine lost its power) is closed after this, not after a TCP timeout of a
    # quarter of an hour.
    ("grpc.keepalive_time_ms", 15_000),
    ("grpc.keepalive_timeout_ms", 5_000),
    ("grpc.max_receive_message_length", MESSAGE_BYTES),
    # A proxy that is set for the web does not know these servers.
    ("grpc.enable_http_proxy", 0),
]
"""The options of every channel to a service of the library."""


def open_channel(target: str, tls: ChannelTls = PLAIN_TEXT) -> grpc.Channel:
    """Open a channel to HOST:PORT. Raises TlsSettingsError."""
    credentials = tls.credentials()
    if credentials is None:
        return grpc.insecure_channel(target, options=OPTIONS)
    return grpc.secure_channel(target, credentials, options=OPTIONS)


def error_info(error: grpc.RpcError) -> error_details_pb2.ErrorInfo:
    """Return the first ErrorInfo of a failed call, or an empty one."""
    info = error_details_pb2.ErrorInfo()
    metadata = cast("grpc.Call", error).trailing_metadata() or ()
    for key, value in cast("Iterable[tuple[str, bytes]]", metadata):
        if key == "grpc-status-details-bin":
            try:
                for detail in status_pb2.Status.FromString(value).details:
                    if detail.Unpack(info):
                        return info
            except DecodeError:  # the answer is not from a service of the library
                return error_details_pb2.ErrorInfo()
    return info
