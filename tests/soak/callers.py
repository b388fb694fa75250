"""One of the callers: it plans a call, makes it until its outcome is known or it stops trying, and keeps a ledger."""

from __future__ import annotations

import random
import threading
import time
import traceback
from collections.abc import Sequence
from typing import Any

from library.admin.v1 import catalog_service_pb2 as admin_catalog
from library.frontend.v1.circulation_service_pb2 import CancelCheckOutRequest
from library.frontend.v1.member_service_pb2 import EraseUserRequest
from library.v1.book_pb2 import Book
from tests.soak.desk import Desk, Plan
from tests.soak.garbling import garbled
from tests.soak.ledger import Ledger
from tests.soak.library import Library
from tests.soak.methods import Method
from tests.soak.plans import PLANS
from tests.soak.records import Records
from tests.soak.recovery import recover
from tests.soak.sending import WAYS, Outcome, Sender, plain
from tests.support.changing_methods import CHANGING_METHODS, WITHOUT_REQUEST_ID

PATIENCE_SECONDS = 300.0
"""How long a call is sent again before that is a fault: longer than any restart takes."""

IMPORT = "library.admin.v1.CatalogService/ImportBooks"

BAD_INPUT, SENT_TWICE, WITHOUT_ID, GIVEN_UP = 0.2, 0.15, 0.15, 0.15
"""How likely a call has bad input, is sent again after its answer came, has no request id, and is given up when its
outcome is not known."""

RECOVERS = 0.1
"""How likely a caller looks after a loan of unknown state after a call."""

DOCUMENTED_FOR_BAD_INPUT = frozenset(
    {"INVALID_ARGUMENT", "NOT_FOUND", "FAILED_PRECONDITION", "ALREADY_EXISTS", "ABORTED", "OUT_OF_RANGE"}
    | {"UNAUTHENTICATED", "PERMISSION_DENIED"}
)


class Caller(threading.Thread):
    """Calls any method at random until `stop`; `ledger` has the results."""

    def __init__(
        self,
        number: int,
        library: Library,
        methods: dict[str, list[Method]],
        records: Records,
        shared: Sequence[Book],
        own_shared: Sequence[Book],
        seed: str,
    ) -> None:
        super().__init__(name=f"caller {number}", daemon=True)
        self.ledger = Ledger()
        for book in own_shared:
            self.ledger.note(book)
        self._library, self._methods, self._records = library, methods, records
        self._chance = random.Random(f"{seed}/{number}")
        self._desk = Desk(self._chance, self.ledger, shared, [book.id for book in own_shared], number)
        self._sender = Sender(library, records, self._chance)
        self._has_ended = threading.Event()
        self._names = list(PLANS)
        self._weights = [PLANS[name].weight for name in self._names]

    def run(self) -> None:
        try:
            while not self._has_ended.is_set():
                name = self._chance.choices(self._names, self._weights)[0]
                try:
                    self._call(name)
                    if self._chance.random() < RECOVERS:
                        self._recover()
                except Exception:  # noqa: BLE001 - shown at the end; meanwhile the others go on, and so does this one
                    self._fault(name, traceback.format_exc())
                    time.sleep(0.1)
        finally:
            self._sender.close()

    def stop(self) -> None:
        """Finish the call that has begun, and then end."""
        self._has_ended.set()

    def _call(self, name: str) -> None:
        plan = PLANS[name].plan(self._desk)
        if plan is None:
            return
        method = self._chance.choice(self._methods[name])
        is_bad = plan.can_be_garbled and self._chance.random() < BAD_INPUT
        if is_bad:
            plan.requests = [garbled(request, self._chance) for request in plan.requests]
        if name == IMPORT:
            self._import(method, plan, is_bad)
        elif name in CHANGING_METHODS and name not in WITHOUT_REQUEST_ID:
            self._change(method, plan, is_bad)
        else:
            self._read(method, plan, is_bad)

    def _recover(self) -> None:
        def send(name: str, plan: Plan) -> tuple[Outcome, bool]:
            return self._settled(self._methods[name][0], plan, can_be_sent_again=True)

        problem = recover(self._desk, send)
        if problem:
            self._fault("recovery", problem)

    # --- calls that change nothing, or nothing that a ledger has ---

    def _read(self, method: Method, plan: Plan, is_bad: bool) -> None:
        outcome = self._sender.send(method, plan.requests, self._chance.choice(WAYS))
        if outcome.is_unknown:
            self._wait(outcome)
        elif outcome.status != "OK":
            self._judge_refusal(method, plan, is_bad, outcome)
        elif not is_bad:
            self._judge_answer(method, plan, outcome.answer)

    # --- calls that change something ---

    def _change(self, method: Method, plan: Plan, is_bad: bool) -> None:
        if self._chance.random() >= WITHOUT_ID or not plan.can_be_given_up:
            plan.request.request_id = self._desk.new_id()
        outcome, is_known = self._settled(method, plan, can_be_sent_again=bool(plan.request.request_id))
        if not is_known:
            self._keep_as_maybe(method, plan, is_bad)
        elif outcome.status != "OK":
            self._judge_refusal(method, plan, is_bad, outcome)
        else:
            self._keep(method, plan, is_bad, outcome.answer)

    def _settled(self, method: Method, plan: Plan, *, can_be_sent_again: bool) -> tuple[Outcome, bool]:
        """Call until the outcome is known. It is not when the call is given up, or refused after one that got lost."""
        outcome = self._sender.send(method, plan.requests, self._chance.choice(WAYS))
        deadline = time.monotonic() + PATIENCE_SECONDS
        while outcome.is_unknown:
            plan.retried = True
            self._wait(outcome)
            if not can_be_sent_again or (plan.can_be_given_up and self._chance.random() < GIVEN_UP):
                return outcome, False
            if time.monotonic() > deadline:
                self._fault(method.name, f"no answer in {PATIENCE_SECONDS} s, at last {outcome}")
                return outcome, False
            outcome = self._sender.send(method, plan.requests, plain(lambda: self._chance.choice(WAYS)))
        return outcome, outcome.status == "OK" or not plan.retried

    def _keep(self, method: Method, plan: Plan, is_bad: bool, answer: Any) -> None:
        self._records.acknowledged[method.name] += 1
        row = self._row_of(plan, answer)
        if row is not None:
            self._note(method, plan, row)
        if isinstance(plan.request, EraseUserRequest):
            self.ledger.forget(plan.request, is_known=True)
        if isinstance(plan.request, CancelCheckOutRequest):
            self.ledger.cancelled.add(answer.id)
        if not is_bad:
            self._judge_answer(method, plan, answer)
        if plan.request.request_id and not _is_a_trial(plan) and self._chance.random() < SENT_TWICE:
            self._send_again(method, plan, answer)

    def _row_of(self, plan: Plan, answer: Any) -> Any:
        """The user, loan or book that was made or changed, alone or in the answer of a desk; None without one."""
        if self.ledger.has_kind(answer):
            return answer
        if (plan.about is None and not plan.makes) or _is_a_trial(plan):
            return None
        return answer.loan if answer.HasField("loan") else None

    def _note(self, method: Method, plan: Plan, answer: Any) -> None:
        if plan.makes and self.ledger.knows(answer):
            self._fault(method.name, f"made a row that existed already: {answer}")
        if not plan.makes and not self.ledger.knows(answer):
            self._fault(method.name, f"changed what was not asked for: {answer}, for {plan.request}")
        self.ledger.note(answer)

    def _send_again(self, method: Method, plan: Plan, answer: Any) -> None:
        way = self._chance.choice(WAYS)
        again = self._sender.send(method, plan.requests, way)
        if again.is_unknown:
            self._wait(again)
        elif again.status != "OK" or again.answer != answer:
            self._fault(method.name, f"sent again: first {answer}, then {again}")

    def _keep_as_maybe(self, method: Method, plan: Plan, is_bad: bool) -> None:
        if plan.about is not None:
            plan.about.maybe, plan.about.is_exact = plan.request, not is_bad
            if isinstance(plan.request, CancelCheckOutRequest):
                self.ledger.cancelled.add(plan.about.last.id)
            if isinstance(plan.about.last, Book) and isinstance(plan.request, admin_catalog.UpdateBookRequest):
                self.ledger.can_have(plan.about.last.id, plan.request.book.total_copies)
        if isinstance(plan.request, EraseUserRequest):
            self.ledger.forget(plan.request, is_known=False)
        if plan.makes:
            self.ledger.maybe_made.append(plan.request)

    # --- imports ---

    def _import(self, method: Method, plan: Plan, is_bad: bool) -> None:
        # A row that lost its ISBN is not recognized, and would be added again.
        outcome, is_known = self._settled(method, plan, can_be_sent_again=not is_bad)
        if outcome.status == "OK":
            self._records.acknowledged[method.name] += 1
            self._keep_outcomes(plan, is_bad, outcome.answer)
            return
        if not is_known:
            self.ledger.maybe_made += [row.book for row in plan.requests if not row.validate_only]
        else:
            self._judge_refusal(method, plan, is_bad, outcome)

    def _keep_outcomes(self, plan: Plan, is_bad: bool, answer: Any) -> None:
        if len(answer.outcomes) != len(plan.requests):
            self._fault(IMPORT, f"{len(plan.requests)} rows, {len(answer.outcomes)} outcomes")
            return
        for row, outcome in zip(plan.requests, answer.outcomes, strict=True):
            is_added = outcome.result == admin_catalog.IMPORT_RESULT_ADDED and not row.validate_only
            is_there = outcome.result == admin_catalog.IMPORT_RESULT_ALREADY_THERE
            if is_added or (is_there and plan.retried):
                self.ledger.imported[outcome.book_id] = row.book.title.strip() if not is_bad else ""
                self.ledger.can_have(outcome.book_id, row.book.copies)
            problem = "" if is_bad else _wrong_outcome(row, outcome, plan.retried)
            if problem:
                self._fault(IMPORT, f"{problem}: {outcome} for {row}")

    # --- what is right ---

    def _judge_refusal(self, method: Method, plan: Plan, is_bad: bool, outcome: Outcome) -> None:
        if is_bad:
            is_right = outcome.status in DOCUMENTED_FOR_BAD_INPUT
        else:
            is_right = outcome.reason in plan.refusals or f"*{outcome.status}" in plan.refusals
        if not is_right:
            self._fault(method.name, f"refused: {outcome}, for {str(plan.request)[:500]}")

    def _judge_answer(self, method: Method, plan: Plan, answer: Any) -> None:
        if plan.must_be_refused:
            self._fault(method.name, f"was to be refused: {answer}, for {str(plan.request)[:500]}")
        problem = plan.check(answer) if plan.check else ""
        if problem:
            self._fault(method.name, problem)

    def _wait(self, outcome: Outcome) -> None:
        """Let a killed process come back before the next call."""
        if outcome.status == "UNAVAILABLE":
            self._library.wait_until_all_are_up(PATIENCE_SECONDS)
            time.sleep(self._chance.uniform(0.01, 0.2))

    def _fault(self, method: str, text: str) -> None:
        self._records.fault(f"{self.name}, {method}: {text}")


def _is_a_trial(plan: Plan) -> bool:
    """Whether the call changes nothing. Then its answer is not kept, and another one has times of its own."""
    return getattr(plan.request, "validate_only", False)


def _wrong_outcome(row: Any, outcome: Any, was_retried: bool) -> str:
    """What is wrong with the outcome of a good import's row: bad rows are those with the ISBN of nothing."""
    if row.book.isbn == "9780000000000":
        return "" if outcome.result == admin_catalog.IMPORT_RESULT_REFUSED else "a wrong ISBN was taken"
    fine = {admin_catalog.IMPORT_RESULT_ADDED}
    if was_retried:
        fine.add(admin_catalog.IMPORT_RESULT_ALREADY_THERE)
    return "" if outcome.result in fine else "a good row"
