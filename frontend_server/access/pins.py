"""PINs of users who are granted a role of the staff: a PIN is too short for them."""

from __future__ import annotations

from collections.abc import Collection

from frontend_server.store.models import Credential, Session


def remove_pins(user_ids: Collection[str]) -> None:
    """Remove the PINs of users, and end the sessions of those who have one.

    They can have been opened with the PIN, and would get the new role. Within a transaction that has locked
    `sync_state`. The time of the secret changes as well, so that a sign-in that has just verified the PIN fails.
    """
    removed = (
        Credential.update(secret_hash="", is_pin=0, change_time=Credential.change_time + 1)
        .where(Credential.user_id.in_(sorted(user_ids)), Credential.is_pin == 1)
        .returning(Credential.user_id)
        .execute()
    )
    owners = sorted(row.user_id for row in removed)
    if owners:
        # Of these, the time of the last refresh is the newest time that the store has.
        Session.update(end_time=Session.refresh_time, expire_time=Session.refresh_time).where(
            Session.user_id.in_(owners), Session.end_time == 0
        ).execute()
