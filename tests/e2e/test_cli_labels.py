"""`library labels` with the real services: what they number is what a scanner reads."""

from __future__ import annotations

from pathlib import Path

import grpc
import pytest

from library.admin.v1.catalog_service_pb2 import AddBookRequest
from library.admin.v1.inventory_service_pb2 import ListItemsRequest
from library.admin.v1.inventory_service_pb2_grpc import InventoryServiceStub
from library.frontend.v1.member_service_pb2 import EnrollUserRequest
from library.v1.item_pb2 import Item
from tests.support.clients import AdminClient, open_channel
from tests.support.library_command import library
from tests.support.printed import scanned, texts
from tests.support.processes import ServerProcess, Servers


@pytest.fixture(scope="module")
def admin(module_servers: Servers, tmp_path_factory: pytest.TempPathFactory) -> ServerProcess:
    return module_servers.start("admin", f"sqlite:///{tmp_path_factory.mktemp('labels')}/admin.db")


def items_of(admin: ServerProcess, title: str, copies: int) -> list[Item]:
    """Add a book, and return the items that the admin service made for it."""
    with open_channel(admin.address) as channel:
        book = AdminClient(channel).catalog.AddBook(AddBookRequest(title=title, copies=copies), timeout=30)
        try:
            listed = InventoryServiceStub(channel).ListItems(ListItemsRequest(book_id=book.id), timeout=30)
        except grpc.RpcError as error:
            if error.code() is not grpc.StatusCode.UNIMPLEMENTED:
                raise
            pytest.skip("The admin service does not have items yet.")
        return list(listed.items)


def test_generated_barcodes_are_scanned(admin: ServerProcess, tmp_path: Path) -> None:
    first, second = items_of(admin, "Dune", 3), items_of(admin, "Їжакевич", 2)
    file = tmp_path / "labels.pdf"
    done = library("labels", "--book", first[0].book_id, "--output", str(file), admin=admin.address)
    assert done.returncode == 0, done.stderr
    assert [each.text for each in scanned(file.read_bytes(), dpi=200)] == [item.barcode for item in first]
    barcodes = f"{first[1].barcode}..{second[1].barcode}"
    done = library("labels", barcodes, "--output", str(file), "--force", admin=admin.address)
    assert done.returncode == 0, done.stderr
    expected = [item.barcode for item in (*first[1:], *second)]
    assert [each.text for each in scanned(file.read_bytes(), dpi=200)] == expected
    assert "Їжакевич" in texts(file.read_bytes())[0]


@pytest.mark.slow
def test_generated_card_numbers_are_scanned(module_servers: Servers, admin: ServerProcess, tmp_path: Path) -> None:
    frontend = module_servers.start("frontend", f"sqlite:///{tmp_path}/frontend.db", ADMIN_TARGET=admin.address)
    request = EnrollUserRequest(email="ada@example.org", first_name="Ada", last_name="Lovelace")
    user = frontend.frontend().members.EnrollUser(request, timeout=30)
    if not user.card_number:
        pytest.skip("The frontend service does not have card numbers yet.")
    file = tmp_path / "cards.pdf"
    for chosen in ([user.card_number], ["--query", "lovelace"]):
        done = library("labels", "--cards", *chosen, "--force", "--output", str(file), frontend=frontend.address)
        assert done.returncode == 0, done.stderr
        assert [each.text for each in scanned(file.read_bytes())] == [user.card_number]
    assert "Ada Lovelace" in texts(file.read_bytes())[0]
