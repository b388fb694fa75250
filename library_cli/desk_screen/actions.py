"""The commands that begin with `/`, and the search for users that begins with `?`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from library.frontend.v1 import circulation_service_pb2 as pb
from library.frontend.v1.lending_service_pb2 import RenewLoanRequest
from library.frontend.v1.member_service_pb2 import ListUsersRequest
from library.v1.circulation_rule_pb2 import CirculationRule
from library_cli.desk_screen.answers import change
from library_cli.desk_screen.dates import DateInvalid, end_of_day, written
from library_cli.desk_screen.entries import Kind, NoAnswer, PrintOut, Refused, Steps
from library_cli.desk_screen.receipt import receipt
from library_cli.desk_screen.scans import open_user, users_found
from library_cli.desk_screen.state import Desk, Terms, no_answer
from library_cli.desk_screen.wording import loan_line, name, overridable, sentence
from library_cli.tables import as_json
from library_domain.barcodes import normalized_barcode

MOST_FOUND = 9
"""Users that a search shows; each is chosen by one digit."""

MOST_DAYS = 365


def check_in_mode(desk: Desk, text: str) -> Steps[None]:
    """Switch the check-in mode on or off; a date switches it on."""
    yield from ()
    desk.return_time = None
    if not text and desk.checks_in:
        desk.checks_in = False
        desk.add(Kind.NOTE, "The check-in mode is off. A card opens its user.")
        return
    if text:
        returned = end_of_day(text, desk.clock())
        if returned.date() > desk.clock().date():
            raise DateInvalid(f"{returned:%Y-%m-%d} has not come yet")
        desk.return_time = min(returned, desk.clock()) if returned.date() < desk.clock().date() else None
    desk.close_user()
    desk.checks_in = True
    when = f" as returned on {desk.return_time:%a %Y-%m-%d %H:%M}" if desk.return_time else ""
    desk.add(Kind.NOTE, f"The check-in mode is on. Every item is taken back{when}. F2 or /checkin ends it.")


def renew_all(desk: Desk, text: str) -> Steps[None]:
    """Renew all loans of the open user, the one due first before the others."""
    if desk.user is None:
        desk.add(Kind.REFUSED, "Scan a card first.")
        return
    terms, renewed, loans = desk.terms, 0, desk.view().loans
    for loan in loans:
        # A loan from before items existed has no barcode until its item is known. It is renewed for days only.
        if loan.barcode:
            request: Any = pb.RenewRequest(barcode=loan.barcode)
            terms.put_into(request)
        else:
            request = RenewLoanRequest(loan_id=loan.id, days=terms.days)
        renewed += yield from change(desk, request)
    kind = Kind.NOTE if renewed == len(loans) else Kind.WARNING
    desk.add(kind, f"{renewed} of {len(loans)} renewed.")


def find(desk: Desk, words: str) -> Steps[None]:
    """Find users by name. The next line chooses one of several."""
    users = yield from users_found(desk, ListUsersRequest(query=words, page_size=MOST_FOUND + 1))
    if users is None:
        return
    if not users:
        desk.add(Kind.REFUSED, f'Nobody is found by "{words}". Type less of the name.')
    elif len(users) == 1:
        yield from open_user(desk, users[0])
    else:
        desk.choices = users[:MOST_FOUND]
        lines = [
            " · ".join(part for part in (f"{number} {name(user)}", user.card_number, user.group, user.email) if part)
            for number, user in enumerate(desk.choices, 1)
        ]
        if len(users) > MOST_FOUND:
            lines.append("More are found: type more of the name.")
        desk.add(Kind.NOTE, f"{len(desk.choices)} users. Type the number of one.", *lines, users=[*map(as_json, users)])


def close(desk: Desk, text: str) -> Steps[None]:
    yield from ()
    desk.add(Kind.NOTE, f"{name(desk.user)} is no longer open." if desk.user else "No user is open.")
    desk.close_user()


def undo(desk: Desk, text: str) -> Steps[None]:
    """Cancel the last check-out or check-in that is not cancelled yet."""
    if not desk.slips:
        desk.add(Kind.REFUSED, "Nothing to undo: only a check-out or check-in of this desk, within 30 minutes.")
        return
    slip = desk.slips[-1]
    made = pb.CancelCheckOutRequest if slip.was_check_out else pb.CancelCheckInRequest
    if not (yield from change(desk, made(loan_id=slip.loan.id))) and slip in desk.slips and not desk.unanswered:
        desk.slips.remove(slip)  # a refusal is final: with it, the slip before could never be undone


def set_days(desk: Desk, text: str) -> Steps[None]:
    """Set the days of the next loan; without a number those of the rule."""
    yield from ()
    if text and not (text.isascii() and text.isdigit() and 1 <= int(text[:4]) <= MOST_DAYS):
        desk.add(Kind.REFUSED, f"Type a number of days from 1 to {MOST_DAYS}, such as /days 7.")
        return
    desk.terms = Terms(days=int(text or 0))
    desk.add(Kind.NOTE, f"The next loan is for {text} days." if text else "The next loan is as long as the rule says.")


def set_due(desk: Desk, text: str) -> Steps[None]:
    """Set when the next loan is due."""
    yield from ()
    due = end_of_day(text, desk.clock())
    if due <= desk.clock():
        raise DateInvalid(f"{due:%Y-%m-%d %H:%M} has passed")
    desk.terms = Terms(due_time=due)
    desk.add(Kind.NOTE, f"The next loan is due {due:%a %Y-%m-%d %H:%M}.")


def override(desk: Desk, reason: str) -> Steps[None]:
    """Send the last refused call again, with a reason for each refusal. Without a reason, ask for it."""
    if desk.refused is None:
        desk.add(Kind.REFUSED, "Nothing to override: the last call was not refused, or its refusal is final.")
        return
    request, reply = desk.refused
    if not reason:
        desk.asks_reason = True
        desk.add(Kind.NOTE, "Type the reason for overriding, which is kept. Enter alone drops it.", *_named(reply))
        return
    desk.refused = None
    again = type(request)()
    again.CopyFrom(request)
    assert isinstance(again, (pb.CheckOutRequest, pb.RenewRequest))
    del again.overrides[:]
    for refusal in overridable(reply.refusals):
        again.overrides.add(refusal=refusal, reason=reason)
    yield from change(desk, again)


def _named(reply: Refused) -> list[str]:
    return [f"{each.reason}: {sentence(each)}" for each in reply.refusals]


def explain(desk: Desk, text: str) -> Steps[None]:
    """Explain what a check-out of an item to the open user does."""
    barcode = normalized_barcode(text) if text else desk.last_barcode
    if desk.user is None or not barcode:
        desk.add(Kind.REFUSED, "Scan a card first, then type /explain BARCODE.")
        return
    request = pb.ExplainRuleRequest(user_id=desk.user.id, barcode=barcode, branch=desk.branch, days=desk.terms.days)
    reply = yield request
    if isinstance(reply, NoAnswer):
        no_answer(desk, reply, changes=False)
    elif isinstance(reply, Refused):
        desk.add(Kind.REFUSED, *map(sentence, reply.refusals))
    else:
        due = f"due {written(reply.due_time)}" if reply.HasField("due_time") else "not lent"
        lines = [f"Rule: {_rule(reply.rule)}"]
        lines += [f"Also matches: {_rule(rule)}" for rule in reply.matching_rules[1:]]
        lines += [f"Moved: {shift.reason}" for shift in reply.shifts]
        lines += [f"{refusal.reason}: {refusal.message}" for refusal in reply.refusals]
        desk.add(Kind.NOTE, f"{barcode} to {name(desk.user)}: {due}", *lines, explained=as_json(reply))


def _rule(rule: CirculationRule) -> str:
    scope = [rule.branch or "any branch", rule.user_category or "any category", rule.item_type or "any type"]
    length = f"{rule.loan_hours} hours" if rule.loan_hours else f"{rule.loan_days} days"
    return f"{', '.join(scope)}: {length}, {rule.renewal_limit} renewals"


def print_receipt(desk: Desk, text: str) -> Steps[None]:
    """Print today's loans of the open user."""
    if desk.user is None:
        desk.add(Kind.REFUSED, "Scan a card first.")
        return
    written_out = receipt(desk.user, desk.view().loans, desk.clock())
    printed = yield PrintOut(written_out)
    if printed.problem:
        desk.add(Kind.REFUSED, f"The receipt was not printed: {printed.problem}")
    else:
        desk.add(Kind.NOTE, "The receipt:", *written_out.splitlines())


def show_loans(desk: Desk, text: str) -> Steps[None]:
    yield from ()
    loans = desk.view().loans
    desk.add(Kind.NOTE, f"{len(loans)} open loans.", *map(loan_line, loans), loans=[*map(as_json, loans)])


def bell(desk: Desk, text: str) -> Steps[None]:
    yield from ()
    desk.bell = not desk.bell
    desk.add(Kind.NOTE, f"The bell for refusals is {'on' if desk.bell else 'off'}.")


def send_again(desk: Desk, text: str) -> Steps[None]:
    """Send the calls without an answer again, each with its request id."""
    for request in list(desk.unanswered.values()):
        if not (yield from change(desk, request)):
            return


def help_(desk: Desk, text: str) -> Steps[None]:
    yield from ()
    lines = [
        "CARD: open the user   BARCODE: lend it; without a user: take it back",
        "BARCODE of the open user's own item: renew it",
        "?NAME: find a user    Enter alone: send again what had no answer",
        *(f"{action.key:<4}{action.usage:<19}{action.explanation}" for action in ACTIONS.values()),
    ]
    desk.add(Kind.NOTE, "Help", *lines)


def quit_(desk: Desk, text: str) -> Steps[None]:
    yield from ()
    desk.is_closed = True


class Action(NamedTuple):
    run: Callable[[Desk, str], Steps[None]]
    key: str
    """The function key, or ""."""
    usage: str
    explanation: str
    short: str = ""
    """Its name in the line of keys."""
    typed: str = ""
    """What the key types for the staff to complete; "": the key runs the command."""


ACTIONS = {
    "help": Action(help_, "F1", "/help", "show this help", "help"),
    "checkin": Action(check_in_mode, "F2", "/checkin [DATE]", "only take back, as of DATE", "check-in"),
    "renew": Action(renew_all, "F3", "/renew", "renew all loans of the open user", "renew all"),
    "find": Action(find, "F4", "/find NAME, ?NAME", "find a user by name", "find", "?"),
    "close": Action(close, "F5", "/close", "close the user", "close"),
    "undo": Action(undo, "F6", "/undo", "undo the last check-out or check-in", "undo"),
    "days": Action(set_days, "F7", "/days [N]", "days of the next loan", "days", "/days "),
    "override": Action(override, "F8", "/override [REASON]", "lend in spite of the refusals", "override"),
    "explain": Action(explain, "F9", "/explain [BARCODE]", "explain rule, due date and refusals", "explain"),
    "quit": Action(quit_, "F10", "/quit", "end", "quit"),
    "due": Action(set_due, "", "/due DATE", "due date of the next loan"),
    "loans": Action(show_loans, "", "/loans", "list the open loans of the user"),
    "receipt": Action(print_receipt, "", "/receipt", "print a receipt of today's loans"),
    "bell": Action(bell, "", "/bell", "switch the bell for refusals on or off"),
    "again": Action(send_again, "", "/again", "send again what had no answer"),
}


def command(desk: Desk, text: str) -> Steps[None]:
    """Run a command line without its slash. The beginning of a name is enough if only one has it."""
    word, _, rest = text.strip().partition(" ")
    found = _named_by(word.lower())
    if len(found) != 1:
        desk.add(Kind.REFUSED, f"There is no command /{word}. F1 or /help lists them.")
        return
    try:
        yield from ACTIONS[found[0]].run(desk, rest.strip())
    except ValueError as problem:  # a date or barcode that is not one
        desk.add(Kind.REFUSED, f"{problem}.")


def _named_by(word: str) -> Sequence[str]:
    return [word] if word in ACTIONS else [name for name in ACTIONS if word and name.startswith(word)]
