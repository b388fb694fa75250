"""What the desk shows for each answer, and what its steps exchange with the program around them."""

from __future__ import annotations

import enum
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias, TypeVar

from google.protobuf.message import Message

from library_cli.grpc_errors import ServiceRefusal

Result = TypeVar("Result")


class Kind(enum.Enum):
    """What came of a line. The value is the word that the screen shows and that `--json` has as `outcome`."""

    LENT = "lent"
    RENEWED = "renewed"
    RETURNED = "returned"
    UNDONE = "undone"
    USER = "user"
    NOTE = "note"
    NOT_OUT = "was not out"
    ASIDE = "put aside"
    WARNING = "warning"
    REFUSED = "refused"
    NO_ANSWER = "no answer"

    @property
    def tone(self) -> str:
        """The style of its answer: `good`, `bad`, `warn` or `plain`."""
        return _TONES.get(self, "plain")


_TONES = {
    **dict.fromkeys((Kind.LENT, Kind.RENEWED, Kind.RETURNED), "good"),
    **dict.fromkeys((Kind.REFUSED, Kind.NO_ANSWER), "bad"),
    **dict.fromkeys((Kind.NOT_OUT, Kind.ASIDE, Kind.WARNING), "warn"),
}


@dataclass(frozen=True)
class Entry:
    """An answer: a word, a line, and more lines for the screen."""

    kind: Kind
    text: str
    more: Sequence[str] = ()
    time: str = ""
    """The local time, as `14:05`."""
    data: Mapping[str, Any] = field(default_factory=dict)
    """What `--json` adds."""


@dataclass(frozen=True)
class Refused:
    """The service refused a call."""

    refusals: Sequence[ServiceRefusal]

    @property
    def reasons(self) -> list[str]:
        return [each.reason for each in self.refusals]


@dataclass(frozen=True)
class NoAnswer:
    """No answer came, or one that does not show whether the call was carried out."""

    message: str


@dataclass(frozen=True)
class PrintOut:
    """A step that prints a text on paper. Its reply is a `Printed`."""

    text: str


@dataclass(frozen=True)
class Printed:
    """What came of printing: `problem` is empty if it was printed."""

    problem: str = ""


Step: TypeAlias = "Message | PrintOut"
Reply: TypeAlias = Any
"""The response to a request, `Refused` or `NoAnswer`; for a `PrintOut` a `Printed`."""

Steps: TypeAlias = Generator[Step, Reply, Result]
"""The calls that a line leads to, one after the other; each reply is sent into the generator."""
