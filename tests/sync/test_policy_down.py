"""What a librarian decides reaches the frontend: from the use cases of the admin to the rows of the replica."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from google.type.dayofweek_pb2 import SUNDAY

from admin_server.policy.branches import create_branch, update_branch
from admin_server.policy.calendars import update_calendar
from admin_server.policy.library_settings import update_settings
from admin_server.policy.rules import create_rule, delete_rule, update_rule
from frontend_server.store import models
from library.admin.v1.branch_service_pb2 import CreateBranchRequest, UpdateBranchRequest, UpdateCalendarRequest
from library.admin.v1.policy_service_pb2 import (
    CreateCirculationRuleRequest,
    DeleteCirculationRuleRequest,
    UpdateCirculationRuleRequest,
    UpdateLibrarySettingsRequest,
)
from library.v1.branch_pb2 import Branch
from library.v1.calendar_pb2 import Calendar
from library.v1.circulation_rule_pb2 import CirculationRule
from library.v1.library_settings_pb2 import LibrarySettings
from library_domain.default_policy import DEFAULT_RULE_ID
from service_kit.clock import system_clock
from tests.support.stores import Engine, FreshDatabases
from tests.sync.libraries import Library


@pytest.fixture
def library(databases: FreshDatabases, engine: Engine) -> Iterator[Library]:
    library = Library(databases, engine, page_size=2)
    yield library
    library.close()


def do(library: Library, use_case: Any, request: Any) -> Any:
    with library.admin.at_work() as store:
        return use_case(store, request, system_clock)


def received(library: Library, model: Any, message: Any) -> dict[str, Any]:
    """Return the messages of a replica by their ids, after a sync that sets nothing aside."""
    library.sync()
    with library.frontend.at_work():
        assert list(models.SetAside.select()) == []
        return {row.id: message.FromString(bytes(row.message)) for row in model.select()}


def without_etag(message: Any) -> Any:
    message.ClearField("etag")
    return message


def test_rules_are_received_changed_and_deleted(library: Library) -> None:
    assert received(library, models.CirculationRule, CirculationRule) == {}
    dvd = do(library, create_rule, CreateCirculationRuleRequest(rule=CirculationRule(item_type="DVD", loan_days=7)))
    usual = CirculationRule(id=DEFAULT_RULE_ID, loan_days=21)
    usual = do(library, update_rule, UpdateCirculationRuleRequest(rule=usual))
    assert received(library, models.CirculationRule, CirculationRule) == {
        dvd.id: without_etag(dvd),
        DEFAULT_RULE_ID: without_etag(usual),
    }
    do(library, delete_rule, DeleteCirculationRuleRequest(id=dvd.id))
    assert received(library, models.CirculationRule, CirculationRule).keys() == {DEFAULT_RULE_ID}


def test_branches_calendars_and_settings_are_received(library: Library) -> None:
    do(library, create_branch, CreateBranchRequest(branch=Branch(code="north", display_name="North")))
    main = do(library, update_branch, UpdateBranchRequest(branch=Branch(code="main", time_zone="Europe/Berlin")))
    week = Calendar(branch="main", weekly_closed_days=[SUNDAY])
    week = do(library, update_calendar, UpdateCalendarRequest(calendar=week))
    limit = UpdateLibrarySettingsRequest(settings=LibrarySettings(loan_limit=0))
    settings = do(library, update_settings, limit)
    branches = received(library, models.Branch, Branch)
    assert (set(branches), branches["main"]) == ({"main", "north"}, without_etag(main))
    calendars = received(library, models.Calendar, Calendar)
    assert (set(calendars), calendars["main"]) == ({"main", "north"}, without_etag(week))
    assert list(received(library, models.LibrarySettings, LibrarySettings).values()) == [without_etag(settings)]
