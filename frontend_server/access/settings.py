"""How users sign in: made in `__main__`, passed on by `app`."""

from __future__ import annotations

from dataclasses import dataclass, field

from frontend_server.access.passwords import HashCost
from frontend_server.access.provider import ProviderSettings


@dataclass(frozen=True)
class AccessSettings:
    """The settings of AccessService."""

    token_mode: bool = False
    """Whether tokens are checked at all."""
    provider: ProviderSettings | None = None
    """The OpenID provider that the library trusts."""
    hash_cost: HashCost = field(default_factory=HashCost)
