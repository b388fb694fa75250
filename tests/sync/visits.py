"""A kind of rows that only the tests have, pushed to the admin: one message, a table and an entry on each side.

The frontend notes visits of its users, and the admin counts them. The state machine of the sync runs with this kind
alongside users and loans; no code of the services knows it.
"""

from __future__ import annotations

from collections import Counter as Tally
from collections.abc import Sequence
from typing import Any

import peewee
from google.protobuf.descriptor_pb2 import DescriptorProto, FieldDescriptorProto, FileDescriptorProto
from google.protobuf.descriptor_pool import Default
from google.protobuf.message_factory import GetMessageClass
from hypothesis import strategies as st
from hypothesis.stateful import initialize, invariant, precondition, rule

from admin_server.sync.recorded_kinds import RECORDED_KINDS, RecordedKind
from frontend_server.store.models import User
from frontend_server.sync.pushed_kinds import PUSHED_KINDS, PushedKind
from library.sync.v1 import sync_service_pb2
from service_kit.ids import new_id
from service_kit.outbox import IS_DUE, IS_PARKED, OutboxColumns
from service_kit.revisions import take_revisions
from service_kit.store import Store
from tests.support.stores import ServerName
from tests.sync.libraries import Library, WireError

FIELD_NUMBER = 99
TORN, UNFIT = "torn", "unfit"
"""Notes that a constraint of the admin's table refuses, and that the admin's own check does."""

# --- one message ---


def _contract() -> FileDescriptorProto:
    """Return the contract's request and its states, which have one field more for visits."""
    visit = DescriptorProto(name="Visit")
    for number, name in enumerate(("id", "user_id", "note"), start=1):
        visit.field.add(name=name, number=number, type="TYPE_STRING", label="LABEL_OPTIONAL")
    request, state = DescriptorProto(), DescriptorProto()
    sync_service_pb2.RecordStatesRequest.DESCRIPTOR.CopyToProto(request)
    sync_service_pb2.State.DESCRIPTOR.CopyToProto(state)
    [states] = [field for field in request.field if field.name == "states"]
    states.type_name = ".tests.sync.visits.State"
    state.field.add(
        name="visit",
        number=FIELD_NUMBER,
        type=FieldDescriptorProto.TYPE_MESSAGE,
        type_name=".tests.sync.visits.Visit",
        label=FieldDescriptorProto.LABEL_OPTIONAL,
        oneof_index=0,
    )
    file = FileDescriptorProto(name="tests/sync/visits.proto", package="tests.sync.visits", syntax="proto3")
    file.dependency.extend(["buf/validate/validate.proto", "google/api/field_behavior.proto"])
    file.dependency.extend(f"library/v1/{kind}.proto" for kind in ("user", "loan", "history", "audit"))
    file.message_type.extend([visit, state, request])
    return file


Default().AddSerializedFile(_contract().SerializeToString())
Visit: Any = GetMessageClass(Default().FindMessageTypeByName("tests.sync.visits.Visit"))
State: Any = GetMessageClass(Default().FindMessageTypeByName("tests.sync.visits.State"))
Request: Any = GetMessageClass(Default().FindMessageTypeByName("tests.sync.visits.RecordStatesRequest"))

# --- one table on each side ---


class FrontendVisit(OutboxColumns):
    """A visit as the frontend noted it."""

    key = peewee.BigAutoField()
    id = peewee.CharField(36, unique=True)
    user_id = peewee.CharField(36)
    note = peewee.TextField()

    class Meta:
        table_name = "visit"


class AdminVisit(peewee.Model):
    """A visit as the frontend pushed it."""

    key = peewee.BigAutoField()
    id = peewee.CharField(36, unique=True)
    user_id = peewee.CharField(36)
    note = peewee.TextField(constraints=[peewee.Check(f"note <> '{TORN}'")])
    revision = peewee.BigIntegerField()

    class Meta:
        table_name = "visit"


class VisitCount(peewee.Model):
    """How many visits of a user are recorded, counted from their rows."""

    user_id = peewee.CharField(36, primary_key=True)
    visits = peewee.IntegerField()

    class Meta:
        table_name = "visit_count"


TABLES: dict[ServerName, list[type[peewee.Model]]] = {"admin": [AdminVisit, VisitCount], "frontend": [FrontendVisit]}

# --- one entry on each side ---


def _state(row: FrontendVisit, _now: int) -> sync_service_pb2.State:
    """Return a state that has the visit as a field which the released contract does not know."""
    visit = Visit(id=row.id, user_id=row.user_id, note=row.note)
    return sync_service_pb2.State.FromString(State(visit=visit).SerializeToString())


PUSHED = (*PUSHED_KINDS, PushedKind("visit", FrontendVisit, _state))


def _columns(visit: Any) -> dict[str, object]:
    return {"id": visit.id, "user_id": visit.user_id, "note": visit.note}


def _problems(visit: Any) -> list[str]:
    return ["the note is unfit"] if visit.note == UNFIT else []


def _count(visits: Sequence[Any]) -> None:
    for user_id in {visit.user_id for visit in visits}:
        count = AdminVisit.select().where(AdminVisit.user_id == user_id).count()
        VisitCount.insert(user_id=user_id, visits=count).on_conflict(
            conflict_target=[VisitCount.user_id], update={VisitCount.visits: count}
        ).execute()


RECORDED = (
    *RECORDED_KINDS,
    RecordedKind(
        "visit",
        AdminVisit,
        _columns,
        ids=("id", "user_id"),
        required=("note",),
        problems=_problems,
        after_recording=_count,
    ),
)

# --- what patrons do ---


def visit(store: Store, user_id: str, note: str) -> str:
    """Note a visit, and return its id."""
    with store.writing():
        row = FrontendVisit.create(id=new_id(), user_id=user_id, note=note, revision=take_revisions())
    return str(row.id)


def change(store: Store, visit_id: str, note: str) -> None:
    """Correct the note of a visit."""
    with store.writing():
        corrected = FrontendVisit.update(note=note, revision=take_revisions(), park_reason="")
        corrected.where(FrontendVisit.id == visit_id).execute()


def upgrade_frontend(library: Library) -> None:
    """Let the frontend know visits, as after a start of a newer version."""
    library.pushed_kinds = PUSHED
    library.start_frontend()


def upgrade_admin(library: Library) -> None:
    """Let the admin know visits, as after a start of a newer version."""
    library.recorded_kinds, library.request_type = RECORDED, Request
    library.start_admin()


# --- in the state machine of the sync ---

NOTES = st.sampled_from(["new", "newer", TORN, UNFIT])


class VisitRules:
    """Rules and invariants for visits, for a `RuleBasedStateMachine`. Each side may be upgraded to know them."""

    library: Library

    @initialize(frontend_is_old=st.booleans(), admin_is_old=st.booleans())
    def begin_with_visits(self, frontend_is_old: bool, admin_is_old: bool) -> None:
        library = self.library
        library.pushed_kinds = PUSHED_KINDS if frontend_is_old else PUSHED
        library.recorded_kinds = RECORDED_KINDS if admin_is_old else RECORDED
        library.request_type = sync_service_pb2.RecordStatesRequest if admin_is_old else Request

    @precondition(lambda self: self.library.pushed_kinds is PUSHED_KINDS)
    @rule()
    def upgrade_frontend_to_visits(self) -> None:
        upgrade_frontend(self.library)

    @precondition(lambda self: self.library.recorded_kinds is RECORDED_KINDS)
    @rule()
    def upgrade_admin_to_visits(self) -> None:
        upgrade_admin(self.library)

    @precondition(lambda self: self.library.pushed_kinds is PUSHED)
    @rule(which=st.integers(0, 5), note=NOTES)
    def note_visit(self, which: int, note: str) -> None:
        with self.library.frontend.at_work() as store:
            users = [row.id for row in User.select().order_by(User.id)]
            visit(store, users[which % len(users)], note)

    @precondition(lambda self: self.library.pushed_kinds is PUSHED)
    @rule(which=st.integers(0, 5), note=NOTES)
    def correct_visit(self, which: int, note: str) -> None:
        with self.library.frontend.at_work() as store:
            visits = [row.id for row in FrontendVisit.select().order_by(FrontendVisit.id)]
            if visits:
                change(store, visits[which % len(visits)], note)

    @invariant()
    def visits_are_counted(self) -> None:
        with self.library.admin.at_work():
            counted = {row.user_id: row.visits for row in VisitCount.select()}
            assert counted == Tally(row.user_id for row in AdminVisit.select())

    def is_of_a_torn_visit(self, error: WireError) -> bool:
        """Return whether a call failed because of a row at which the admin fails."""
        with self.library.frontend.at_work():
            return error.code().name == "INTERNAL" and FrontendVisit.select().where(FrontendVisit.note == TORN).exists()

    def agree_on_visits_in_the_end(self) -> None:
        """Upgrade both sides, let them sync, and compare them."""
        upgrade_frontend(self.library)
        upgrade_admin(self.library)
        self.library.sync()
        with self.library.frontend.at_work():
            own = {row.id: (row.user_id, row.note) for row in FrontendVisit.select()}
            parked = {row.id: row.park_reason for row in FrontendVisit.select().where(IS_PARKED)}
            assert not FrontendVisit.select().where(IS_DUE).exists()
        assert parked.keys() == {visit_id for visit_id, (_, note) in own.items() if note in (TORN, UNFIT)}
        for visit_id, reason in parked.items():
            assert reason == "the note is unfit" or (own[visit_id][1] == TORN and reason.startswith("INTERNAL: "))
        with self.library.admin.at_work():
            recorded = {row.id: (row.user_id, row.note) for row in AdminVisit.select()}
        assert {visit_id: recorded[visit_id] for visit_id in own.keys() - parked.keys()} == {
            visit_id: own[visit_id] for visit_id in own.keys() - parked.keys()
        }
