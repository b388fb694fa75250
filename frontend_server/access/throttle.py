"""The throttle of sign-ins: failures are counted by user and by address before a secret is verified.

An attempt is counted as a failure, and committed, before the hash is computed: so calls at the same moment cannot guess
more often than calls one after another. A success takes that back.

An attempt counts for its address, and for the user together with all attempts from addresses that have failed for this
user before, or with all first attempts from new addresses. So addresses that guess on cannot keep out the user who
signs in from a new one. An address from which the user has signed in before is counted by itself.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from ipaddress import ip_address, ip_network

from frontend_server.access.waits import OF_ADDRESS, OF_KNOWN_ADDRESS, OF_NAME, Failures, Limit
from frontend_server.store.models import SignInTally
from library_domain.access.errors import SignInThrottled
from service_kit.clock import DAY, SECOND
from service_kit.statements import Statement, param, tuples
from service_kit.store import Store

FAILURES = (SignInTally.failures, SignInTally.time)
PLACE = Statement(
    SignInTally.select(SignInTally.is_known, SignInTally.time).where(SignInTally.subject == param("subject"))
)
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


NEW_AFTER = DAY
"""An address is new for a user if the last failure there is longer ago."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """An attempt to sign in that was counted."""

    place: str
    """The subject of the user at the address."""
    counted: tuple[str, ...]
    """The subjects for which it was counted, in the order of locks."""


def begin_attempt(store: Store, account: str, address: str, now: int) -> Attempt:
    """Count an attempt as a failure. Raises `SignInThrottled`, and counts nothing then.

    Args:
        store: Where it is counted.
        account: The user's id, or a name that nobody has.
        address: Where the call comes from.
        now: The time.
    """
    place = place_of(account, address)
    with store.writing():
        if _is_known(place):
            counted = [_counted(place, OF_KNOWN_ADDRESS, now)]
        else:
            # The subject of the user depends on the place, so the place is locked first.
            counted = [_counted(address_of(address), OF_ADDRESS, now)]
            user = _user_at(account, place, now)
            counted += [_counted(place, None, now), _counted(user, OF_NAME, now)]
    return Attempt(place, tuple(counted))


def check_wait(store: Store, account: str, address: str, now: int) -> None:
    """Raise `SignInThrottled` if an attempt has to wait. It only reads, so refused attempts keep nobody waiting."""
    place = place_of(account, address)
    with store.reading():
        limits = {place: OF_KNOWN_ADDRESS}
        if not _is_known(place):
            limits = {_user_at(account, place, now): OF_NAME, address_of(address): OF_ADDRESS}
        waits = [
            limit.wait(Failures(*row), now)
            for each, limit in limits.items()
            if (row := READ.row(subject=each)) is not None
        ]
    _refuse_wait(max(waits, default=0))


def note_success(attempt: Attempt, now: int) -> None:
    """Take back what was counted, and remember that the user signs in from this address. Within a transaction."""
    for each in attempt.counted:
        [(count, time)] = LOCK.rows(subject=each, now=now)
        _set(each, Failures(count, time).one_less())
        if each == attempt.place:
            SET_KNOWN.rows(subject=each, now=now)


def note_known(account: str, address: str, now: int) -> None:
    """Remember that a user has proved at this address who the user is. Within a transaction."""
    SET_KNOWN.rows(subject=place_of(account, address), now=now)


def forget_account(store: Store, account: str) -> None:
    """Delete all rows of a user. Within a transaction that has locked `sync_state`, because there can be several."""
    rows = SignInTally.subject.between(_hash(account), f"{_hash(account)}{NEWCOMERS}")
    tuples(store.locking(SignInTally.select(SignInTally.subject).where(rows).order_by(SignInTally.subject)))
    SignInTally.delete().where(rows).execute()


HALF = 32
"""Characters of each half of a subject."""

RETURNING, NEWCOMERS = "y" * HALF, "z" * HALF
"""In place of an address: all that have failed for the user before, and all new ones."""


def place_of(account: str, address: str) -> str:
    """Return the subject of a user at an address."""
    return f"{_hash(account)}{_hash(network_of(address))}"


def user_of(account: str, *, is_new: bool) -> str:
    """Return the subject of a user, or of a name that nobody has, at all addresses of a kind.

    It begins like the user's subjects with an address, so that all of them can be deleted, and is locked after them.
    """
    return f"{_hash(account)}{NEWCOMERS if is_new else RETURNING}"


def address_of(address: str) -> str:
    """Return the subject of an address. It is locked before all others."""
    return f"{'0' * HALF}{_hash(network_of(address))}"


def network_of(address: str) -> str:
    """Return what counts as one address: for IPv6 the network of 64 bits, all of which one client may have."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return address
    return address if parsed.version == 4 else str(ip_network((parsed.packed[:8] + bytes(8), 64)))


def _hash(text: str) -> str:
    """Return a hash, so that the table has no names and no addresses."""
    return hashlib.sha256(text.encode()).hexdigest()[:HALF]


def _is_known(place: str) -> bool:
    row = PLACE.row(subject=place)
    return row is not None and bool(row[0])


def _user_at(account: str, place: str, now: int) -> str:
    """Return the subject of a user for an attempt at an address."""
    row = PLACE.row(subject=place)
    return user_of(account, is_new=row is None or row[1] < now - NEW_AFTER)


def _counted(subject: str, limit: Limit | None, now: int) -> str:
    """Count a failure and return its subject. Locks the row until the transaction ends. Raises `SignInThrottled`."""
    [(count, time)] = LOCK.rows(subject=subject, now=now)
    failures = Failures(count, time)
    if limit is not None:
        _refuse_wait(limit.wait(failures, now))
    _set(subject, failures.one_more(now))
    return subject


def _refuse_wait(wait: int) -> None:
    if wait > 0:
        raise SignInThrottled(seconds=-(-wait // SECOND))


def _set(subject: str, failures: Failures) -> None:
    SET.rows(subject=subject, failures=failures.count, time=failures.time)
