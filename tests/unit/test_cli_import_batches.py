"""An import is sent in batches that the service commits as a whole."""

from __future__ import annotations

import pytest

from library.admin.v1.catalog_service_pb2 import AddBookRequest, ImportBooksRequest, ImportOutcome
from library_cli.importing.progress import how_far
from library_cli.importing.sending import Tally, _batches


@pytest.mark.parametrize("size", [1, 7_900, 8_100, 500_000, 3_999_000])
def test_a_batch_has_at_most_500_rows_and_4_mb(size: int) -> None:
    count = min(1_201, 20_000_000 // size)
    rows: list[ImportBooksRequest | ImportOutcome] = [
        ImportBooksRequest(line=line, validate_only=True, book=AddBookRequest(description="x" * size))
        for line in range(count)
    ]
    rows.insert(3, ImportOutcome(line=7))
    batches = list(_batches(rows))
    assert [row for batch in batches for row in batch] == rows
    assert max(map(len, batches)) <= 500
    assert max(sum(row.ByteSize() for row in batch) for batch in batches) <= 4_000_000
    # They are as large as they may be.
    assert len(batches) <= max(count // 500 + 1, 2 * count * size // 4_000_000 + 1)


def test_an_import_without_any_answer_goes_on_from_the_first_line() -> None:
    """Rows before the first that was sent, which were refused, are not reported yet."""
    tally = Tally(unanswered=(3, 9), go_on=lambda line: f"from {line}")
    assert how_far(tally, dry_run=False).endswith("\nfrom 1")
    assert how_far(Tally(line=9, added=8, go_on=tally.go_on), dry_run=False).endswith("\nfrom 10")
