"""Librarians create and change branches, and look them up."""

from __future__ import annotations

import re
from collections.abc import Collection
from datetime import date, datetime
from typing import Any

from admin_server.policy.messages import branch_message
from admin_server.store.models import Branch, Calendar
from library.admin.v1.branch_service_pb2 import CreateBranchRequest, ListBranchesRequest, UpdateBranchRequest
from library.v1 import branch_pb2
from library_domain.default_policy import MAIN_BRANCH
from library_domain.errors import BranchEtagMismatch, BranchExists, BranchNotFound
from library_domain.local_dates import local_date, time_zone_names, time_zone_or_none
from service_kit.clock import SECOND, Clock
from service_kit.errors import FieldInvalid
from service_kit.etags import etag_of
from service_kit.field_masks import masked_fields
from service_kit.idempotency import once
from service_kit.paging import page, page_size, row_position
from service_kit.revisions import lock_revisions, take_revisions
from service_kit.store import Store
from service_kit.text.keys import tidied
from service_kit.unreadable import read_rows, readable
from service_kit.validation import Problem

CODE = re.compile("[a-z0-9][a-z0-9_-]{0,39}")
CODE_PROBLEM = "must be 1 to 40 lower-case letters, digits, - and _, the first one a letter or digit"

CHANGEABLE_FIELDS = ("display_name", "time_zone")


def create_branch(store: Store, request: CreateBranchRequest, clock: Clock) -> branch_pb2.Branch:
    """Create a branch with a calendar without closed days. Raises `FieldInvalid` and `BranchExists`."""
    check_new_branch(request)
    branch = request.branch

    def create() -> branch_pb2.Branch:
        lock_revisions()  # so that no other call creates it meanwhile
        if Branch.select(Branch.key).where(Branch.code == branch.code).exists():
            raise BranchExists(branch=branch.code)
        now, revision = clock(), take_revisions(2)
        times = {"create_time": now, "update_time": now}
        row = Branch.create(code=branch.code, revision=revision, **times, **_own_columns(branch, CHANGEABLE_FIELDS))
        Calendar.insert(branch=branch.code, message=b"", revision=revision + 1, **times).execute()
        return branch_message(row)

    return once(store, request, branch_pb2.Branch, create, clock)


def get_branch(store: Store, code: str) -> branch_pb2.Branch:
    """Return a branch. Raises `FieldInvalid` for an invalid code, and `BranchNotFound`."""
    check_code("code", code)
    with store.reading(), readable("branch", code):
        return branch_message(stored_branch(code))


def list_branches(store: Store, request: ListBranchesRequest) -> tuple[list[branch_pb2.Branch], str]:
    """Return a page of the branches by code, and the token of the next."""
    query = Branch.select().order_by(Branch.code).limit(page_size(request) + 1)
    if after := row_position(request):
        other = Branch.alias()
        query = query.where(Branch.code > other.select(other.code).where(other.key == after))
    with store.reading():
        return page(request, read_rows(query, Branch), branch_message, lambda row: row.key)


def update_branch(store: Store, request: UpdateBranchRequest, clock: Clock) -> branch_pb2.Branch:
    """Change the fields that the mask names. Raises `FieldInvalid`, `BranchNotFound` and `BranchEtagMismatch`."""
    check_branch_update(request)
    branch = request.branch
    fields, _ = masked_fields(branch, request.update_mask, CHANGEABLE_FIELDS)
    columns = _own_columns(branch, fields)

    def update() -> branch_pb2.Branch:
        lock_revisions()
        row = stored_branch(branch.code)
        if branch.etag and branch.etag != etag_of(row.revision, row.update_time):
            raise BranchEtagMismatch(branch=branch.code)
        if any(getattr(row, name) != value for name, value in columns.items()):
            for name, value in columns.items():
                setattr(row, name, value)
            row.update_time, row.revision = clock(), take_revisions()
            row.save()
        return branch_message(row)

    with readable("branch", branch.code):
        return once(store, request, branch_pb2.Branch, update, clock)


def check_code(field: str, code: str) -> None:
    """Raise `FieldInvalid` for what cannot be the code of a branch."""
    if not CODE.fullmatch(code):
        raise FieldInvalid((field, CODE_PROBLEM))


def check_new_branch(request: CreateBranchRequest) -> None:
    """Raise `FieldInvalid` with all problems of a new branch that the contract's own rules do not cover."""
    _raise_problems([], request.branch, CHANGEABLE_FIELDS)


def check_branch_update(request: UpdateBranchRequest) -> None:
    """Raise `FieldInvalid` with all problems of an update that the contract's own rules do not cover."""
    fields, wrong = masked_fields(request.branch, request.update_mask, CHANGEABLE_FIELDS)
    _raise_problems(wrong, request.branch, fields)


def stored_branch(code: str) -> Branch:
    """Read a branch. Raises `BranchNotFound`."""
    row: Branch | None = Branch.get_or_none(Branch.code == code)
    if row is None:
        raise BranchNotFound(branch=code)
    return row


def today_in(branch: str, now: int) -> date:
    """Return the local date of a branch. One without a time zone has that of `main`, or otherwise of the machine."""
    zones = {row.code: row.time_zone for row in Branch.select().where(Branch.code.in_([branch, MAIN_BRANCH]))}
    zone = time_zone_or_none(zones.get(branch) or zones.get(MAIN_BRANCH) or "?")
    return local_date(now, zone) if zone else datetime.fromtimestamp(now // SECOND).date()  # noqa: DTZ006


def _raise_problems(wrong: list[Problem], branch: branch_pb2.Branch, fields: Collection[str]) -> None:
    if not CODE.fullmatch(branch.code):
        wrong.append(("branch.code", CODE_PROBLEM))
    if "display_name" in fields and not tidied(branch.display_name):
        wrong.append(("branch.display_name", "must not be empty"))
    if "time_zone" in fields and branch.time_zone and branch.time_zone not in time_zone_names():
        wrong.append(("branch.time_zone", "must be the name of an IANA time zone, such as Europe/Berlin"))
    if wrong:
        raise FieldInvalid(*wrong)


def _own_columns(branch: branch_pb2.Branch, fields: Collection[str]) -> dict[str, Any]:
    return {name: tidied(getattr(branch, name)) for name in fields}
