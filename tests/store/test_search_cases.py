"""What queries find, by scripts and kinds, on both servers and both engines."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.search_cases import CASES, Find, filled
from tests.support.stores import Engine, FreshDatabases, bound_store


@pytest.fixture(scope="module", params=["frontend", "admin"])
def find(request: pytest.FixtureRequest, databases: FreshDatabases, engine: Engine) -> Iterator[Find]:
    with bound_store(request.param, databases.migrated(request.param, engine)) as store:
        yield filled(request.param, store)


def test_there_are_enough_cases() -> None:
    assert len(CASES) >= 150
    assert len({case.kind.split(",")[0] for case in CASES}) >= 20
    assert len({(case.text, case.query) for case in CASES}) == len(CASES)


@pytest.mark.parametrize("kind", dict.fromkeys(case.kind for case in CASES))
def test_queries_find_what_they_should(find: Find, kind: str) -> None:
    wrong = [case.name for case in CASES if case.kind == kind and (case.text in find(case.query)) != case.is_found]
    assert wrong == []
