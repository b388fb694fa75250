"""ID tokens that have signed somebody in: each does so once, also if somebody finds it later in a log or a history."""

from __future__ import annotations

import hashlib

from frontend_server.store.models import SignInTally
from service_kit.statements import Statement, param
from service_kit.store import Store

# The cleanup deletes it after a day, which is longer than the token is accepted.
NOTE = Statement(
    SignInTally.insert(subject=param("subject"), failures=0.0, time=param("now"), is_known=0)
    .on_conflict_ignore()
    .returning(SignInTally.subject)
)


def use_once(store: Store, signed_part: bytes, now: int) -> bool:
    """Note that a token is used; False if it was used before.

    Args:
        store: Where it is noted.
        signed_part: The token without its signature, of which there can be several for one token.
        now: The time.
    """
    with store.writing():
        return NOTE.row(subject=hashlib.sha256(b"id token " + signed_part).hexdigest(), now=now) is not None
