"""The throttle of sign-ins: failures are counted by user and by address before a secret is verified.

An attempt is counted as a failure, and committed, before the hash is computed: so calls at the same moment cannot guess
more often than calls one after another. A success takes that back.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from ipaddress import ip_address, ip_network

from frontend_server.access.waits import OF_ADDRESS, OF_KNOWN_ADDRESS, OF_NAME, Failures, Limit
from frontend_server.store.models import SignInTally
from library_domain.access.errors import SignInThrottled
from service_kit.clock import SECOND
from service_kit.statements import Statement, param, tuples
from service_kit.store import Store

FAILURES = (SignInTally.failures, SignInTally.time)
IS_KNOWN = Statement(SignInTally.select(SignInTally.is_known).where(SignInTally.subject == param("subject")))
READ = Statement(SignInTally.select(*FAILURES).where(SignInTally.subject == param("subject")))
# The update of nothing locks the row until the transaction ends.
LOCK = Statement(
    SignInTally.insert(subject=param("subject"), failures=0.0, time=param("now"), is_known=0)
    .on_conflict(conflict_target=[SignInTally.subject], preserve=[SignInTally.subject])
    .returning(*FAILURES)
)
SET = Statement(
    SignInTally.update(failures=param("failures"), time=param("time")).where(SignInTally.subject == param("subject"))
)
SET_KNOWN = Statement(
    SignInTally.insert(subject=param("subject"), failures=0.0, time=param("now"), is_known=1).on_conflict(
        conflict_target=[SignInTally.subject], update={SignInTally.is_known: 1, SignInTally.time: param("now")}
    )
)


@dataclass(frozen=True, slots=True)
class Attempt:
    """An attempt to sign in that was counted."""

    place: str
    """The subject of the user at the address."""
    counted: frozenset[str]
    """The subjects for which it was counted."""


def begin_attempt(store: Store, account: str, address: str, now: int) -> Attempt:
    """Count an attempt as a failure. Raises `SignInThrottled`, and counts nothing then.

    Args:
        store: Where it is counted.
        account: The user's id, or a name that nobody has.
        address: Where the call comes from.
        now: The time.
    """
    check_wait(store, account, address, now)
    with store.writing():
        limits = _limits(account, address)
        for each in sorted(limits):
            [(count, time)] = LOCK.rows(subject=each, now=now)
            failures = Failures(count, time)
            _refuse_wait(limits[each].wait(failures, now))
            _set(each, failures.one_more(now))
    return Attempt(place_of(account, address), frozenset(limits))


def check_wait(store: Store, account: str, address: str, now: int) -> None:
    """Raise `SignInThrottled` if an attempt has to wait. It only reads, so refused attempts keep nobody waiting."""
    with store.reading():
        limits = _limits(account, address)
        waits = [
            limit.wait(Failures(*row), now)
            for each, limit in limits.items()
            if (row := READ.row(subject=each)) is not None
        ]
    _refuse_wait(max(waits, default=0))


def note_success(attempt: Attempt, now: int) -> None:
    """Take back what was counted, and remember that the user signs in from this address. Within a transaction."""
    for each in sorted({*attempt.counted, attempt.place}):
        if each in attempt.counted:
            [(count, time)] = LOCK.rows(subject=each, now=now)
            _set(each, Failures(count, time).one_less())
        if each == attempt.place:
            SET_KNOWN.rows(subject=each, now=now)


def note_known(account: str, address: str, now: int) -> None:
    """Remember that a user has proved at this address who the user is. Within a transaction."""
    SET_KNOWN.rows(subject=place_of(account, address), now=now)


def forget_account(store: Store, account: str) -> None:
    """Delete all rows of a user. Within a transaction that has locked `sync_state`, because there can be several."""
    prefix = _hash(account)
    rows = SignInTally.subject.between(f"{prefix}{'0' * HALF}", f"{prefix}{'f' * HALF}")
    tuples(store.locking(SignInTally.select(SignInTally.subject).where(rows).order_by(SignInTally.subject)))
    SignInTally.delete().where(rows).execute()


HALF = 32
"""Characters of each half of a subject."""


def account_of(account: str) -> str:
    """Return the subject of a user, or of a name that nobody has."""
    return f"{_hash(account)}{'0' * HALF}"


def place_of(account: str, address: str) -> str:
    """Return the subject of a user at an address. It begins like that of the user, so that both can be deleted."""
    return f"{_hash(account)}{_hash(network_of(address))}"


def address_of(address: str) -> str:
    """Return the subject of an address."""
    return f"{'0' * HALF}{_hash(network_of(address))}"


def _hash(text: str) -> str:
    """Return a hash, so that the table has no names and no addresses."""
    return hashlib.sha256(text.encode()).hexdigest()[:HALF]


def network_of(address: str) -> str:
    """Return what counts as one address: for IPv6 the network of 64 bits, all of which one client may have."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return address
    return address if parsed.version == 4 else str(ip_network((parsed.packed[:8] + bytes(8), 64)))


def _limits(account: str, address: str) -> dict[str, Limit]:
    """Return the limits of an attempt, by subject."""
    place = place_of(account, address)
    if (row := IS_KNOWN.row(subject=place)) is not None and row[0]:
        return {place: OF_KNOWN_ADDRESS}
    return {account_of(account): OF_NAME, address_of(address): OF_ADDRESS}


def _refuse_wait(wait: int) -> None:
    if wait > 0:
        raise SignInThrottled(seconds=-(-wait // SECOND))


def _set(each: str, failures: Failures) -> None:
    SET.rows(subject=each, failures=failures.count, time=failures.time)
