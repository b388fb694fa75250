"""Entries of the audit log: the objects of a call, and refused calls that are counted together."""

from __future__ import annotations

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

from library.access.v1.access_service_pb2 import CreateSessionRequest, Session
from library.admin.v1.inventory_service_pb2 import BatchCreateItemsResponse
from library.frontend.v1.circulation_service_pb2 import CheckOutRequest
from library.frontend.v1.lending_service_pb2 import BorrowBookRequest
from library.v1.audit_pb2 import AUDIT_RESULT_REFUSED, AuditEntry
from library.v1.item_pb2 import Item
from library.v1.loan_pb2 import Loan
from library_domain.access.audited_objects import MOST_OBJECTS, objects_of
from library_domain.access.refusals import Limits, Refusals

LIMITS = Limits(first_seconds=1, group_seconds=60, groups=5, budget_per_second=0.001)


class Clock:
    """A monotonic clock that a test sets."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def call(address: str = "192.0.2.1", method: str = "a.B/C", objects: tuple[str, ...] = ("x",)) -> AuditEntry:
    return AuditEntry(
        result=AUDIT_RESULT_REFUSED, method=method, reason="R", address=address, objects=objects, call_count=1
    )


def test_objects_are_the_ids_of_the_request_and_the_answer_each_once() -> None:
    request = BorrowBookRequest(book_id="b", user_id="u", request_id="r")
    assert objects_of(request, Loan(id="l", book_id="b", user_id="u")) == ["b", "u", "l"]


def test_barcodes_and_card_numbers_are_objects() -> None:
    assert objects_of(CheckOutRequest(card_number="C-1", barcode="30001")) == ["C-1", "30001"]


def test_no_name_and_no_secret_is_an_object() -> None:
    assert objects_of(CreateSessionRequest(name="ada@example.org", secret="correct horse")) == []
    assert objects_of(Session(id="s", user_id="u", access_token="t", refresh_token="s.t")) == ["s", "u"]


def test_a_field_that_the_contract_redacts_is_no_object() -> None:
    file = descriptor_pb2.FileDescriptorProto(name="audited.proto", package="audited", syntax="proto3")
    message = file.message_type.add(name="Answer")
    for number, (name, redacted) in enumerate({"user_id": False, "secret_id": True}.items(), 1):
        field = message.field.add(name=name, number=number, type="TYPE_STRING", label="LABEL_OPTIONAL")
        field.options.debug_redact = redacted
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    answer = message_factory.GetMessageClass(pool.FindMessageTypeByName("audited.Answer"))
    assert objects_of(answer(user_id="u", secret_id="s")) == ["u"]


def test_an_entry_has_a_limited_number_of_objects_of_a_limited_length() -> None:
    answer = BatchCreateItemsResponse(items=[Item(id=f"i{number}") for number in range(100)])
    assert objects_of(answer) == [f"i{number}" for number in range(MOST_OBJECTS)]
    assert objects_of(Item(id="i" * 101, barcode="b")) == ["b"]
    assert objects_of(iter([Item(id="i")]), None) == []


def test_the_first_refused_call_is_an_entry_at_once_and_the_next_ones_are_one_entry_a_minute_later() -> None:
    clock = Clock()
    refusals = Refusals(LIMITS, clock)
    refusals.count(call())
    assert refusals.due() == []
    clock.now = 1
    assert [(entry.call_count, list(entry.objects)) for entry in refusals.due()] == [(1, ["x"])]
    for number in range(30):
        refusals.count(call(objects=(f"o{number}",)))
    clock.now = 60
    assert refusals.due() == []
    clock.now = 61
    [entry] = refusals.due()
    assert (entry.call_count, entry.address, len(entry.objects)) == (30, "192.0.2.1", MOST_OBJECTS)
    clock.now = 121
    assert refusals.due() == []


def test_calls_of_other_callers_methods_reasons_and_addresses_are_counted_apart() -> None:
    refusals = Refusals(LIMITS, Clock())
    for entry in (call(), call("192.0.2.2"), call(method="a.B/D"), call()):
        refusals.count(entry)
    counts = {(entry.address, entry.method): entry.call_count for entry in refusals.due(everything=True)}
    assert counts == {("192.0.2.1", "a.B/C"): 2, ("192.0.2.2", "a.B/C"): 1, ("192.0.2.1", "a.B/D"): 1}


def test_a_flood_from_many_addresses_makes_few_entries_which_count_all_calls() -> None:
    clock = Clock()
    refusals = Refusals(LIMITS, clock)
    entries: list[AuditEntry] = []
    for number in range(10_000):
        clock.now = number / 100
        refusals.count(call(f"address {number % 777}", f"a.B/M{number % 13}"))
        if number % 100 == 0:
            entries += refusals.due()
    entries += refusals.due(everything=True)
    assert sum(entry.call_count for entry in entries) == 10_000
    assert len(entries) <= LIMITS.groups + 5
    rest = [entry for entry in entries if not entry.method]
    assert {(entry.address, entry.reason, tuple(entry.objects)) for entry in rest} == {("", "R", ())}
