"""Path templates: what the grammar in google/api/http.proto has is read, and other text is refused with its reason."""

from __future__ import annotations

import time
from contextlib import suppress
from urllib.parse import quote

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from rest_server.contracts.path_templates import DOUBLE_STAR, STAR, Template, TemplateInvalid, Variable, parse

UNRESERVED = "-_.~"
"""With letters and digits, what http.proto leaves as it is when it writes a value into a path."""

TEXT = st.text(st.characters(codec="utf-8"), min_size=1)
NAMES = st.from_regex(r"[a-z_][a-z0-9_]{0,5}(\.[a-z_][a-z0-9_]{0,5}){0,2}", fullmatch=True)
LITERALS = st.text(st.characters(codec="utf-8", exclude_characters="/{}*"), min_size=1, max_size=8)
SEGMENTS = st.just(STAR) | LITERALS


@st.composite
def templates(draw: st.DrawFn) -> tuple[str, Template]:
    """A template as it is written, and as it is to be read."""
    written: list[str] = []
    segments: list[str] = []
    variables: list[Variable] = []
    names = draw(st.lists(NAMES, unique=True, max_size=3))
    for name in [*names, *draw(st.lists(st.none(), min_size=0 if names else 1, max_size=3))]:
        covered = draw(st.lists(SEGMENTS, min_size=1, max_size=3))
        if name is None:
            written.append("/".join(map(_written, covered)))
        else:
            is_short = covered == [STAR] and draw(st.booleans())
            written.append("{%s}" % (name if is_short else f"{name}={'/'.join(map(_written, covered))}"))
            start = len(segments)
            variables.append(Variable(tuple(name.split(".")), start, start + len(covered)))
        segments += covered
    if draw(st.booleans()):
        written.append(DOUBLE_STAR)
        segments.append(DOUBLE_STAR)
    verb = draw(st.just("") | LITERALS)
    colon = f":{_written(verb)}" if verb else ""
    return f"/{'/'.join(written)}{colon}", Template(tuple(segments), verb, tuple(variables))


def _written(segment: str) -> str:
    return segment if segment == STAR else quote(segment, safe=UNRESERVED)


@given(templates())
def test_what_the_grammar_has_is_read(template: tuple[str, Template]) -> None:
    text, expected = template
    assert parse(text) == expected


@given(st.text() | st.text("/{}*:=.%aé", max_size=20))
@example("/%ff")
@example("/a:%ff")
def test_any_other_text_is_refused_and_nothing_worse(text: str) -> None:
    try:
        parse(text)
    except TemplateInvalid as refusal:
        assert repr(text) in str(refusal)


@pytest.mark.parametrize(
    ("template", "wrong"),
    [
        ("", "does not begin with a slash"),
        ("v1/books", "does not begin with a slash"),
        ("https://library.example/v1", "does not begin with a slash"),
        ("/", "has an empty segment"),
        ("//", "has an empty segment"),
        ("/v1/", "has an empty segment"),
        ("/v1//books", "has an empty segment"),
        ("/:borrow", "has an empty segment"),
        ("/v1/:borrow", "has an empty segment"),
        ("/v1/{id", "brace in the wrong place"),
        ("/v1/id}", "brace in the wrong place"),
        ("/v1/{a{b}}", "brace in the wrong place"),
        ("/v1/{a={b}}", "brace in the wrong place"),
        ("/v1/{a}{b}", "brace in the wrong place"),
        ("/v1/a{b}", "brace in the wrong place"),
        ("/v1/{b}a", "brace in the wrong place"),
        ("/v1/{a}/", "has an empty segment"),
        ("/v1/{}", "is not a field path"),
        ("/v1/{=*}", "is not a field path"),
        ("/v1/{1st}", "is not a field path"),
        ("/v1/{a..b}", "is not a field path"),
        ("/v1/{a.}", "is not a field path"),
        ("/v1/{.a}", "is not a field path"),
        ("/v1/{a b}", "is not a field path"),
        ("/v1/{a-b}", "is not a field path"),
        ("/v1/{*}", "is not a field path"),
        ("/v1/{a/b}", "is not a field path"),
        ("/v1/{a=}", "is not a segment"),
        ("/v1/{a=b/}", "is not a segment"),
        ("/v1/{a=/b}", "is not a segment"),
        ("/v1/{a=b//c}", "is not a segment"),
        ("/v1/a*", "is not a segment"),
        ("/v1/***", "is not a segment"),
        ("/v1/{a=b*}", "is not a segment"),
        ("/v1/**/books", "only a verb may follow `**`"),
        ("/v1/{a=**}/books", "only a verb may follow `**`"),
        ("/v1/{a=**/b}", "only a verb may follow `**`"),
        ("/v1/{a=**}/{b=**}", "only a verb may follow `**`"),
        ("/v1/{a}/{a}", "have the same name"),
        ("/v1/{a.b}/c/{a.b=d/*}", "have the same name"),
        ("/v1/%ff", "is not UTF-8"),
        ("/v1/{a=%c3}", "is not UTF-8"),
        ("/v1/a:%ff", "is not UTF-8"),
        ("/v1/a:", "is not a segment"),
        ("/v1/{a}:", "is not a segment"),
        ("/v1/a:*", "is not a segment"),
        ("/v1/a:**", "is not a segment"),
        ("/v1/%2A", "is not a segment"),  # which would be taken for any segment
    ],
)
def test_a_wrong_template_is_refused_with_its_fault(template: str, wrong: str) -> None:
    with pytest.raises(TemplateInvalid) as refusal:
        parse(template)
    assert wrong in str(refusal.value)
    assert repr(template) in str(refusal.value)


@pytest.mark.parametrize(
    ("template", "segments", "verb"),
    [
        ("/v1/a:b", ("v1", "a"), "b"),
        ("/v1/a:b:c", ("v1", "a:b"), "c"),  # a path's verb follows its last colon, and so does a rule's
        ("/v1/a:b/c", ("v1", "a:b", "c"), ""),
        ("/v1/{a=b:c}", ("v1", "b:c"), ""),
        ("/v1/{a=b:c}:d", ("v1", "b:c"), "d"),
        ("/v1/**:d", ("v1", DOUBLE_STAR), "d"),
        ("/**", (DOUBLE_STAR,), ""),
        ("/v1/a%3Ab", ("v1", "a:b"), ""),
        ("/v1/a:b%3Ac", ("v1", "a"), "b:c"),
        ("/v1/é:ü", ("v1", "é"), "ü"),
    ],
)
def test_the_verb_of_a_path_is_what_follows_its_last_colon(template: str, segments: tuple[str], verb: str) -> None:
    parsed = parse(template)
    assert (parsed.segments, parsed.verb) == (segments, verb)


# --- what variables take from paths: the laws of http.proto ---


def value(template: str, path: str) -> str:
    """What the template's one variable takes from a path that it matches."""
    (variable,) = parse(template).variables
    return variable.value(path[1:].split("/"))


@given(TEXT)
@example("/")
@example("%2F")
@example("a/b:c")
def test_one_segment_is_decoded_slashes_included(text: str) -> None:
    path = f"/v1/{quote(text, safe=UNRESERVED)}"
    for template in ("/v1/{x}", "/v1/{x=*}"):
        assert value(template, path) == text


@given(TEXT)
@example("a/b")
@example("a%2Fb")
@example("//")
def test_several_segments_are_decoded(text: str) -> None:
    encoded = quote(text, safe=f"{UNRESERVED}/")
    assert value("/v1/{x=**}", f"/v1/{encoded}") == text
    assert value("/v1/{x=files/**}", f"/v1/files/{encoded}") == f"files/{text}"
    if "/" not in text:
        assert value("/v1/{x=files/*}", f"/v1/files/{encoded}") == f"files/{text}"


@given(st.text("/%2fF5aé\N{SNOWMAN}"))
def test_several_segments_leave_encoded_slashes_as_they_are(text: str) -> None:
    for slash in ("%2F", "%2f"):
        encoded = slash.join(quote(part, safe=UNRESERVED) for part in text.split("/"))
        assert value("/v1/{x=**}", f"/v1/{encoded}") == text.replace("/", slash)


@given(st.binary(min_size=1))
def test_what_is_not_utf_8_is_not_bound(content: bytes) -> None:
    try:
        content.decode()
    except UnicodeDecodeError:
        pass
    else:
        assume(False)
    encoded = "".join(f"%{byte:02X}" for byte in content)
    for template in ("/v1/{x}", "/v1/{x=**}"):
        with pytest.raises(UnicodeDecodeError):
            value(template, f"/v1/{encoded}")


def test_a_percent_sign_that_encodes_nothing_is_itself() -> None:
    for template in ("/v1/{x}", "/v1/{x=**}"):
        assert value(template, "/v1/100%") == "100%"
        assert value(template, "/v1/%zz") == "%zz"


@pytest.mark.parametrize(
    "template",
    ["/" + "a/" * 20_000 + "a", "/a:" + ":" * 40_000, "/" + "{" * 40_000, "/{a=" + "*/" * 20_000 + "*}", "/" * 40_000],
    ids=["segments", "colons", "braces", "stars", "slashes"],
)
def test_no_template_takes_long(template: str) -> None:
    begin = time.perf_counter()
    with suppress(TemplateInvalid):
        parse(template)
    assert time.perf_counter() - begin < 2  # seconds; it is a few hundredths
