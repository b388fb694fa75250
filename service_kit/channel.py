"""Channels to other services, and what their errors say."""

from __future__ import annotations

from collections.abc import Iterable
from typing import cast

import grpc
from google.protobuf.message import DecodeError
from google.rpc import error_details_pb2, status_pb2

MESSAGE_BYTES = 4 * 1024 * 1024
"""The most that one message may have, either way; gRPC's own default, so clients need no setting."""

OPTIONS = [
    # A lost server is looked for again within a second or two, not minutes as by default.
    ("grpc.initial_reconnect_backoff_ms", 200),
    ("grpc.min_reconnect_backoff_ms", 500),
    ("grpc.max_reconnect_backoff_ms", 2_000),
    # A connection that has gone silent (a machine lost its power) is given up after this, not after a TCP timeout of a
    # quarter of an hour.
    ("grpc.keepalive_time_ms", 15_000),
    ("grpc.keepalive_timeout_ms", 5_000),
    ("grpc.max_receive_message_length", MESSAGE_BYTES),
    # A proxy set for the web would be asked for these servers, too, and does not know them.
    ("grpc.enable_http_proxy", 0),
]
"""Of every channel to a service of ours."""


def open_channel(target: str) -> grpc.Channel:
    """Open a channel to HOST:PORT."""
    return grpc.insecure_channel(target, options=OPTIONS)


def error_info(error: grpc.RpcError) -> error_details_pb2.ErrorInfo:
    """The ErrorInfo that a failed call brought, or an empty one."""
    info = error_details_pb2.ErrorInfo()
    metadata = cast("grpc.Call", error).trailing_metadata() or ()
    for key, value in cast("Iterable[tuple[str, bytes]]", metadata):
        if key == "grpc-status-details-bin":
            try:
                for detail in status_pb2.Status.FromString(value).details:
                    if detail.Unpack(info):
                        return info
            except DecodeError:  # whatever answers there, it is not a service of ours
                return error_details_pb2.ErrorInfo()
    return info
