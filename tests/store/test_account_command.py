"""`library-frontend account`: the account of the first admin, on both engines."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner, Result

from frontend_server.__main__ import commands
from frontend_server.store.models import bind
from service_kit.clock import system_clock
from service_kit.errors import ServiceError
from tests.support.clocks import SettableClock
from tests.support.frontend import LocalFrontend
from tests.support.sign_ins import SignIns


@pytest.fixture
def desk(frontend: LocalFrontend, clock: SettableClock) -> SignIns:
    clock.now = system_clock()  # that of the command
    return SignIns(frontend)


def run(desk: SignIns, *arguments: str) -> Result:
    result = CliRunner().invoke(commands, ["account", *arguments, "--database-url", desk.store.url])
    bind(desk.store)  # the command has bound the models to its own connection
    return result


def test_a_person_is_enrolled_found_again_and_sets_a_password(desk: SignIns) -> None:
    unknown = run(desk, "grace@example.org")
    assert isinstance(unknown.exception, ServiceError)
    made = json.loads(run(desk, "grace@example.org", "--first-name", "Grace", "--last-name", "Hopper", "--json").output)
    assert made["displayName"] == "Grace Hopper"
    for name in ("GRACE@example.org", made["userId"], made["userId"].upper()):
        assert json.loads(run(desk, name, "--json", "--no-code").output)["userId"] == made["userId"]
    desk.set("grace@example.org", made["code"])
    assert desk.enter("grace@example.org").user_id == made["userId"]
    shown = run(desk, made["userId"], "--first-name", "Another").output
    assert f"Grace Hopper, {made['userId']}" in shown
    assert "library set-password" in shown
    carded = json.loads(run(desk, "c-4711", "--first-name", "Ada", "--json").output)
    assert json.loads(run(desk, "C-4711", "--json").output)["userId"] == carded["userId"]
