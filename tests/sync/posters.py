"""A kind of rows that only the tests have: all that a new kind needs, from its message to its two tables.

Librarians put posters up at the admin, and the frontend shows them by topic. The state machine of the sync runs with
this kind alongside the books; no code of the services knows it.
"""

from __future__ import annotations

from collections import Counter as Tally
from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import peewee
from google.protobuf.descriptor_pb2 import DescriptorProto, FieldDescriptorProto, FileDescriptorProto
from google.protobuf.descriptor_pool import Default
from google.protobuf.message_factory import GetMessageClass
from hypothesis import strategies as st
from hypothesis.stateful import initialize, invariant, precondition, rule

from admin_server.sync.epochs import decode_cursor
from admin_server.sync.listed_kind import ListedKind, ListedKinds
from admin_server.sync.listed_kinds import LISTED_KINDS
from frontend_server.store.models import SetAside, SyncState
from frontend_server.sync.pulled_kind import PulledKind, PulledKinds, Row, upsert_newest
from frontend_server.sync.pulled_kinds import PULLED_KINDS
from frontend_server.sync.retry_set_aside import retry_set_aside
from frontend_server.sync.trials import Trials
from library.sync.v1.sync_service_pb2 import CatalogChange, ListCatalogChangesResponse
from library_domain.errors import CursorExpired
from service_kit.columns import FeedColumns, ReplicaColumns
from service_kit.ids import new_id
from service_kit.revisions import take_revisions
from service_kit.store import Store
from tests.support.stores import ServerName
from tests.sync.libraries import Library

FIELD_NUMBER = 99
SHOWN, REMOVED, HIDDEN = 1, 2, 3
TORN, UNFIT = "torn", "unfit"
"""Texts that a constraint of the frontend's table refuses, and that the frontend's own check does."""

# --- one message ---


def _contract() -> FileDescriptorProto:
    """Return the contract's response and its changes, which have one field more for posters."""
    text, number = FieldDescriptorProto.TYPE_STRING, FieldDescriptorProto.TYPE_INT32
    poster = DescriptorProto(name="Poster")
    for place, (name, kind) in enumerate([("id", text), ("topic", text), ("text", text), ("state", number)], start=1):
        poster.field.add(name=name, number=place, type=kind, label=FieldDescriptorProto.LABEL_OPTIONAL)
    page, change = DescriptorProto(), DescriptorProto()
    ListCatalogChangesResponse.DESCRIPTOR.CopyToProto(page)
    CatalogChange.DESCRIPTOR.CopyToProto(change)
    page.field[0].type_name = ".tests.sync.CatalogChange"
    change.field.add(
        name="poster",
        number=FIELD_NUMBER,
        type=FieldDescriptorProto.TYPE_MESSAGE,
        type_name=".tests.sync.Poster",
        label=FieldDescriptorProto.LABEL_OPTIONAL,
        oneof_index=0,
    )
    file = FileDescriptorProto(name="tests/sync/posters.proto", package="tests.sync", syntax="proto3")
    kinds = ("book", "item", "branch", "calendar", "circulation_rule", "library_settings", "staff")
    file.dependency.extend(f"library/v1/{kind}.proto" for kind in kinds)
    file.message_type.extend([poster, change, page])
    return file


Default().AddSerializedFile(_contract().SerializeToString())
Poster: Any = GetMessageClass(Default().FindMessageTypeByName("tests.sync.Poster"))
Page: Any = GetMessageClass(Default().FindMessageTypeByName("tests.sync.ListCatalogChangesResponse"))

# --- one table on each side ---


class AdminPoster(FeedColumns):
    """A poster as the librarian put it up."""

    key = peewee.BigAutoField()
    id = peewee.CharField(36, unique=True)
    topic = peewee.TextField()
    text = peewee.TextField()
    state = peewee.SmallIntegerField()

    class Meta:
        table_name = "poster"


class FrontendPoster(ReplicaColumns):
    """The replica of a poster."""

    key = peewee.BigAutoField()
    id = peewee.CharField(36, unique=True)
    message = peewee.BlobField()
    topic = peewee.TextField()
    text = peewee.TextField(constraints=[peewee.Check(f"text <> '{TORN}'")])
    state = peewee.SmallIntegerField()

    class Meta:
        table_name = "poster"


class PosterTopic(peewee.Model):
    """How many posters of a topic are shown, counted from their rows."""

    topic = peewee.CharField(10, primary_key=True)
    shown = peewee.IntegerField()

    class Meta:
        table_name = "poster_topic"


TABLES: dict[ServerName, list[type[peewee.Model]]] = {"admin": [AdminPoster], "frontend": [FrontendPoster, PosterTopic]}

# --- one entry on each side ---

LISTED = ListedKinds(
    Page,
    [
        *LISTED_KINDS.kinds,
        ListedKind(
            "poster",
            columns=[AdminPoster.id, AdminPoster.topic, AdminPoster.text, AdminPoster.state],
            message_of=lambda row: Poster(id=row[0], topic=row[1], text=row[2], state=row[3]),
            salvaged=[AdminPoster.id],
            salvage=lambda poster_id: Poster(id=str(poster_id)),
        ),
    ],
)


class PulledPosters(PulledKind):
    """Posters. One whose newest version cannot be applied is hidden."""

    name = "poster"
    model = FrontendPoster
    upsert = upsert_newest(FrontendPoster, ("topic", "text", "state"))
    removal: ClassVar = {"state": REMOVED}

    def problems(self, poster: Any) -> list[str]:
        return ["the text is unfit"] if poster.text == UNFIT else []

    def columns(self, poster: Any) -> Row:
        return {"topic": poster.topic, "text": poster.text, "state": poster.state}

    def write_derived(self, store: Store, rows: Sequence[Row]) -> Callable[[], object]:
        for topic in {row["topic"] for row in rows}:
            _count(topic)
        return super().write_derived(store, rows)

    def write_all_derived(self, trials: Trials | None = None) -> None:
        for row in PosterTopic.select():
            _count(row.topic)

    def restrict_older(self, newest: Any, trials: Trials, trial: str) -> None:
        trials.run(trial, lambda: _hide(newest))


PULLED = PulledKinds(Page, *PULLED_KINDS, PulledPosters())


def _hide(poster: Any) -> None:
    FrontendPoster.update(state=HIDDEN).where(FrontendPoster.id == poster.id).execute()
    _count(poster.topic)


def _count(topic: str) -> None:
    shown = FrontendPoster.select().where(FrontendPoster.topic == topic, FrontendPoster.state == SHOWN).count()
    PosterTopic.insert(topic=topic, shown=shown).on_conflict(
        conflict_target=[PosterTopic.topic], update={PosterTopic.shown: shown}
    ).execute()


# --- what librarians do ---


def put_up(store: Store, text: str, topic: str = "news") -> str:
    """Put up a poster, and return its id."""
    with store.writing():
        row = AdminPoster.create(id=new_id(), topic=topic, text=text, state=SHOWN, revision=take_revisions())
    return str(row.id)


def change(store: Store, poster_id: str, **columns: object) -> None:
    """Change a poster."""
    with store.writing():
        AdminPoster.update(**columns, revision=take_revisions()).where(AdminPoster.id == poster_id).execute()


# --- in the state machine of the sync ---

TEXTS = st.sampled_from(["new", "newer", TORN, UNFIT])


class PosterRules:
    """Rules and invariants for posters, for a `RuleBasedStateMachine`. A frontend may be upgraded to know them."""

    library: Library

    @initialize(is_old=st.booleans())
    def begin_with_a_frontend(self, is_old: bool) -> None:
        self.library.pulled_kinds = PULLED_KINDS if is_old else PULLED

    @precondition(lambda self: self.library.pulled_kinds is PULLED_KINDS)
    @rule()
    def upgrade_frontend(self) -> None:
        self.library.pulled_kinds = PULLED
        self.library.start_frontend()
        self._retry()

    @rule(topic=st.sampled_from("ab"), text=TEXTS)
    def put_up_poster(self, topic: str, text: str) -> None:
        with self.library.admin.at_work() as store:
            put_up(store, text, topic)

    @rule(which=st.integers(0, 5), text=TEXTS, state=st.sampled_from([SHOWN, REMOVED]))
    def change_poster(self, which: int, text: str, state: int) -> None:
        with self.library.admin.at_work() as store:
            ids = [row.id for row in AdminPoster.select().order_by(AdminPoster.id)]
            if ids:
                change(store, ids[which % len(ids)], text=text, state=state)

    @invariant()
    def shown_posters_are_counted(self) -> None:
        with self.library.frontend.at_work():
            shown = Tally(row.topic for row in FrontendPoster.select().where(FrontendPoster.state == SHOWN))
            assert Tally({row.topic: row.shown for row in PosterTopic.select()}) == shown

    @invariant()
    def the_cursor_passes_no_poster_unapplied(self) -> None:
        with self.library.frontend.at_work():
            state = SyncState.get()
            set_aside = {(row.kind, row.id): (row.revision, row.generation) for row in SetAside.select()}
            replica = {row.id: row for row in FrontendPoster.select()}
        with self.library.admin.at_work():
            try:
                reached = decode_cursor(state.cursor, "cursor")
            except CursorExpired:
                return
            seen = list(AdminPoster.select().where(AdminPoster.revision <= reached))
        for row in seen:
            places = [("poster", row.id), (f"field {FIELD_NUMBER}", str(row.revision))]
            version = (row.revision, state.generation)
            if version not in map(set_aside.get, places):
                found = replica[row.id]
                assert found.generation == state.generation or not state.resyncing
                assert (found.text, found.state, found.revision) == (row.text, row.state, row.revision)

    def agree_on_posters_in_the_end(self) -> None:
        """Upgrade the frontend, let both sides sync, and compare them."""
        self.library.pulled_kinds = PULLED
        self._retry()
        self.library.sync()
        with self.library.admin.at_work():
            posters = list(AdminPoster.select())
        bad = {row.id: row.revision for row in posters if row.text in (TORN, UNFIT)}
        with self.library.frontend.at_work():
            assert {(row.kind, row.id): row.revision for row in SetAside.select()} == {
                ("poster", poster_id): revision for poster_id, revision in bad.items()
            }
            shown = {row.id: Poster.FromString(row.message) for row in FrontendPoster.select() if row.state == SHOWN}
        assert shown == {
            row.id: Poster(id=row.id, topic=row.topic, text=row.text, state=SHOWN)
            for row in posters
            if row.state == SHOWN and row.id not in bad
        }

    def _retry(self) -> None:
        with self.library.frontend.at_work() as store:
            retry_set_aside(store, self.library.pulled_kinds)
