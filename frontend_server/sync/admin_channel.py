"""The channel to the admin, opened again when the files with its certificates change."""

from __future__ import annotations

import threading
from collections.abc import Callable

from frontend_server.sync.messages import parse_page
from library.sync.v1.sync_service_pb2 import (
    ListCatalogChangesRequest,
    ListCatalogChangesResponse,
    RecordStatesResponse,
)
from library.sync.v1.sync_service_pb2_grpc import SyncServiceStub
from service_kit.channel import open_channel
from service_kit.logs import logger
from service_kit.tls import ChannelTls, TlsSettingsError

log = logger(__name__)


class AdminChannel:
    """The calls of the sync to one admin. Can be used by several threads."""

    def __init__(self, target: str, tls: ChannelTls) -> None:
        """Open a channel to HOST:PORT. Raises TlsSettingsError."""
        self.target = target
        self._tls = tls
        self._lock = threading.Lock()
        self._marks = tls.marks()
        self._problem = ""
        self._is_closed = False
        self._open()

    def list_changes(self) -> Callable[..., ListCatalogChangesResponse]:
        """Return the method ListCatalogChanges. It passes over changes that cannot be parsed; the stub's would fail."""
        self._open_again_if_changed()
        return self._list_changes

    def record_states(self) -> Callable[..., RecordStatesResponse]:
        """Return the method RecordStates."""
        self._open_again_if_changed()
        return self._stub.RecordStates

    def close(self) -> None:
        """End the calls that are under way."""
        with self._lock:
            self._channel.close()
            self._is_closed = True

    def _open(self) -> None:
        self._channel = open_channel(self.target, self._tls)
        self._stub = SyncServiceStub(self._channel)
        self._list_changes = self._channel.unary_unary(
            "/library.sync.v1.SyncService/ListCatalogChanges",
            request_serializer=ListCatalogChangesRequest.SerializeToString,
            response_deserializer=parse_page,
        )

    def _open_again_if_changed(self) -> None:
        """Use the new files from now on: a channel keeps the certificates that it was opened with.

        The previous channel is not closed, as the other direction of the sync may use it; gRPC closes it when the last
        reference to it is gone. Files that cannot be used yet are tried again at the next call.
        """
        with self._lock:
            marks = self._tls.marks()
            if marks == self._marks or self._is_closed:
                return
            try:
                self._open()
            except TlsSettingsError as problem:
                if str(problem) != self._problem:
                    log.warning("certificates not re-read", problem=str(problem))
                self._problem = str(problem)
            else:
                self._marks, self._problem = marks, ""
