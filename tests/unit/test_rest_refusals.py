"""All that library-rest refuses by itself: documented, and complete in its details."""

from __future__ import annotations

import json
import re
import string
from collections.abc import Iterator
from pathlib import Path

import pytest

from rest_server.error_answers import refusal_answer
from rest_server.errors import DOMAIN, HTTP_STATUS, FieldsInvalid, Refusal

ERRORS = (Path(__file__).parents[2] / "docs" / "errors.md").read_text(encoding="utf-8")


def kinds(kind: type[Refusal] = Refusal) -> Iterator[type[Refusal]]:
    for narrower in kind.__subclasses__():
        yield narrower
        yield from kinds(narrower)


def example(kind: type[Refusal]) -> Refusal:
    if kind is FieldsInvalid:
        return FieldsInvalid(("days", "must be a whole number"))
    names = [name for _, name, _, _ in string.Formatter().parse(kind.message) if name]
    return kind(**dict.fromkeys(names, "value"))


def test_the_table_has_each_of_them_with_its_status() -> None:
    documented = re.findall(r"^\| `([A-Z_]+)` \| (\d{3}) \|", ERRORS, re.MULTILINE)
    made = {kind.reason: kind.http_status or HTTP_STATUS[kind.status] for kind in kinds()}
    assert {reason: int(status) for reason, status in documented} == made
    assert len(documented) == len(made)


@pytest.mark.parametrize("kind", list(kinds()), ids=lambda kind: kind.__name__)
def test_each_has_the_form_of_aip_193(kind: type[Refusal]) -> None:
    refusal = example(kind)
    http_status, body = refusal_answer(refusal, "some-request")
    error = json.loads(body)["error"]
    info, *others = error["details"]
    assert (error["code"], error["status"], error["message"]) == (http_status, kind.status.name, str(refusal))
    assert (info["@type"], info["reason"], info["domain"]) == (
        "type.googleapis.com/google.rpc.ErrorInfo",
        kind.reason,
        DOMAIN,
    )
    assert others[-1] == {"@type": "type.googleapis.com/google.rpc.RequestInfo", "requestId": "some-request"}
    assert "{" not in error["message"]


def test_a_long_list_with_problems_leaves_room_for_those_of_other_fields() -> None:
    in_list = [(f"tags[{number}]", "must be a string") for number in range(FieldsInvalid.MOST_PROBLEMS + 10)]
    refusal = FieldsInvalid(*in_list, ("page_size", "must be a whole number"))
    assert refusal.problems == [*in_list[: FieldsInvalid.MOST_PROBLEMS - 1], ("page_size", "must be a whole number")]


@pytest.mark.parametrize("word", ["IMPORT_FORMAT", "ä", "🙂" * 5])
def test_a_long_problem_ends_with_a_whole_word(word: str) -> None:
    ((_, kept),) = FieldsInvalid(("format", f"must be one of {', '.join([word] * 100)}")).problems
    assert len(kept.encode()) <= 300
    *words, more = kept.removeprefix("must be one of ").split(" ")
    assert (set(words), more) == ({f"{word},"}, "…")
    assert len(str(FieldsInvalid(("a", "x" * 2_000)))) <= 800
