"""Hashes of passwords: their bound, and which secrets can be chosen."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from frontend_server.access.passwords import HashCost, Passwords
from frontend_server.access.secret_rules import check_new_secret, check_secret_of, is_pin
from service_kit.calls.current import CURRENT_CALL
from service_kit.errors import FieldInvalid, ServerBusy


class CallOfNow:
    """A call that waits no longer."""

    give_up_at = 0.0

    def is_wanted(self) -> bool:
        return True

    def is_server_open(self) -> bool:
        return True


@pytest.fixture
def call_of_now() -> Iterator[None]:
    token = CURRENT_CALL.set(CallOfNow())
    yield
    CURRENT_CALL.reset(token)


@pytest.mark.parametrize(("waiting", "limit"), [(0, "1 callers sign in"), (1, "1 callers sign in at a time")])
@pytest.mark.usefixtures("call_of_now")
def test_callers_above_the_bound_are_refused_at_once(waiting: int, limit: str) -> None:
    passwords = Passwords(HashCost(memory_kib=8, time_cost=1, at_once=1, waiting=waiting))
    for _ in range(2):
        with passwords.turn():
            with pytest.raises(ServerBusy) as refusal, passwords.turn():
                pass
            assert refusal.value.metadata == {"limit": limit}
            assert passwords.verify(passwords.hash("a secret"), "a secret")
            assert not passwords.verify("", "a secret")
            assert not passwords.verify("no hash", "a secret")


@pytest.mark.parametrize("secret", ["correct horse", "2857142", "ⅷ quiet harbours", "0001 0002 0003x", "123456123457"])
def test_a_secret_can_be_chosen(secret: str) -> None:
    check_new_secret(secret)
    check_secret_of(secret, ["Ada", ""], is_staff=not is_pin(secret))


@pytest.mark.parametrize(
    "secret", ["987654", "678901", "121212", "1234567890", "0000000000000", "QWERTYUIOP", "Letmein2024"]
)
def test_a_secret_that_many_people_choose_is_refused(secret: str) -> None:
    with pytest.raises(FieldInvalid, match="many people choose"):
        check_new_secret(secret)
