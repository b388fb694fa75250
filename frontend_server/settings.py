"""All settings of the frontend: made in `__main__`, passed on by `app`."""

from __future__ import annotations

from dataclasses import dataclass

from frontend_server.access.provider import ProviderSettings
from frontend_server.circulation.rules import LendingRules
from frontend_server.sync.sync import SyncSettings
from service_kit.store_settings import ServerSettings


@dataclass(frozen=True)
class Settings:
    """How the frontend runs."""

    server: ServerSettings
    rules: LendingRules
    sync: SyncSettings
    provider: ProviderSettings | None = None
    """The OpenID provider with which users can sign in."""
