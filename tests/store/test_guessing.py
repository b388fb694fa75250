"""What it costs to guess 10,000 passwords of one user, from one address and from 100; and that the owner gets in.

The figures are printed: `make test-slow ARGS="-s tests/store/test_guessing.py"`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import pytest

from frontend_server.access.waits import OF_ADDRESS, OF_NAME, Failures
from library_domain.access.errors import SignInFailed, SignInThrottled
from service_kit.clock import DAY, SECOND
from tests.support.clocks import SettableClock
from tests.support.frontend import LocalFrontend
from tests.support.sign_ins import HOME, SignIns
from tests.support.stores import Engine

GUESSES = 10_000
CALLS: dict[Engine, int] = {"sqlite": 10_000, "postgresql": 500}
CALLS_PER_SECOND = 2
OWNER_COMES = 10
"""How often the owner signs in during the calls."""


@pytest.mark.slow
@pytest.mark.parametrize("addresses", [1, 100])
def test_guessing_is_slow_and_the_owner_gets_in(
    frontend: LocalFrontend,
    clock: SettableClock,
    engine: Engine,
    addresses: int,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The guesser calls on and on, without the waits that the answers name."""
    desk = SignIns(frontend)
    user = desk.member()
    desk.enter(user.email, address=HOME)
    outcomes: Counter[str] = Counter()
    began, calls = clock.now, CALLS[engine]
    for number in range(calls):
        outcomes[guess(desk, user.email, number, f"198.51.100.{number % addresses}")] += 1
        clock.advance(seconds=1 / CALLS_PER_SECOND)
        if number % (calls // OWNER_COMES) == calls // OWNER_COMES - 1:
            assert desk.enter(user.email, address=HOME).user_id == user.id, "from a known address"
            if addresses == 1:
                new = f"203.0.113.{number * OWNER_COMES // calls}"
                assert desk.enter(user.email, address=new).user_id == user.id, "from a new address"
    desk.set_by_code(user, "another harbour", "203.0.113.99")
    assert desk.enter(user.email, "another harbour", "203.0.113.99").user_id == user.id, "with a reset code"
    clock.advance(seconds=60)
    assert desk.enter(user.email, "another harbour", "203.0.113.98").user_id == user.id, "after the longest wait"
    minutes = (clock.now - began) / (60 * SECOND)
    assert outcomes["verified"] <= minutes + 30 + addresses
    with capsys.disabled():
        print(
            f"\n{engine}, {addresses} addresses: {calls:,} calls in {minutes:.0f} minutes, "
            f"{outcomes['verified']:,} verified, {outcomes['refused']:,} refused unread"
        )


def guess(desk: SignIns, name: str, number: int, address: str) -> str:
    try:
        desk.enter(name, f"guess number {number}", address)
    except SignInFailed:
        return "verified"
    except SignInThrottled:
        return "refused"
    raise AssertionError("a guess was right")


@pytest.mark.parametrize("addresses", [1, 100])
def test_a_patient_guesser_needs_days(addresses: int) -> None:
    """The guesser makes each call as soon as it may be made: by the rule alone, without a store."""
    first, *_, last = guess_times(addresses)
    days = (last - first) / DAY
    pin, password = GUESSES / 10**6, GUESSES / 26**10
    print(f"{addresses} addresses: {GUESSES:,} guesses take {days:.1f} days")
    print(f"with a chance of {pin:.1%} for 6 random digits, and of {password:.0e} for 10 random letters")
    assert days > 6.8


def guess_times(addresses: int) -> Iterator[int]:
    """Yield when each guess can be made, if the first ones from new addresses cost nothing."""
    now, of_user, of_address = 0, Failures(), [Failures()] * addresses
    for number in range(GUESSES):
        place = number % addresses
        while wait := max(OF_NAME.wait(of_user, now), OF_ADDRESS.wait(of_address[place], now)):
            now += wait
        of_user, of_address[place] = of_user.one_more(now), of_address[place].one_more(now)
        yield now
