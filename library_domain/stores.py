"""The stores of the two services: how to distinguish them, and the facts that a backup records of each."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from service_kit.store_checks import Schema

LANDMARKS: Mapping[str, str] = {"admin": "epoch", "frontend": "sync_state"}
"""For each service, a table of its first migration that the other service does not have."""

FACTS: Mapping[str, Mapping[str, str]] = {
    "admin": {
        "head_revision": "SELECT revision FROM counter WHERE id = 1",
        "epoch": "SELECT id FROM epoch ORDER BY number DESC LIMIT 1",
    },
    "frontend": {
        "head_revision": "SELECT revision FROM counter WHERE id = 1",
        "frontend_id": "SELECT frontend_id FROM sync_state",
        "generation": "SELECT generation FROM sync_state",
        # Only an erased user has no card number, and nothing changes an erased user.
        "erased_users": "SELECT count(*) FROM user_account WHERE card_number IS NULL",
        "last_erasure": "SELECT max(update_time) FROM user_account WHERE card_number IS NULL",
    },
}
"""Queries by service and name, each for one value. They show how old a store is, as the sync counts revisions.

A store that lacks a column of a query, because it is from before it, has no value.
"""


def store_schema(service: str, migrations: Path) -> Schema:
    """Return the schema of a service's store. `migrations` is the folder with its migrations."""
    others = {landmark: other for other, landmark in LANDMARKS.items() if other != service}
    return Schema(service, migrations, LANDMARKS[service], others)
