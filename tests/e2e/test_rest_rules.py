"""Every form that the comments in google/api/http.proto describe, on a service outside the library.

A row of a table is a rule, an HTTP request, and the request to the gRPC server that it must become. The server answers
with its request. The HTTP answer is compared with the JSON that Google's own implementation makes of it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.rest import RestServers
from tests.support.transcoding.contracts import Rule
from tests.support.transcoding.field_rules import (
    FIELD_ANSWERS,
    FIELD_BODIES,
    MALFORMED,
    NOT_ALLOWED,
    PRECEDENCE,
    RANKED_SAME,
)
from tests.support.transcoding.path_rules import (
    DECODING,
    HEAD,
    TEMPLATES,
    VERB,
)
from tests.support.transcoding.served_rules import ServedRules, rules_of, serving_rules

RULES = [
    *rules_of(TEMPLATES, DECODING, FIELD_BODIES, FIELD_ANSWERS, PRECEDENCE, MALFORMED),
    *RANKED_SAME,
    HEAD,
]


@pytest.fixture(scope="module")
def served(module_rest_servers: RestServers) -> Iterator[ServedRules]:
    with serving_rules(module_rest_servers, RULES) as both:
        yield both


@pytest.mark.parametrize(("rule", "http", "seen"), [*TEMPLATES, *FIELD_BODIES, *PRECEDENCE])
def test_the_rule_makes_a_call_of_the_request(served: ServedRules, rule: Rule, http: str, seen: str) -> None:
    answer = served.ask(http)
    assert served.seen() == [served.call(rule, seen)], answer.body
    assert (answer.status, answer.headers["Content-Type"]) == (200, "application/json")
    assert answer.json() == ({} if rule.returns == "google.protobuf.Empty" else served.echo())


@pytest.mark.parametrize(("rule", "path", "seen"), DECODING)
def test_the_path_is_decoded(served: ServedRules, rule: Rule, path: str, seen: str) -> None:
    answer = served.ask(f"GET {path}")
    assert served.seen() == [served.call(rule, seen)], answer.body
    assert (answer.status, answer.json()) == (200, served.echo())


@pytest.mark.parametrize("headers", [{}, {"Content-Length": "0"}], ids=["no length", "length 0"])
def test_no_body_is_an_empty_one(served: ServedRules, headers: dict[str, str]) -> None:
    answer = served.ask("POST /resources/a:archive", headers=headers)
    assert served.seen() == [served.call(VERB, 'text: "a"')], answer.body


@pytest.mark.parametrize(("rule", "http", "answered"), FIELD_ANSWERS)
def test_the_answer_is_the_response_body(served: ServedRules, rule: Rule, http: str, answered: Any) -> None:
    answer = served.ask(http)
    assert (answer.status, answer.json()) == (200, answered)
    assert [method for method, _ in served.seen()] == [served.contract.method(rule)]


def test_a_rule_for_head_answers_without_a_body(served: ServedRules) -> None:
    answer = served.ask("HEAD /heads/a")
    assert served.seen() == [served.call(HEAD, 'text: "a"')]
    assert (answer.status, answer.body) == (200, b"")


@pytest.mark.parametrize(("http", "allowed"), NOT_ALLOWED)
def test_another_verb_is_refused_with_those_that_are_allowed(served: ServedRules, http: str, allowed: set[str]) -> None:
    answer = served.ask(http)
    assert (answer.status, answer.refusal.reason) == (405, "METHOD_NOT_ALLOWED")
    named = set(answer.headers["Allow"].split(", "))
    assert named == allowed | {"OPTIONS"} | ({"HEAD"} if "GET" in allowed else set())
    assert served.seen() == []


def left_out(served: ServedRules) -> dict[str, dict[str, Any]]:
    """The log lines about rules that are left out, by method."""
    return {f"/{event['method']}": event for event in served.rest.log_events() if event["event"] == "rule left out"}


@pytest.mark.parametrize("rule", MALFORMED)
def test_a_malformed_rule_is_logged(served: ServedRules, rule: Rule) -> None:
    line = left_out(served)[served.contract.method(rule)]
    assert (line["level"], line["target"]) == ("warning", served.server.address)
    assert line["problem"]


def test_no_other_rule_is_called_malformed(served: ServedRules) -> None:
    assert set(left_out(served)) == {served.contract.method(rule) for rule in rules_of(MALFORMED)}


@pytest.mark.parametrize("path", ["/bad/a", "/bad/a/more", "/bad/answer", "/levels/a/three", "/half/a/here"])
def test_nothing_is_served_by_a_malformed_rule(served: ServedRules, path: str) -> None:
    assert served.ask(f"GET {path}").status == 404
