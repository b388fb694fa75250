"""What headers ask for, in gRPC's terms, and what is made of headers that ask for nothing that there is."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from starlette.datastructures import Headers

from rest_server.errors import FieldsInvalid
from rest_server.headers import entity_tag, idempotency_key, metadata, names_tag, request_id, seconds_to_answer

ANY_HEADER = st.text(st.characters(max_codepoint=255), max_size=30)
"""What can be in a header, which is read as latin-1."""


@pytest.mark.parametrize(
    ("asked", "seconds"),
    [
        (None, 30.0),
        ("1S", 1.0),
        ("500m", 0.5),
        ("1000u", 0.001),
        ("99999999n", 0.099999999),
        ("1M", 30.0),  # no more than there is
        ("99999999H", 30.0),
        ("0S", 0.0),
        ("0n", 0.0),
        ("00000001H", 30.0),
    ],
)
def test_the_time_that_an_answer_may_take(asked: str | None, seconds: float) -> None:
    headers = Headers({} if asked is None else {"Grpc-Timeout": asked})
    assert seconds_to_answer(headers, 30.0) == pytest.approx(seconds)


@given(ANY_HEADER)
@example("1s")
@example("100000000S")
@example("\u00b2S")  # a digit, and no decimal one
@example("1S\n")
@example("")
def test_another_time_is_refused(asked: str) -> None:
    try:
        assert 0 <= seconds_to_answer(Headers({"Grpc-Timeout": asked}), 30.0) <= 30
    except FieldsInvalid as refusal:
        assert [field for field, _ in refusal.problems] == ["grpc-timeout"]


@pytest.mark.parametrize("given", ["a", "0", "a.b-c_d", "x" * 64])
def test_a_request_id_of_the_client_is_kept(given: str) -> None:
    assert request_id(Headers({"X-Request-Id": given})) == given


@pytest.mark.parametrize("given", ["", " ", "x" * 65, "a b", "a\n", "a/b", "\u00e9", "<script>", "{}", '"'])
def test_a_request_id_that_could_do_harm_is_not(given: str) -> None:
    made = request_id(Headers({"X-Request-Id": given}))
    assert made != given
    assert made.isalnum()
    assert request_id(Headers({"X-Request-Id": given})) != made


@given(ANY_HEADER)
@example("Bearer a.b-c_d")
@example("Bearer \u00e9")
@example("a\tb")
@example("a\r\nb: c")
def test_authorization_goes_on_as_it_is_or_not_at_all(value: str) -> None:
    try:
        passed = metadata(Headers({"Authorization": value}), "some-request")
    except FieldsInvalid as refusal:
        assert [field for field, _ in refusal.problems] == ["authorization"]
        assert value.strip() == "" or value not in str(refusal)  # which is a secret
    else:
        assert list(passed) == [("x-request-id", "some-request"), ("authorization", value)]
        assert value.isascii()


def test_no_other_header_goes_on() -> None:
    headers = Headers({"Cookie": "a", "X-Forwarded-For": "a", "Grpc-Trace-Bin": "a", ":authority": "a", "Te": "a"})
    assert list(metadata(headers, "some-request")) == [("x-request-id", "some-request")]


@pytest.mark.parametrize(
    ("peer", "sent", "address"),
    [
        ("192.0.2.1", [], "192.0.2.1"),
        ("192.0.2.1", ["198.51.100.7"], "192.0.2.1"),  # anyone could send it
        ("127.0.0.1", [], "127.0.0.1"),
        ("127.0.0.1", ["198.51.100.7"], "198.51.100.7"),
        ("::1", ["10.0.0.1, 2001:db8::7"], "2001:db8::7"),
        ("127.0.0.1", ["198.51.100.7", "198.51.100.8"], "198.51.100.8"),
        ("127.0.0.1", ["198.51.100.7, unknown"], "127.0.0.1"),
        ("127.0.0.1", ["fe80::1%eth0"], "127.0.0.1"),
        ("127.0.0.1", ["\u00e9"], "127.0.0.1"),
        ("testclient", ["198.51.100.7"], "testclient"),
    ],
)
def test_the_target_learns_the_address_of_the_client(peer: str, sent: list[str], address: str) -> None:
    headers = Headers(raw=[(b"x-forwarded-for", value.encode("latin-1")) for value in sent])
    assert list(metadata(headers, "a", peer)) == [("x-request-id", "a"), ("x-forwarded-for", address)]


@pytest.mark.parametrize(
    ("if_none_match", "tag", "is_named"),
    [
        ("*", '"a"', True),
        (" * ", '"a"', True),
        ('"a"', '"a"', True),
        ('W/"a"', '"a"', True),
        ('"a"', 'W/"a"', True),
        ('"b", "a"', '"a"', True),
        ('"b","a"', '"a"', True),
        ('"b" ,W/"a" ', '"a"', True),
        ('"a,b"', '"a,b"', True),
        ("", '"a"', False),
        ("a", '"a"', False),
        ('"a', '"a"', False),
        ('"A"', '"a"', False),
        ('"b", *', '"a"', False),
        ('"aa"', '"a"', False),
        ('""', '""', True),
        ('"', '""', False),
    ],
)
def test_a_tag_that_the_client_has_is_found(if_none_match: str, tag: str, is_named: bool) -> None:
    assert names_tag(if_none_match, tag) is is_named


@given(st.binary(max_size=100), st.binary(max_size=100))
def test_a_tag_identifies_content(content: bytes, other: bytes) -> None:
    tag = entity_tag(content)
    assert names_tag(f'"a", {tag}', tag)
    assert names_tag(entity_tag(other), tag) is (other == content)


def test_an_idempotency_key_is_one() -> None:
    assert idempotency_key(Headers({})) is None
    assert idempotency_key(Headers({"Idempotency-Key": ""})) == "", "which is refused later, and not passed over"
    name = b"idempotency-key"
    assert idempotency_key(Headers(raw=[(name, b"a"), (name, b"a")])) == "a"
    with pytest.raises(FieldsInvalid, match="more than once"):
        idempotency_key(Headers(raw=[(name, b"a"), (name, b"b")]))
