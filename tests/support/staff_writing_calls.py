"""The admin's writing calls of roles and API tokens, with values that overlap."""

from __future__ import annotations

import random
from collections.abc import Sequence

from admin_server.access import accounts, api_tokens, roles
from admin_server.store.models import ApiToken
from library.access.v1.access_pb2 import ROLE_ADMIN, ROLE_LIBRARIAN, ROLE_PATRON
from library.admin.v1.staff_service_pb2 import CreateApiTokenRequest, GrantRoleRequest, RevokeApiTokenRequest
from library_domain.access.callers import ANYBODY
from service_kit.clock import Clock
from service_kit.ids import new_id
from service_kit.store import Store
from tests.support.writing_calls import Call, some_request_id


class StaffCalls:
    """The calls of an admin whose store is bound, about a few users."""

    def __init__(self, store: Store, clock: Clock, user_ids: Sequence[str]) -> None:
        self.store, self.clock, self.user_ids = store, clock, user_ids
        self.by_name: dict[str, Call] = {
            "library.admin.v1.StaffService/GrantRole": self.grant,
            "library.admin.v1.StaffService/CreateApiToken": self.create,
            "library.admin.v1.StaffService/RevokeApiToken": self.revoke,
            "a role is granted on the machine": self.grant_on_machine,
            "the use of an API token": self.use,
        }

    def grant(self, chance: random.Random) -> object:
        request = self._grant(chance)
        request.request_id = some_request_id(chance)
        return roles.grant_role(self.store, request, self.clock, ANYBODY)

    def grant_on_machine(self, chance: random.Random) -> object:
        return roles.grant_role_on_machine(self.store, self._grant(chance), self.clock)

    def create(self, chance: random.Random) -> object:
        request = CreateApiTokenRequest(display_name=f"Token {chance.randrange(20)}", role=ROLE_LIBRARIAN)
        return api_tokens.create_api_token(self.store, request, self.clock, ANYBODY)

    def revoke(self, chance: random.Random) -> object:
        request = RevokeApiTokenRequest(id=self._some_token(chance), request_id=some_request_id(chance))
        return api_tokens.revoke_api_token(self.store, request, self.clock, ANYBODY)

    def use(self, chance: random.Random) -> object:
        accounts.StoredAccounts(self.store, self.clock).note_use(self._some_token(chance))
        return None

    def _grant(self, chance: random.Random) -> GrantRoleRequest:
        role = chance.choice([ROLE_PATRON, ROLE_LIBRARIAN, ROLE_ADMIN])
        return GrantRoleRequest(user_id=chance.choice(self.user_ids), role=role)

    def _some_token(self, chance: random.Random) -> str:
        with self.store.reading():
            ids = [row.id for row in ApiToken.select().order_by(ApiToken.key.desc()).limit(4)]
        return chance.choice(ids or [new_id()])
