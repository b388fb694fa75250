"""Channels to other services, and what their errors say."""

from __future__ import annotations

from collections.abc import Iterable
from typing import cast

import grpc
from google.rpc import error_details_pb2, status_pb2

from service_kit.server import MESSAGE_BYTES


def open_channel(target: str) -> grpc.Channel:
    """Open a channel that looks for a lost server again within a second or two, not minutes as by default."""
    return grpc.insecure_channel(
        target,
        options=[
            ("grpc.initial_reconnect_backoff_ms", 200),
            ("grpc.min_reconnect_backoff_ms", 500),
            ("grpc.max_reconnect_backoff_ms", 2_000),
            # A connection that has gone silent (a machine lost its power) is given up after this, not after a TCP
            # timeout of a quarter of an hour.
            ("grpc.keepalive_time_ms", 15_000),
            ("grpc.keepalive_timeout_ms", 5_000),
            ("grpc.max_receive_message_length", MESSAGE_BYTES),
            ("grpc.enable_http_proxy", 0),
        ],
    )


def error_info(error: grpc.RpcError) -> error_details_pb2.ErrorInfo:
    """The ErrorInfo that a failed call brought, or an empty one."""
    info = error_details_pb2.ErrorInfo()
    metadata = cast("grpc.Call", error).trailing_metadata() or ()
    for key, value in cast("Iterable[tuple[str, bytes]]", metadata):
        if key == "grpc-status-details-bin":
            for detail in status_pb2.Status.FromString(value).details:
                if detail.Unpack(info):
                    return info
    return info
