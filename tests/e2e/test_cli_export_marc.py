"""`library export` as MARC records: with all values and all items, and the same again after an import."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from google.type.money_pb2 import Money

from library.admin.v1.catalog_service_pb2 import AddBookRequest
from library.admin.v1.inventory_service_pb2 import ListItemsRequest, UpdateItemRequest
from library.v1.book_pb2 import IDENTIFIER_TYPE_ISSN, IDENTIFIER_TYPE_OCLC, Contributor, Identifier
from library.v1.item_pb2 import Item
from library_cli.__main__ import main
from library_domain.book_fields import BOOK_FIELDS
from library_formats.records import ReadRecord
from tests.support.clients import AdminClient, open_channel
from tests.support.library_command import COMMAND, NOBODY, catalogue, environment
from tests.support.marc_files import FORMATS, read
from tests.support.processes import ServerProcess, Servers

SUFFIXES = {"marc": ".mrc", "marcxml": ".xml", "marcjson": ".json"}
BOOKS = [
    AddBookRequest(title="Plain /", language="eng"),
    AddBookRequest(
        title='Quotes " and <signs> & more.',
        subtitle="a novel :",
        authors=["Smith; Jones Ltd", "Gibson, William"],
        isbn="9780441013593",
        publisher="Ace,",
        category="Science fiction",
        language="en-GB",
        published_year=98,
        page_count=3,
        description='Line one\nline two\r\nline three\rand\ttabs, \u2028 "quoted"\n\n\'end' + "€" * 9_000,
        cover_uri="https://example.org/a,b?c=%22d%22",
        copies=3,
        edition="2nd ed.",
        series="A series ;",
        volume="1 /",
        subjects=["Cats", "cats", "Dogs -- Fiction"],
        identifiers=[
            Identifier(type=IDENTIFIER_TYPE_OCLC, value="12345"),
            Identifier(type=IDENTIFIER_TYPE_ISSN, value="0317-8471"),
        ],
        contributors=[Contributor(name="Reinhard Heinz", role="translator"), Contributor(name="Body", role="author")],
        format="Audiobook",
    ),
    AddBookRequest(title="Ελληνικά 日本語 עברית 🐛", published_year=-44, format="Power drill", volume="2"),
    AddBookRequest(title="None", copies=0),
    AddBookRequest(title="Many", copies=300),
]


def library(*arguments: str, admin: str) -> Result:
    done = CliRunner().invoke(main, arguments, env=environment(admin, NOBODY))
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    return done


@pytest.fixture(scope="module")
def admin(module_servers: Servers, tmp_path_factory: pytest.TempPathFactory) -> ServerProcess:
    server = module_servers.start("admin", f"sqlite:///{tmp_path_factory.mktemp('export')}/admin.db")
    with open_channel(server.address) as channel:
        client = AdminClient(channel)
        added = [client.catalog.AddBook(book, timeout=100) for book in BOOKS]
        item = client.inventory.ListItems(ListItemsRequest(book_id=added[-1].id), timeout=100).items[0]
        price = Money(currency_code="EUR", units=12, nanos=500_000_000)
        changed = Item(id=item.id, shelf="Top", call_number="813 GIB", note="torn", item_type="DVD", price=price)
        client.inventory.UpdateItem(UpdateItemRequest(item=changed), timeout=100)
    return server


def barcodes(admin: str) -> list[str]:
    with open_channel(admin) as channel:
        page = AdminClient(channel).inventory.ListItems(ListItemsRequest(page_size=1_000), timeout=100)
    return sorted(item.barcode for item in page.items)


def exported(admin: str, path: Path) -> bytes:
    done = library("export", str(path), admin=admin)
    assert (done.exit_code, done.stdout, done.stderr) == (0, "", f"Exported {len(BOOKS)} books\n")
    return path.read_bytes()


@pytest.mark.parametrize("form", FORMATS)
def test_a_file_has_all_values_and_all_items(admin: ServerProcess, tmp_path: Path, form: str) -> None:
    records: list[ReadRecord] = read(exported(admin.address, tmp_path / f"books{SUFFIXES[form]}"), FORMATS[form])

    assert [record.problems for record in records] == [()] * len(BOOKS)
    for record, book in zip(records, catalogue(admin.address), strict=True):
        for field in BOOK_FIELDS:
            if field.name != "total_copies":
                assert getattr(record.book, field.input_name) == getattr(book, field.name), field.name
        assert len(record.items) == book.total_copies
    assert sorted(item.barcode for record in records for item in record.items) == barcodes(admin.address)
    changed = [item for item in records[-1].items if item.shelf]
    assert [(item.shelf, item.call_number, item.note, item.item_type, item.price, item.branch) for item in changed] == [
        ("Top", "813 GIB", "torn", "DVD", "12.50 EUR", "main")
    ]


@pytest.mark.parametrize("form", FORMATS)
def test_an_export_can_be_imported_and_exported_again(
    servers: Servers, admin: ServerProcess, tmp_path: Path, form: str
) -> None:
    first = exported(admin.address, tmp_path / f"first{SUFFIXES[form]}")
    other = servers.start("admin", f"sqlite:///{tmp_path}/other.db").address
    imported = library("import", str(tmp_path / f"first{SUFFIXES[form]}"), "--copies", "0", admin=other)
    assert imported.exit_code == 0, imported.output

    assert exported(other, tmp_path / f"second{SUFFIXES[form]}") == first
    assert barcodes(other) == barcodes(admin.address)


def test_standard_output_and_another_field_for_items(admin: ServerProcess) -> None:
    command = [*COMMAND, "export", "-", "--format", "marcjson", "--items", "852"]
    done = subprocess.run(command, env=environment(admin.address, NOBODY), capture_output=True, timeout=100, check=True)

    records = json.loads(done.stdout)
    assert len(records) == len(BOOKS)
    assert sum(1 for field in records[-1]["fields"] if "852" in field) == 300


def test_a_book_that_does_not_fit_leaves_the_old_file(servers: Servers, tmp_path: Path) -> None:
    address = servers.start("admin", f"sqlite:///{tmp_path}/admin.db").address
    with open_channel(address) as channel:
        AdminClient(channel).catalog.AddBook(AddBookRequest(title="Many", copies=3_000), timeout=100)
    file = tmp_path / "books.mrc"
    file.write_text("old")

    done = library("export", str(file), admin=address)

    assert done.exit_code == 2
    assert "The book Many (" in done.stderr
    assert "write XML or JSON instead" in done.stderr
    assert file.read_text() == "old"
    assert sorted(path.name for path in tmp_path.iterdir() if "books" in path.name) == ["books.mrc"]


def test_users_are_not_marc_records(admin: ServerProcess) -> None:
    done = library("export", "-", "--users", "--format", "marc", admin=admin.address)

    assert done.exit_code == 2
    assert "MARC records are of books" in done.stderr
