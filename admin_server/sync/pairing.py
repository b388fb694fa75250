"""Pairing: only one frontend may call the sync methods. It proves that with a secret. See docs/sync.md."""

from __future__ import annotations

import hmac
from collections.abc import Iterable
from typing import Any

from google.protobuf.message import Message

from admin_server.store.models import Frontend
from library_domain.errors import OtherFrontend, SyncSecretWrong
from library_domain.pairing import Credentials, read_credentials
from service_kit.ids import UUID
from service_kit.logs import logger
from service_kit.random_secrets import hash_of_secret
from service_kit.statements import Statement
from service_kit.store import Store

log = logger(__name__)

PAIRED = Statement(Frontend.select(Frontend.id, Frontend.secret_hash))


def check_caller(store: Store, metadata: Iterable[Any] | None, request: Message) -> None:
    """Check that a sync call comes from the paired frontend. If no frontend is paired, pair with the caller.

    Raises:
        SyncSecretWrong: The call has no secret or a wrong one, or its request names another frontend.
        OtherFrontend: Another frontend is paired.
    """
    caller = read_credentials(metadata)
    if caller is None:
        raise SyncSecretWrong(
            problem="this call has no metadata `authorization: Bearer FRONTEND_ID.SECRET`", frontend_id="FRONTEND_ID"
        )
    named: str = getattr(request, "frontend_id", caller.frontend_id)
    if UUID.fullmatch(named) and named.lower() != caller.frontend_id:
        raise SyncSecretWrong(problem="this request names another frontend", frontend_id=caller.frontend_id)
    secret_hash = hash_of_secret(caller.secret)
    with store.reading():
        paired = PAIRED.row()
    if paired is None or (not paired[1] and paired[0] == caller.frontend_id):
        paired = _pair(store, caller, secret_hash)
    frontend_id, known_hash = paired
    if frontend_id != caller.frontend_id:
        raise OtherFrontend(frontend_id=frontend_id, other_frontend_id=caller.frontend_id)
    if not hmac.compare_digest(str(known_hash).encode(), secret_hash.encode()):
        raise SyncSecretWrong(problem="this call has a wrong one", frontend_id=frontend_id)


def accept_frontend(store: Store, frontend_id: str) -> None:
    """Accept calls of this frontend only from now on, as an operator decided.

    Its next call pairs it, even if it is the frontend that was paired before: it may have lost its secret.
    """
    with store.writing():
        # Keep the newest revision: a frontend that was restored from a backup has to move past it.
        Frontend.insert(one=1, id=frontend_id, newest_revision=0).on_conflict_ignore().execute()
        Frontend.update(id=frontend_id, secret_hash="").execute()


def _pair(store: Store, caller: Credentials, secret_hash: str) -> tuple[Any, ...]:
    """Pair with the caller unless another call has paired meanwhile. Return the id and hash of the paired frontend."""
    with store.writing():
        Frontend.insert(one=1, id=caller.frontend_id, newest_revision=0).on_conflict_ignore().execute()
        is_new = Frontend.update(secret_hash=secret_hash).where(
            Frontend.id == caller.frontend_id, Frontend.secret_hash == ""
        )
        has_paired = bool(is_new.execute())
        paired = PAIRED.row()
    assert paired is not None
    if has_paired:
        log.info("paired with a frontend", frontend_id=caller.frontend_id)
    return paired
