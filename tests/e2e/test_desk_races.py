"""Desks of several frontend processes at once: one item, one limit, one return."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any
from uuid import uuid4

import grpc
import pytest

from library.admin.v1.catalog_service_pb2 import AddBookRequest
from library.frontend.v1.circulation_service_pb2 import CheckInRequest, CheckOutRequest, ListItemsRequest
from library.frontend.v1.member_service_pb2 import EnrollUserRequest
from tests.support.clients import FrontendClient, refusal_of
from tests.support.processes import Servers
from tests.support.stores import Engine
from tests.support.waiting import wait_until
from tests.sync.retrying_clients import answer_to

pytestmark = pytest.mark.slow

DESKS, LIMIT, ROUNDS = 12, 5, 5
CALL_SECONDS = 60.0


def test_desks_of_several_processes_agree(servers: Servers, engine: Engine, admin_url: str, frontend_url: str) -> None:
    admin = servers.start("admin", admin_url)
    count = 4 if engine == "postgresql" else 1
    options = {"ADMIN_TARGET": admin.address, "SYNC_INTERVAL": "0.2", "LOAN_LIMIT": str(LIMIT)}
    frontends = [servers.prepare("frontend", frontend_url, **options) for _ in range(count)]
    for frontend in frontends:
        frontend.launch()
    for frontend in frontends:
        frontend.wait_until_serving()
    desks = [frontends[number % count].frontend() for number in range(DESKS)]
    book = admin.admin().catalog.AddBook(AddBookRequest(title="Emma", copies=DESKS)).id
    wait_until(lambda: len(barcodes_of(desks[0], book)) == DESKS)
    barcodes = barcodes_of(desks[0], book)
    cards = [
        desks[0].members.EnrollUser(EnrollUserRequest(first_name="Ada", last_name="King")).card_number
        for _ in range(DESKS)
    ]
    for _ in range(ROUNDS):
        lent = at_once([partial(check_out, desk, barcodes[0], card) for desk, card in zip(desks, cards, strict=True)])
        assert lent == {"": 1, "ITEM_ON_LOAN": DESKS - 1}
        returned = at_once([partial(check_in, desk, barcodes[0]) for desk in desks])
        assert returned == {"out": 1, "not out": DESKS - 1}
        lent = at_once([partial(check_out, desk, code, cards[0]) for desk, code in zip(desks, barcodes, strict=True)])
        assert lent == {"": LIMIT, "LOAN_LIMIT_REACHED": DESKS - LIMIT}
        returned = at_once([partial(check_in, desk, code) for desk, code in zip(desks, barcodes, strict=True)])
        assert returned == {"out": LIMIT, "not out": DESKS - LIMIT}


def barcodes_of(desk: FrontendClient, book_id: str) -> list[str]:
    return [item.barcode for item in desk.circulation.ListItems(ListItemsRequest(book_id=book_id)).items]


def check_out(desk: FrontendClient, barcode: str, card: str) -> str:
    """Check out; return the reason for which it was refused."""
    request = CheckOutRequest(barcode=barcode, card_number=card, request_id=str(uuid4()))
    try:
        answer_to(partial(desk.circulation.CheckOut, request, timeout=CALL_SECONDS))
    except grpc.RpcError as error:
        refusal = refusal_of(error)
        assert refusal.code is grpc.StatusCode.FAILED_PRECONDITION
        return refusal.reason
    return ""


def check_in(desk: FrontendClient, barcode: str) -> str:
    request = CheckInRequest(barcode=barcode, request_id=str(uuid4()))
    answer, _ = answer_to(partial(desk.circulation.CheckIn, request, timeout=CALL_SECONDS))
    return "out" if answer.was_out else "not out"


def at_once(calls: list[Callable[[], str]]) -> dict[str, int]:
    with ThreadPoolExecutor(len(calls)) as threads:
        running: list[Any] = [threads.submit(call) for call in calls]
        return Counter(each.result() for each in running)
