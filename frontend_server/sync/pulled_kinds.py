"""The kinds of rows that are pulled from the admin. docs/sync.md, "Add a kind", lists what a new one needs."""

from __future__ import annotations

from frontend_server.sync.pulled_books import PulledBooks
from frontend_server.sync.pulled_callers import PulledRoles, PulledTokens
from frontend_server.sync.pulled_items import PulledItems
from frontend_server.sync.pulled_kind import PulledKinds
from frontend_server.sync.pulled_policy import PulledBranches, PulledCalendars, PulledRules, PulledSettings
from library.sync.v1.sync_service_pb2 import ListCatalogChangesResponse

PULLED_KINDS = PulledKinds(
    ListCatalogChangesResponse,
    PulledBooks(),
    PulledItems(),
    PulledBranches(),
    PulledCalendars(),
    PulledRules(),
    PulledSettings(),
    PulledRoles(),
    PulledTokens(),
)
