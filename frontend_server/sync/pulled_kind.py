"""One kind of the admin's rows with a replica in this store: its message, its table, and how a change is applied."""

from __future__ import annotations

import functools
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any, ClassVar, NamedTuple

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message_factory import GetMessageClass
from google.protobuf.unknown_fields import UnknownFieldSet
from peewee import EXCLUDED

from frontend_server.sync.trials import Trials, Unfit
from service_kit.logs import logger
from service_kit.message_checks import message_problems
from service_kit.revisions import GREATEST_REVISION, is_revision
from service_kit.statements import Statement, param
from service_kit.store import Store

MOST_BYTES = 250_000
"""Of one change: more than twice what the longest book takes that the admin's own rules allow."""

FIRST_OTHER_FIELD = 100
"""The fields of CatalogChange that are not kinds have numbers from here on."""

UNKNOWN_KIND = "field "
"""A change of an unknown kind is set aside under the number of its field."""

UNKNOWN = "unknown"
"""A change with no field that could be a kind is set aside under this name."""

Row = dict[str, Any]
"""The columns of a row of the replica, by name."""

AfterCommit = Callable[[], object]
"""What is to be done after the commit of a page."""

log = logger(__name__)


class PulledKind(ABC):
    """A kind of rows. Its table has the columns `key`, `id`, `message`, `revision` and `generation`."""

    name: ClassVar[str]
    """The field of CatalogChange that contains its message. Rows are set aside under it; it has at most 20 letters."""

    model: ClassVar[Any]
    upsert: ClassVar[Statement]
    """Writes a row unless a newer version is stored: see `upsert_newest`."""

    removal: ClassVar[Mapping[str, Any]] = MappingProxyType({})
    """The fields of the message, which are columns of the table, too, by which a removed row is known.

    Without any, a row that the admin no longer has is deleted.
    """

    salvaged_fields: ClassVar[Sequence[str]] = ("id",)
    """Strings and numbers that are read of a message that protobuf cannot parse."""

    def id_of(self, message: Any) -> str:
        """Return the id of the row, which is unique in the kind.

        A valid one has at most 100 characters, all printable ASCII, as the row is set aside under it.
        """
        row_id: str = message.id
        return row_id

    @abstractmethod
    def problems(self, message: Any) -> list[str]:
        """Return what one of the engines could not store, or what could not be shown to patrons."""

    @abstractmethod
    def columns(self, message: Any) -> Row:
        """Return the columns of a row in addition to those that all kinds have."""

    def prepare(self, store: Store, rows: Sequence[Row]) -> Callable[[], AfterCommit]:
        """Prepare to write these rows. Return the function that writes what is derived from them, to be called then.

        Lock the rows of other tables that it writes, in the order of `LOCK_ORDER`, and read what the rows overwrite.
        """
        return functools.partial(self.write_derived, store, rows)

    def write_derived(self, store: Store, rows: Sequence[Row]) -> AfterCommit:
        """Write what is derived from these rows, which have just been written, such as counts.

        Rows of other kinds may come earlier or later than these. The older versions of these rows are overwritten: if a
        row can move from one count to another, count all, or read it in `prepare`. Return what is to be done after the
        commit.
        """
        return _do_nothing

    def before_sweep(self, unseen: Any) -> None:  # noqa: B027 - most kinds have nothing to lock
        """Lock the rows of other tables that depend on the rows of this condition, which are about to be removed."""

    @abstractmethod
    def write_all_derived(self, trials: Trials | None = None) -> None:
        """Write what is derived from all rows again: the end of a resync has removed some.

        With `trials`, run each statement that the store may refuse for one row in them.
        """

    @abstractmethod
    def restrict_older(self, message: Any, trials: Trials, trial: str) -> None:
        """Stop the use of an older version of a row, whose newest version is `message` and cannot be applied.

        Run each statement in `trials`, under a name that begins with `trial`.
        """


def _do_nothing() -> None:
    pass


def upsert_newest(model: Any, columns: Iterable[str], **own: object) -> Statement:
    """Return the statement that writes a row of a replica with these columns, unless a newer version is stored.

    So a change that comes twice or late has no effect. A greater generation is newer with any revision: the admin
    was restored from a backup, and its revisions went back. A stored revision beyond the bound was written by a
    version of this program that did not check it. `own` has values of a new row for columns that are not pulled.
    """
    names = ("message", "revision", "generation", *columns)
    return Statement(
        model.insert(id=param("id"), **{name: param(name) for name in names}, **own).on_conflict(
            conflict_target=[model.id],
            update={getattr(model, name): getattr(EXCLUDED, name) for name in names},
            where=(EXCLUDED.generation > model.generation)
            | (EXCLUDED.revision > model.revision)
            | (model.revision > GREATEST_REVISION),
        )
    )


class Fit(NamedTuple):
    """A change that this store has a valid row for."""

    kind: PulledKind
    change: Any
    row: Row


class Refused(NamedTuple):
    """A change that could not be applied."""

    change: Any
    reason: str


class PulledKinds:
    """The kinds that this program knows.

    Args:
        page_type: The response of ListCatalogChanges, whose changes have a field for each kind.
        kinds: In the order in which a page writes their tables.
    """

    def __init__(self, page_type: type[Any], *kinds: PulledKind) -> None:
        self.page_type = page_type
        self.change_type: type[Any] = GetMessageClass(page_type.DESCRIPTOR.fields_by_name["changes"].message_type)
        self._by_name = {kind.name: kind for kind in kinds}
        self._reported: set[tuple[str, int]] = set()

    def __iter__(self) -> Iterator[PulledKind]:
        return iter(self._by_name.values())

    def field_of(self, kind: PulledKind) -> FieldDescriptor:
        """Return the field of CatalogChange that contains the messages of a kind."""
        field: FieldDescriptor = self.change_type.DESCRIPTOR.fields_by_name[kind.name]
        return field

    def names_of_unknown(self) -> list[str]:
        """Return the names under which an older version of this program set changes of these kinds aside."""
        return [f"{UNKNOWN_KIND}{self.field_of(kind).number}" for kind in self]

    def kind_of(self, change: Any) -> PulledKind | None:
        """Return the kind of a change; None for one that this program does not know."""
        return self._by_name.get(change.WhichOneof("change"))

    def name_and_id(self, change: Any) -> tuple[str, str]:
        """Return the kind and the id under which a change is set aside.

        One of an unknown kind is known by the number of its field and its revision only.
        """
        kind = self.kind_of(change)
        if kind is not None:
            return kind.name, kind.id_of(getattr(change, kind.name))
        unknown = UnknownFieldSet(change)
        numbers = [unknown[place].field_number for place in range(len(unknown))]
        kinds = [number for number in numbers if number < FIRST_OTHER_FIELD]
        return f"{UNKNOWN_KIND}{min(kinds)}" if kinds else UNKNOWN, str(change.revision)

    def fit(self, change: Any, generation: int) -> Fit:
        """Return a change with its row. Raise `Unfit` if there is no valid one."""
        kind = self.kind_of(change)
        if kind is None:
            raise Unfit("this frontend does not know this kind of rows; a newer version may")
        message = getattr(change, kind.name)
        problems = _problems(change, message) + kind.problems(message)
        if problems:
            raise Unfit("; ".join(problems))
        if unknown := UnknownFieldSet(message):
            self._report_unknown_fields(kind, unknown)
        row = kind.columns(message)
        row["id"] = kind.id_of(message)
        row["message"] = message.SerializeToString()
        row["revision"] = change.revision
        row["generation"] = generation
        return Fit(kind, change, row)

    def _report_unknown_fields(self, kind: PulledKind, unknown: UnknownFieldSet) -> None:
        """Log fields that only a newer version knows, each once. The replica keeps them in the message."""
        for place in range(len(unknown)):
            field = (kind.name, unknown[place].field_number)
            if field not in self._reported:
                self._reported.add(field)
                log.warning("the admin sends a field that is not known here", kind=kind.name, number=field[1])


def _problems(change: Any, message: Any) -> list[str]:
    """Return what no kind of rows may have."""
    problems = [f"{path} {problem}" for path, problem in message_problems(message)]
    if not is_revision(change.revision):
        problems.append(f"the revision {change.revision} is not plausible")
    if change.ByteSize() > MOST_BYTES:
        problems.append(f"the row is larger than {MOST_BYTES} bytes")
    return problems
