"""The policy of the library as this store has it: what was received from the admin, and for the rest the defaults."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple, TypeVar

import peewee
from google.type.money_pb2 import Money

from frontend_server.circulation.circulation_rule import CirculationRule as Rule
from frontend_server.circulation.policy import Policy, PolicyDefaults, policy_of
from frontend_server.circulation.rules import LendingRules
from frontend_server.store.models import Branch, Calendar, CirculationRule, LibrarySettings, PolicyColumns, SyncState
from library.v1 import branch_pb2, calendar_pb2, circulation_rule_pb2, library_settings_pb2
from library_domain.calendars import Calendar as OpenDays
from library_domain.default_policy import default_rule
from library_domain.money import set_amount
from service_kit.machine_zone import machine_zone
from service_kit.statements import Statement, tuples
from service_kit.store import Store
from service_kit.unreadable import DAMAGE, report

Message = TypeVar("Message")


class _Read(NamedTuple):
    rules: LendingRules
    version: str
    policy: Policy


_READ: weakref.WeakKeyDictionary[peewee.Database, _Read] = weakref.WeakKeyDictionary()
"""The policy of each store as this process has read it last."""

POLICY_VERSION = SyncState.select(SyncState.policy_version)
"""The query for the version of the policy, also as a column of another statement."""

_VERSION = Statement(POLICY_VERSION)


def current_policy(rules: LendingRules) -> Policy:
    """Return the policy within the present transaction. `rules` has the options of this service, which are defaults.

    It is read from the store only after it has changed, in this or in another process.
    """
    rows = _VERSION.rows()
    return policy_of_version(rules, rows[0][0] if rows else "")


def policy_of_version(rules: LendingRules, version: str) -> Policy:
    """Return the policy of a version that this transaction has just read: see `POLICY_VERSION`."""
    database = SyncState._meta.database
    read = _READ.get(database)
    if read is None or read.version != version or read.rules != rules:
        # Read after the version: if the policy changes meanwhile, the next transaction finds another version.
        read = _READ[database] = _Read(rules, version, _policy_of_store(rules))
    return read.policy


def library_settings(store: Store, rules: LendingRules) -> library_settings_pb2.LibrarySettings:
    """Return the settings of the library, with the loan limit that applies here."""
    with store.reading():
        received = list(_messages(LibrarySettings, library_settings_pb2.LibrarySettings))
        settings = received[0] if received else library_settings_pb2.LibrarySettings()
        settings.loan_limit = current_policy(rules).loan_limit
        return settings


def _policy_of_store(rules: LendingRules) -> Policy:
    settings = list(_messages(LibrarySettings, library_settings_pb2.LibrarySettings))
    return policy_of(
        _defaults(rules),
        _messages(CirculationRule, circulation_rule_pb2.CirculationRule, check=Rule.from_message),
        _messages(Branch, branch_pb2.Branch),
        _messages(Calendar, calendar_pb2.Calendar, check=OpenDays.from_message),
        settings[0] if settings else None,
    )


def _messages(
    model: type[PolicyColumns], message_type: type[Message], check: Callable[[Message], object] = bool
) -> Iterator[Message]:
    """Yield the messages of a kind. A damaged one is left out, as if the admin had not sent it."""
    for key, data in tuples(model.select(model.key, model.message).order_by(model.key)):
        try:
            message = _parsed(message_type, data)
            check(message)
        except DAMAGE as error:
            report(model._meta.table_name, key, error)
        else:
            yield message


def _parsed(message_type: Any, data: Any) -> Any:
    return message_type.FromString(bytes(data))


def _defaults(rules: LendingRules) -> PolicyDefaults:
    rate = Money()
    set_amount(rate, rules.daily_fine.currency, rules.daily_fine.nanos)
    return PolicyDefaults(Rule.from_message(default_rule(rate)), rules.loan_limit, machine_zone())
