"""The state of the library in ten lines, with what to do if something is wrong."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

from library.frontend.v1.lending_service_pb2 import ListLoansRequest
from library.frontend.v1.lending_service_pb2_grpc import LendingServiceStub
from library.v1.loan_pb2 import LOAN_STATE_OVERDUE
from library_cli.channel import ANSWER_SECONDS, connected
from library_cli.grpc_errors import CallFailed
from library_cli.plain_text import one_line
from library_cli.status.reports import NO_ANSWER, Report, clock_sentence
from library_cli.times import counted, zoned_time

MOST_OVERDUE = 1_000
"""The highest number of overdue loans that is counted."""

LATE_SECONDS = 60.0
"""The age at which a catalogue counts as late. By default it is read every second."""

START = "start it with `library up`, or look into its log"
SEE_ROWS = "`library status --all` shows them with the reasons"


class Line(NamedTuple):
    label: str
    text: str
    is_well: bool = True


def overdue_count(frontend_target: str) -> int | None:
    """Return how many loans are overdue, at most MOST_OVERDUE; None if the frontend service does not answer."""
    request = ListLoansRequest(state=LOAN_STATE_OVERDUE, page_size=MOST_OVERDUE)
    try:
        with connected(frontend_target) as channel:
            return len(LendingServiceStub(channel).ListLoans(request, timeout=ANSWER_SECONDS).loans)
    except CallFailed:
        return None


def summary(reports: dict[str, Report], overdue: int | None, *, rest_counts: bool) -> list[Line]:
    admin, frontend, rest = reports["admin"], reports["frontend"], reports["rest"]
    return [
        _service("admin", admin),
        _service("frontend", frontend),
        _service("rest", rest, is_needed=rest_counts),
        _books(admin, frontend),
        Line("users", _users(admin)),
        _loans(admin, overdue),
        _sync(frontend),
        _rows("refused", frontend, "parked_row_count", "which the admin service refused"),
        _rows("set aside", frontend, "set_aside_count", "which the frontend's store could not apply"),
        _clock(frontend),
    ]


def in_lines(lines: list[Line]) -> Iterator[tuple[str, bool]]:
    """Yield each line as it is printed, and False with it if it reports a problem."""
    width = max(len(line.label) for line in lines)
    for line in lines:
        yield f"{line.label:<{width}}  {one_line(line.text)}", line.is_well


def _service(name: str, reported: Report, *, is_needed: bool = True) -> Line:
    where = reported.get("target") or reported.get("url")
    if reported["health"] == NO_ANSWER:
        if not is_needed:
            return Line(name, f"does not answer at {where}; it is only needed for HTTP")
        error = str(reported.get("error", ""))
        if error.startswith("Nothing answers"):
            error = f"does not answer at {where}: {START}"
        return Line(name, error, is_well=False)
    if reported["health"] != "SERVING":
        return Line(
            name, f"runs at {where}, but does not serve yet ({reported['health']}){_why(reported)}", is_well=False
        )
    if "error" in reported:
        return Line(name, f"serves at {where}, but does not report: {reported['error']}", is_well=False)
    return Line(name, f"serves at {where}")


def _why(reported: Report) -> str:
    """Return which services the REST service waits for."""
    targets = reported.get("targets")
    if not isinstance(targets, list):
        return "; see the lines below, and its log"
    waits_for = [str(target["target"]) for target in targets if target["health"] != "SERVING"]
    return f"; it waits for {', '.join(waits_for)}" if waits_for else ""


def _users(admin: Report) -> str:
    current, known = admin.get("current_user_count"), admin.get("user_count")
    if not isinstance(current, int) or not isinstance(known, int):
        return "not known while the admin service does not report"
    closed = f", and {counted(known - current, 'closed account')}" if known > current else ""
    return f"{current:,}{closed}"


def _books(admin: Report, frontend: Report) -> Line:
    """Return how many titles and copies the catalogue has, and how much of it the frontend has read.

    The frontend is behind for a moment after a change, and in a resync. Its count includes removed books.
    """
    known, shown = admin.get("book_count"), frontend.get("book_count")
    if not isinstance(known, int):
        if isinstance(shown, int):
            return Line("books", f"{shown:,} known to the frontend, removed ones included")
        return Line("books", "not known while no service reports")
    titles, copies = (int(str(admin.get(key, 0))) for key in ("title_count", "copy_count"))
    behind = (
        f"; the frontend has read {shown:,} of {known:,} so far" if isinstance(shown, int) and shown != known else ""
    )
    removed = ", removed ones included" if behind and known != titles else ""
    in_copies = f" in {copies:,} {'copy' if copies == 1 else 'copies'}"
    return Line("books", f"{counted(titles, 'title')}{in_copies}{behind}{removed}")


def _loans(admin: Report, overdue: int | None) -> Line:
    out = admin.get("open_loan_count")
    if not isinstance(out, int):
        return Line("loans", "not known while the admin service does not report")
    if overdue is None:
        return Line("loans", f"{out:,} out")
    number = f"{overdue:,} or more" if overdue == MOST_OVERDUE else f"{overdue:,}"
    more = "; to see them: library loans --overdue" if overdue else ""
    return Line("loans", f"{out:,} out, {number} overdue{more}")


def _sync(frontend: Report) -> Line:
    """Return how old the frontend's catalogue is, and what waits to be sent."""
    age = frontend.get("cursor_age_seconds")
    if "waiting_user_count" not in frontend:
        return Line("sync", "not known while the frontend service does not report")
    for error in (frontend.get("last_pull_error"), frontend.get("last_push_error")):
        if error:
            return Line("sync", f"does not work: {error}{_last_pull(frontend)}", is_well=False)
    waiting = [
        counted(count, noun)
        for key, noun in (("waiting_user_count", "user"), ("waiting_loan_count", "loan"))
        if isinstance(count := frontend.get(key), int) and count
    ]
    to_send = f"; {' and '.join(waiting)} to be sent to the admin service" if waiting else ""
    if frontend.get("resyncing") or not isinstance(age, (int, float)):
        return Line("sync", f"the whole catalogue is being read{to_send}")
    if age > LATE_SECONDS:
        late = f"the catalogue at the frontend is {age:,.0f} seconds old; is the admin service slow or away?"
        return Line("sync", late + to_send)
    return Line("sync", f"the catalogue at the frontend is up to date{to_send or '; nothing waits'}")


def _last_pull(frontend: Report) -> str:
    written = frontend.get("last_pull_time")
    if not written:
        return ""
    ended = Timestamp()
    ended.FromJsonString(str(written))
    return f"; the last pull ended {zoned_time(ended)}"


def _rows(label: str, frontend: Report, key: str, what: str) -> Line:
    count = frontend.get(key)
    if not isinstance(count, int):
        return Line(label, "not known while the frontend service does not report")
    if not count:
        return Line(label, "nothing")
    return Line(label, f"{counted(count, 'row')}, {what}; {SEE_ROWS}", is_well=False)


def _clock(frontend: Report) -> Line:
    """Return whether the frontend lends. It does not while its clock is more than a day behind its store."""
    if "clock_behind_seconds" not in frontend:
        return Line("clock", "not known while the frontend service does not report")
    seconds = frontend["clock_behind_seconds"]
    if isinstance(seconds, (int, float)):
        newest = Timestamp()
        newest.FromJsonString(str(frontend["newest_time"]))
        return Line("clock", clock_sentence(Duration(seconds=int(seconds)), newest), is_well=False)
    now = Timestamp()
    now.GetCurrentTime()
    return Line("clock", f"not behind the frontend's store; the time here is {zoned_time(now)}")
