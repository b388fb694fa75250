"""Request ids (AIP-155): a call that is sent twice is done once, and both are answered with the first answer.

The table `request` has a row for each answered call that had a request id. The row is inserted in the transaction that
does the work, so either both are committed or neither is.
"""

from __future__ import annotations

import hashlib
import time
import weakref
from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar

import peewee
from google.protobuf.message import Message

from service_kit.change_record import record_change, skip_record
from service_kit.cleanups import Deletion, Turns
from service_kit.clock import DAY, SECOND, Clock
from service_kit.errors import RequestIdReused, ServiceError
from service_kit.logs import logger
from service_kit.statements import Statement, param
from service_kit.store import Store

DAYS_KEPT = 7
"""How long an answer is kept, as the comment of each `request_id` in the contract states."""

Answer = TypeVar("Answer", bound=Message)

log = logger(__name__)


class RequestKey(NamedTuple):
    """Identifies a request: its id, its method, and a digest of its arguments."""

    request_id: str
    method: str
    """Such as `library.frontend.v1.BorrowBook`."""
    digest: str
    """Of 32 characters."""


class AnsweredRequest(peewee.Model):
    """A call with a request id that was answered. `create_time` is in microseconds since 1970."""

    request_id = peewee.CharField(36, primary_key=True)
    method = peewee.TextField()  # such as library.frontend.v1.BorrowBook
    digest = peewee.CharField(32)  # of the arguments: see `request_digest`
    answer = peewee.BlobField()  # the serialized response message
    create_time = peewee.BigIntegerField()

    class Meta:
        table_name = "request"


AnsweredRequest.add_index(AnsweredRequest.create_time, name="request_create_time")


FIND = Statement(
    AnsweredRequest.select(AnsweredRequest.method, AnsweredRequest.digest, AnsweredRequest.answer).where(
        AnsweredRequest.request_id == param("request_id")
    )
)
SAVE = Statement(
    AnsweredRequest.insert(
        request_id=param("request_id"),
        method=param("method"),
        digest=param("digest"),
        answer=param("answer"),
        create_time=param("create_time"),
    )
)
EXPIRED = Deletion(
    AnsweredRequest.request_id, AnsweredRequest.create_time < param("before"), AnsweredRequest.create_time
)


def once(store: Store, request: Any, answer_type: type[Answer], work: Callable[[], Answer], clock: Clock) -> Answer:
    """Do the work of a request in one transaction, unless a call with its request id was answered before.

    Without a request id the work is done. With a known one, for the same method and the same arguments, the first
    answer is returned unchanged. An error that `work` raises is not kept: nothing was changed, so the same call can
    succeed later.

    Args:
        store: Where the work and its answer are committed, both or neither.
        request: A validated request message with a field `request_id`, named after its method as `buf lint` demands.
        answer_type: The method's response message.
        work: Makes the changes and returns the answer. It runs within a transaction, at most once.
        clock: When the answer was given, in microseconds since 1970.

    Raises:
        RequestIdReused: The id was used for another method or with other arguments.
        ServiceError, peewee.IntegrityError: What `work` raised.
    """
    if not request.request_id:
        with store.writing():
            answer = work()
            record_change(answer)
            return answer
    method = request.DESCRIPTOR.full_name.removesuffix("Request")
    return once_by(store, RequestKey(request.request_id, method, request_digest(request)), answer_type, work, clock)


def once_by(
    store: Store, request: RequestKey, answer_type: type[Answer], work: Callable[[], Answer], clock: Clock
) -> Answer:
    """Do the work of a request by its key, as `once` does; for requests that are not one message."""
    key = request._asdict()
    try:
        with store.writing():
            first = _first_answer(**key)
            if first is not None:
                skip_record()
                return answer_type.FromString(first)
            answer = work()
            record_change(answer)
            # After the work: the answer may contain its revision. Only calls with the same id wait for this row, and
            # they take no lock after it, so no deadlock can come of it.
            now = clock()
            _save(answer=answer.SerializeToString(), create_time=now, **key)
    except (ServiceError, peewee.IntegrityError, _AnsweredMeanwhile) as error:
        # On PostgreSQL the same call may have been committed while this one ran. This one then found no copy, or
        # inserted a row that existed. It returns the answer of the other one.
        with store.reading():
            first = _first_answer(**key)
        if first is not None:
            skip_record()
            return answer_type.FromString(first)
        if isinstance(error, _AnsweredMeanwhile):  # and the answer has expired since: the id can be used again
            return once_by(store, request, answer_type, work, clock)
        raise
    _cleanup_of(store).run_if_due(lambda: now)
    return answer


def earlier_answer(store: Store, request: Any, answer_type: type[Answer]) -> Answer | None:
    """Return the answer to an earlier call with the request's id; None if there is none.

    For work that is prepared outside of the transaction, which a retry need not do again. Raises `RequestIdReused`.
    """
    if not request.request_id:
        return None
    method = request.DESCRIPTOR.full_name.removesuffix("Request")
    with store.reading():
        first = _first_answer(request.request_id, method, request_digest(request))
    if first is None:
        return None
    skip_record()
    return answer_type.FromString(first)


class _AnsweredMeanwhile(Exception):
    """A call with the same request id was committed while this one ran."""


def _save(**row: object) -> None:
    try:
        SAVE.rows(**row)
    except peewee.IntegrityError as taken:
        raise _AnsweredMeanwhile from taken


def request_digest(request: Message) -> str:
    """Return a digest of all arguments but `request_id`, to distinguish requests with the same id."""
    plain = type(request)()
    plain.CopyFrom(request)
    plain.ClearField("request_id")
    return hashlib.blake2b(plain.SerializeToString(deterministic=True), digest_size=16).hexdigest()


def is_answered(request_id: str) -> bool:
    """Return whether a request with this id was answered, within a transaction or `Store.reading`."""
    return FIND.row(request_id=request_id) is not None


def _first_answer(request_id: str, method: str, digest: str) -> bytes | None:
    """Return the answer to an earlier call with this id. Raises `RequestIdReused`."""
    row = FIND.row(request_id=request_id)
    if row is None:
        return None
    if row[:2] != (method, digest):
        raise RequestIdReused(request_id=request_id)
    return bytes(row[2])


class Cleanup:
    """Deletes expired answers of one store after a call has been committed."""

    def __init__(self, store: Store) -> None:
        # A weak reference: `_cleanups` keeps this object for as long as the store exists.
        self._store = weakref.ref(store)
        self._turns = Turns(store.times.cleanup_seconds, "cannot delete expired request ids")
        self._began: tuple[int, float] | None = None  # the first time that was seen, and when, in monotonic seconds

    def run_if_due(self, clock: Clock) -> None:
        """Delete a batch if a cleanup is due and no other thread is doing it. Errors are logged."""
        self._turns.run_if_due(self._open_store(), lambda: self.run(lambda: self._believed(clock())))

    def _believed(self, now: int) -> int:
        """Return the time, but at most the time of the first call plus a day and the time since then.

        A clock that jumps ahead by weeks must not make all answers expire at once. They expire later in that case.
        """
        if self._began is None:
            self._began = (now, time.monotonic())
        wall, monotonic = self._began
        return min(now, wall + int((time.monotonic() - monotonic) * SECOND) + DAY)

    def run(self, clock: Clock) -> int:
        """Delete some expired answers, the oldest first; return how many there were."""
        store = self._open_store()
        with store.writing():
            return EXPIRED.run(store, before=clock() - DAYS_KEPT * DAY)

    def _open_store(self) -> Store:
        store = self._store()
        assert store is not None
        return store


_cleanups: weakref.WeakKeyDictionary[Store, Cleanup] = weakref.WeakKeyDictionary()


def _cleanup_of(store: Store) -> Cleanup:
    cleanup = _cleanups.get(store)
    if cleanup is None:
        cleanup = _cleanups.setdefault(store, Cleanup(store))
    return cleanup
