"""Admins make API tokens for programs, list and revoke them."""

from __future__ import annotations

import functools
import json
from collections.abc import Sequence

from google.protobuf.descriptor_pb2 import FileDescriptorSet

from admin_server.access.messages import token_message
from admin_server.access.still_admin import check_still_admin
from admin_server.store.models import IS_VALID_TOKEN, ApiToken
from library.admin.v1.staff_service_pb2 import (
    CreateApiTokenRequest,
    CreateApiTokenResponse,
    ListApiTokensRequest,
    RevokeApiTokenRequest,
)
from library.v1 import staff_pb2
from library_domain.access.bearer import api_token_text
from library_domain.access.callers import Caller
from library_domain.access.errors import ApiTokenExists, ApiTokenNotFound, ScopeRequired
from library_domain.contract import contract_descriptors
from service_kit.change_record import record_change
from service_kit.clock import Clock, micros
from service_kit.errors import FieldInvalid
from service_kit.idempotency import once
from service_kit.ids import new_id
from service_kit.message_checks import message_problems
from service_kit.paging import page
from service_kit.random_secrets import hash_of_secret, new_secret
from service_kit.revisions import lock_revisions, take_revisions
from service_kit.row_lists import list_rows
from service_kit.store import Store
from service_kit.text.keys import text_key, tidied
from service_kit.unreadable import readable
from service_kit.validation import Problem

INTERNAL = frozenset({"library.sync.v1"})
"""Packages whose methods no token can call."""


def create_api_token(
    store: Store, request: CreateApiTokenRequest, clock: Clock, caller: Caller
) -> CreateApiTokenResponse:
    """Make an API token, whose secret is only in the answer.

    Raises:
        FieldInvalid: The name, a scope or the time is invalid.
        ApiTokenExists: A token that is not revoked has the name.
        RoleRequired: The caller has lost the role meanwhile.
        ScopeRequired: The caller is a program, and the new token would not be limited to the scopes of its own.
    """
    check_new_token(request)
    _check_scopes(caller, request.scopes)
    now, name = clock(), tidied(request.display_name)
    expire_time = micros(request.expire_time) if request.HasField("expire_time") else 0
    if request.HasField("expire_time") and expire_time <= now:
        raise FieldInvalid(("expire_time", "must be later than now"))
    token_id, secret = new_id(), new_secret()
    with store.writing():
        lock_revisions()
        check_still_admin(caller, now)
        key = text_key(name)
        if ApiToken.select(ApiToken.key).where(ApiToken.name_key == key, IS_VALID_TOKEN).exists():
            raise ApiTokenExists(display_name=name)
        row = ApiToken.create(
            id=token_id,
            display_name=name,
            name_key=key,
            role=request.role,
            scopes=json.dumps(list(request.scopes)),
            secret_hash=hash_of_secret(secret),
            create_time=now,
            expire_time=expire_time,
            revoke_time=0,
            last_use_time=0,
            revision=take_revisions(),
        )
        answer = CreateApiTokenResponse(api_token=token_message(row), token=api_token_text(token_id, secret))
        record_change(answer)
    return answer


def list_api_tokens(store: Store, request: ListApiTokensRequest) -> tuple[list[staff_pb2.ApiToken], str]:
    """Return a page of the API tokens, the oldest first, with those that were revoked, and the token of the next."""
    with store.reading():
        rows = list_rows(ApiToken, request)
    return page(request, rows, token_message, lambda row: row.key)


def revoke_api_token(store: Store, request: RevokeApiTokenRequest, clock: Clock, caller: Caller) -> staff_pb2.ApiToken:
    """Revoke an API token, unless it is revoked. Raises `ApiTokenNotFound` and `RoleRequired`."""
    token_id = request.id.lower()

    def revoke() -> staff_pb2.ApiToken:
        lock_revisions()
        check_still_admin(caller, clock())
        row: ApiToken | None = ApiToken.get_or_none(ApiToken.id == token_id)
        if row is None:
            raise ApiTokenNotFound(id=token_id)
        if not row.revoke_time:
            row.revoke_time, row.revision = clock(), take_revisions()
            row.save()
        return token_message(row)

    with readable("API token", token_id):
        return once(store, request, staff_pb2.ApiToken, revoke, clock)


def check_new_token(request: CreateApiTokenRequest) -> None:
    """Raise `FieldInvalid` with all problems of a new token that the contract's own rules do not cover."""
    wrong: list[Problem] = list(message_problems(request))
    if request.display_name and not tidied(request.display_name):
        wrong.append(("display_name", "must not be blank"))
    wrong += [
        (f"scopes[{place}]", f"{scope[:60]} is neither a service nor a method of this library")
        for place, scope in enumerate(request.scopes)
        if scope not in known_scopes()
    ]
    if wrong:
        raise FieldInvalid(*wrong)


def _check_scopes(caller: Caller, scopes: Sequence[str]) -> None:
    """Raise `ScopeRequired` if a program that is limited would make a token that may do more."""
    if not caller.scopes:
        return
    if not scopes or not all(_is_within(scope, caller.scopes) for scope in scopes):
        raise ScopeRequired(scopes=", ".join(caller.scopes))


def _is_within(scope: str, scopes: Sequence[str]) -> bool:
    service_names = {scope.rpartition(separator)[0] for separator in "/."}
    return not {scope, *service_names}.isdisjoint(scopes)


@functools.cache
def known_scopes() -> frozenset[str]:
    """Return the names of all services and methods that a token can be limited to."""
    files = FileDescriptorSet.FromString(contract_descriptors()).file
    names = set()
    for file in files:
        for service in file.service if file.package.startswith("library.") and file.package not in INTERNAL else ():
            full_name = f"{file.package}.{service.name}"
            names.add(full_name)
            for method in service.method:
                names |= {f"{full_name}.{method.name}", f"{full_name}/{method.name}"}
    return frozenset(names)
