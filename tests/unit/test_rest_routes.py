"""Which rule a request's verb and path call for, and that no path takes long to be found or not."""

from __future__ import annotations

import itertools
import re
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rest_server.contracts.path_templates import DOUBLE_STAR, STAR, Template, decoded, parse
from rest_server.errors import ColonEncoded, MethodNotAllowed, PathUnknown, SegmentEmpty
from rest_server.routes import Routes

SECONDS = 2.0
"""Much more than any path takes (hundredths), and much less than one that goes wrong."""


@dataclass(frozen=True)
class Rule:
    """A verb and a path, as in `GET /v1/books/{id}`."""

    text: str

    @property
    def verb(self) -> str:
        return self.text.partition(" ")[0]

    @property
    def template(self) -> Template:
        return parse(self.text.partition(" ")[2])


def routes_of(*rules: str) -> Routes[Rule]:
    routes: Routes[Rule] = Routes()
    for rule in rules:
        routes.add(Rule(rule))
    return routes


def found(rules: Sequence[str], request: str) -> str:
    verb, _, path = request.partition(" ")
    rule, _ = routes_of(*rules).find(verb, path)
    return rule.text


@pytest.mark.parametrize(
    ("rules", "request_line", "expected"),
    [
        # A literal before a variable, in any place.
        (["GET /a/{x}", "GET /a/b"], "GET /a/b", "GET /a/b"),
        (["GET /{x}/b", "GET /a/{x}"], "GET /a/b", "GET /a/{x}"),
        (["GET /a/{x=**}", "GET /a/{x}"], "GET /a/b", "GET /a/{x}"),
        (["GET /a/{x=**}", "GET /a/{x}/c/{y}"], "GET /a/b/c/d", "GET /a/{x}/c/{y}"),
        (["GET /{x=**}", "GET /a/{x=**}"], "GET /a/b", "GET /a/{x=**}"),
        (["GET /{x=**}", "GET /a/{x=**}"], "GET /b/a", "GET /{x=**}"),
        # A dead end is gone back from.
        (["GET /a/b/c", "GET /a/{x}/d"], "GET /a/b/d", "GET /a/{x}/d"),
        (["GET /a/b/c", "GET /{x}/b/d", "GET /{x=**}"], "GET /a/b/d", "GET /{x}/b/d"),
        (["GET /a/b/c/d", "GET /{x}/{y=**}"], "GET /a/b/c/e", "GET /{x}/{y=**}"),
        (["POST /a/b", "GET /a/{x}"], "GET /a/b", "GET /a/{x}"),
        (["POST /a/b:c", "GET /a/{x}"], "GET /a/b:c", "GET /a/{x}"),
        # A path's verb before none, and the last colon is what counts.
        (["GET /a/{x}", "GET /a/{x}:c"], "GET /a/b:c", "GET /a/{x}:c"),
        (["GET /a/{x}", "GET /a/{x}:c"], "GET /a/b:d", "GET /a/{x}"),
        (["GET /a/{x}", "GET /a/{x}:c"], "GET /a/b:c:d", "GET /a/{x}"),
        (["GET /a/{x}", "GET /a/{x}:c"], "GET /a/b:d:c", "GET /a/{x}:c"),
        (["GET /a/{x}", "GET /a/{x}:c"], "GET /a/b%3Ac", "GET /a/{x}"),
        (["GET /a/{x}", "GET /a/{x}:c"], "GET /a/b:%63", "GET /a/{x}:c"),
        (["GET /a/{x=**}:c", "GET /a/{x}/{y}"], "GET /a/b/d:c", "GET /a/{x=**}:c"),
        (["GET /a:b:c"], "GET /a:b:c", "GET /a:b:c"),
        (["GET /a/{x}"], "GET /a/:c", "GET /a/{x}"),  # a verb of nothing: the segment is `:c`
        # The first of two for the same paths is kept, with any names of variables.
        (["GET /a/{x}", "GET /a/{y}"], "GET /a/b", "GET /a/{x}"),
        (["GET /a/{x}/{y}", "GET /a/{z=*/*}"], "GET /a/b/c", "GET /a/{x}/{y}"),
        (["GET /{x=a/*}", "GET /a/{x}"], "GET /a/b", "GET /{x=a/*}"),
        (["GET /a/**", "GET /{x=a/**}"], "GET /a/b", "GET /a/**"),
        # The request's own verb before any verb.
        (["* /a", "GET /a"], "GET /a", "GET /a"),
        (["* /a", "GET /a"], "PUT /a", "* /a"),
        # Literals are compared decoded.
        (["GET /a%20b"], "GET /a b", "GET /a%20b"),
        (["GET /é"], "GET /%C3%A9", "GET /é"),
    ],
)
def test_the_rule_that_is_found(rules: list[str], request_line: str, expected: str) -> None:
    assert found(rules, request_line) == expected


@pytest.mark.parametrize(
    ("rules", "request_line"),
    [
        ([], "GET /"),
        (["GET /a"], "GET /"),
        (["GET /a"], "GET /a/"),
        (["GET /a"], "GET //a"),
        (["GET /a"], "GET /A"),
        (["GET /a"], "GET /a:b"),
        (["GET /a:b"], "GET /a"),
        (["GET /a:b"], "GET /a:b:"),
        (["GET /a/{x}"], "GET /a/"),  # a variable is a segment, and a segment is not empty
        (["GET /a/{x}/b"], "GET /a//b"),
        (["GET /a/{x}"], "GET /a/b/c"),
        (["GET /a/{x}"], "GET /a"),
        (["GET /a/{x}:b"], "GET /a/:b"),
        (["GET /a/b"], "GET /a%2Fb"),
        (["GET /a/{x=b/**}"], "GET /a"),
        (["GET /a"], "GET *"),
        (["GET /a"], "GET "),
    ],
)
def test_a_path_that_no_rule_has(rules: list[str], request_line: str) -> None:
    with pytest.raises(PathUnknown):
        found(rules, request_line)


@pytest.mark.parametrize(
    ("rules", "request_line", "allowed"),
    [
        (["GET /a", "PUT /a", "POST /b"], "DELETE /a", "GET, PUT"),
        (["GET /a/b", "PUT /a/{x}", "PATCH /a/{x=**}", "POST /a/c"], "DELETE /a/b", "GET, PATCH, PUT"),
        (["GET /a/{x}", "POST /a/{x}:b"], "DELETE /a/c:b", "GET, POST"),
        (["GET /a/{x}", "POST /a/{x}:b"], "DELETE /a/c:d", "GET"),
        (["GET /a"], "get /a", "GET"),  # HTTP's verbs are distinguished by case
    ],
)
def test_all_verbs_of_a_path_are_listed_when_it_is_another(rules: list[str], request_line: str, allowed: str) -> None:
    with pytest.raises(MethodNotAllowed) as refusal:
        found(rules, request_line)
    assert refusal.value.headers() == {"allow": allowed}


@pytest.mark.parametrize(
    ("rules", "request_line", "meant"),
    [
        (["GET /a/{x}", "POST /a/{x}:b"], "POST /a/c%3Ab", "POST /a/c:b"),
        (["GET /a/{x}", "POST /a/{x}:b"], "POST /a/c%3ab", "POST /a/c:b"),
        (["GET /a/{x}", "POST /a/{x}:b"], "POST /a/c%253Ab", "POST /a/c:b"),
        (["GET /a/{x}", "POST /a/{x}:b"], "POST /a/c%20d%3Ae%3Ab", "POST /a/c%20d%3Ae:b"),
        (["POST /a:b"], "POST /a%3Ab", "POST /a:b"),
        (["GET /a:b"], "GET /a%3Ab", "GET /a:b"),
        (["GET /a:b"], "HEAD /a%3Ab", "GET /a:b"),
        (["GET /a/{x}", "POST /a/{x}:b"], "PUT /a/c%3Ab", "POST /a/c:b"),
        (["POST /a:b"], "GET /a%3Ab", "POST /a:b"),
    ],
)
def test_an_encoded_colon_before_a_verb_is_reported(rules: list[str], request_line: str, meant: str) -> None:
    with pytest.raises(ColonEncoded, match=re.escape(f" {meant} was meant")):
        found(rules, request_line)


def test_an_encoded_colon_in_an_id_is_a_part_of_it() -> None:
    rules = ["GET /a/{x}", "POST /a/{x}:b"]
    assert found(rules, "GET /a/c%3Ab") == "GET /a/{x}"
    with pytest.raises(MethodNotAllowed):
        found(rules, "HEAD /a/c%3Ab")
    assert found(rules, "POST /a/c%3Ad:b") == "POST /a/{x}:b"
    with pytest.raises(MethodNotAllowed):
        found(rules, "POST /a/c%3Ad")


@pytest.mark.parametrize("request_line", ["POST /a/:b", "GET /a/", "GET /a//c", "POST /a//c:b", "OPTIONS /a/:b"])
def test_an_empty_part_of_a_path_is_reported(request_line: str) -> None:
    rules = ["GET /a/{x}", "POST /a/{x}:b", "GET /a/{x}/c", "POST /a/{x}/c:b"]
    verb, _, path = request_line.partition(" ")
    with pytest.raises(SegmentEmpty):
        routes_of(*rules).verbs(path) if verb == "OPTIONS" else found(rules, request_line)
    assert found(rules, "GET /a/:b") == "GET /a/{x}", "an id may have a colon"
    assert found([*rules, "GET /a/{x=**}"], "GET /a/") == "GET /a/{x=**}"
    with pytest.raises(PathUnknown, match=r"^No method has this path\. /openapi"):
        found(rules, "GET /b/")


@pytest.mark.parametrize("path", ["/a/%ff", "/%c3%28/a", "/a:%ff", "/x/%80/y"])
def test_a_path_that_is_not_utf_8_is_distinguished_from_an_unknown_one(path: str) -> None:
    with pytest.raises(UnicodeDecodeError):
        routes_of("GET /a/{x}", "GET /{x=**}").find("GET", path)


def test_a_rule_whose_paths_are_taken_is_refused_with_their_owner() -> None:
    routes: Routes[Rule] = Routes()
    first, second, other = Rule("GET /a/{x}"), Rule("GET /a/{y}"), Rule("PUT /a/{y}")
    assert routes.add(first) is first
    assert routes.add(second) is first
    assert routes.add(other) is other


# --- the tree finds what trying one rule after another would find ---

PIECES = st.sampled_from(["a", "b", STAR])
TEMPLATES = st.builds(
    lambda segments, rest, verb: "/" + "/".join([*segments, *rest]) + verb,
    st.lists(PIECES, min_size=1, max_size=3),
    st.sampled_from([[], [DOUBLE_STAR]]),
    st.sampled_from(["", "", ":v"]),
)
PATHS = st.builds(
    lambda segments, verb: "/" + "/".join(segments) + verb,
    st.lists(st.sampled_from(["a", "b", "c", "a:v", ""]), max_size=4),
    st.sampled_from(["", ":v", ":w"]),
)


def matches(template: Template, segments: Sequence[str], path_verb: str) -> bool:
    """Whether a template has a path, by the words of http.proto and no tree."""
    if template.verb != path_verb:
        return False
    wanted = template.segments
    if wanted[-1:] == (DOUBLE_STAR,):
        wanted, segments = wanted[:-1], segments[: len(wanted) - 1]
    return len(wanted) == len(segments) and all(
        bool(given) if want == STAR else want == given for want, given in zip(wanted, segments, strict=True)
    )


@given(st.lists(TEMPLATES, max_size=8), PATHS)
def test_a_rule_is_found_exactly_when_one_has_the_path(templates: list[str], path: str) -> None:
    segments = path[1:].split("/")
    readings = [(segments, "")]
    name, _, verb = segments[-1].rpartition(":")
    if verb and ":" in segments[-1]:
        readings.insert(0, ([*segments[:-1], name], verb))
    fitting = [
        template
        for read, path_verb in readings
        for template in templates
        if matches(parse(template), [decoded(segment) for segment in read], path_verb)
    ]
    rules = [f"GET {template}" for template in templates]
    if not fitting:
        with pytest.raises(PathUnknown):
            found(rules, f"GET {path}")
    else:
        assert found(rules, f"GET {path}").removeprefix("GET ") in fitting


@given(st.lists(st.text(st.characters(codec="utf-8"), min_size=1), min_size=1, max_size=5))
def test_segments_come_out_as_they_went_in(texts: list[str]) -> None:
    path = "/" + "/".join(quote(text, safe="-_.~") for text in texts)
    template = "/" + "/".join(f"{{f{number}}}" for number in range(len(texts)))
    rule, segments = routes_of(f"GET {template}").find("GET", path)
    assert [variable.value(segments) for variable in rule.template.variables] == texts


# --- what a path may cost ---

# A tree in which every segment of `a`s may be the literal or the star, and no path of the right length ends.
BRANCHING = [f"GET /{'/'.join(choice)}/end" for choice in itertools.product(["a", STAR], repeat=10)]


@pytest.mark.parametrize(
    ("rules", "path"),
    [
        (["GET /{x=**}"], "/" + "a/" * 10_000),
        (["GET /a/{x}"], "/" + "a/" * 10_000),
        (["GET /a/{x}"], "/" * 30_000),
        (["GET /a/{x}:b"], "/a/" + ":" * 30_000),
        (["GET /{x=**}:b"], "/:" * 15_000),
        (["GET /{x=**}"], "/" + "%2F" * 10_000),
        (["GET /{x=**}"], "/" + "%" * 30_000),
        (["GET /{x}"], "/" + "%C3%A9" * 5_000),
        (BRANCHING, "/" + "a/" * 10 + "nowhere"),
        (["GET /" + "*/" * 5_000 + "end"], "/" + "a/" * 5_000 + "nowhere"),
        (["GET /" + "*/" * 900 + "end"], "/" + "a/" * 900 + "end"),
    ],
    ids=[
        "segments for a rest",
        "segments for nothing",
        "slashes",
        "colons",
        "a verb in each segment",
        "encoded slashes",
        "percent signs",
        "encoded letters",
        "every choice a dead end",
        "stars",
        "a long way",
    ],
)
def test_no_path_takes_long(rules: list[str], path: str) -> None:
    routes = routes_of(*rules)
    begin = time.perf_counter()
    with suppress(PathUnknown):
        rule, segments = routes.find("GET", path)
        for variable in rule.template.variables:
            variable.value(segments)
    assert time.perf_counter() - begin < SECONDS
