"""Requests over HTTP, made from a contract: paths, queries, headers, and JSON that may be broken."""

from __future__ import annotations

import json
import random
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from google.protobuf.descriptor import Descriptor, FieldDescriptor

from rest_server.contracts.http_rules import HttpRule, full_name
from tests.fuzz.known import Known
from tests.fuzz.places import Mode, Places, any_mode, changeable, with_one_odd
from tests.fuzz.values import INTEGERS, F, number, odd_number, odd_text, one_of_each, rules_of, text
from tests.fuzz.wire import NUMBER_WEIGHT

_BROKEN_JSON = [
    "", "{", "[]", "null", "1", '"a"', "{}{}", '{"a":}', "nul", "\ufeff{}",
    "{'a': 1}", '{"\\ud800": 1}', "1e400", "-", "[" * 2_000,
    '{"title":' * 900, "NaN", '{"request_id": 1e400}', '{"page_size": 1' + "0" * 5_000 + "}", "\x00", '"\\u0000"',
]  # fmt: skip

_ODD_VALUES: list[Any] = [
    None, True, "\ud800", "a\udfff", "\0", 1e308, -0.0, 10**40, "1e5",
    "0x1", [], {}, [[]], [None], {"a": {"b": {}}}, "9" * 400, "",
]  # fmt: skip

_FILES = [
    b'{"title": "Emma", "authors": ["Jane Austen"]}\n{"title": ""}\n', b'{"title": "Emma"',
    b"", b"\0" * 300, b"\xff\xfe{",
    b"00045cas a2200037   450024500050000\x1e00\x1faA\x1e\x1d", b"00045cas a2200037   4500245", b"99999" * 20,
    b'<?xml version="1.0"?><collection xmlns="http://www.loc.gov/MARC21/slim"><record/></collection>',
    b'<!DOCTYPE a [<!ENTITY b "c">]><collection>&b;</collection>', b"<collection>" * 200,
    b'[{"leader": "", "fields": []}]',
]  # fmt: skip
"""Content of uploads: of each format, good or broken."""

_ODD_PATHS = ["title", "copies", "total_copies", "first_name", "*", "id", "x.y", "", "create_time", "book.title"]
_ODD_TIMES = ["0001-01-01T00:00:00Z", "9999-12-31T23:59:59.999999999Z", "10000-01-01T00:00:00Z", "1s", "-1.5s", "x"]

_HEADERS = [
    ("If-None-Match", "*"), ("If-None-Match", 'W/"a", "b"'), ("If-Match", "*"), ("Accept-Encoding", "gzip"),
    ("Content-Type", "text/plain"), ("Content-Encoding", "gzip"), ("X-Request-Id", "a b"), ("Authorization", "\xe9"),
    ("Grpc-Timeout", "x"), ("Origin", "http://evil.example"), ("Expect", "100-continue"), ("Range", "bytes=0-1"),
]  # fmt: skip


@dataclass
class HttpRequest:
    """What is sent."""

    verb: str
    path: str
    body: bytes | None = None
    headers: dict[str, str] = field(default_factory=dict)


class HttpRequests:
    """Makes one request."""

    def __init__(self, known: Known, chance: random.Random, odd_text: str) -> None:
        """`odd_text` is what hypothesis has drawn."""
        self._known = known
        self._chance = chance
        self._odd_text = odd_text
        self.mode = any_mode(chance)
        self._is_calm = self.mode is not Mode.WILD
        self._places = Places(None)
        self._mask_paths: list[str] = []

    def request(self, rule: HttpRule, message: Descriptor) -> HttpRequest:
        """Return a request by a rule, whose method takes this message."""
        self._mask_paths = changeable(message)
        if self.mode is Mode.ONE_ODD:
            return with_one_odd(self._chance, lambda chance, places: self._made_by(chance, places, rule, message))
        return self._request(rule, message)

    def _made_by(self, chance: random.Random, places: Places, rule: HttpRule, message: Descriptor) -> HttpRequest:
        own, self._chance, self._places = self._chance, chance, places
        try:
            return self._request(rule, message)
        finally:
            self._chance, self._places = own, Places(None)

    def _request(self, rule: HttpRule, message: Descriptor) -> HttpRequest:
        bound = {variable.field_path[0] for variable in rule.template.variables}
        path = self._path(rule, message)
        verb = rule.verb if rule.verb != "*" else "POST"
        in_body, bound_in_body = message, bound
        if rule.body not in ("", "*"):
            # A field of the path is seldom repeated in the body, where it must have the same value.
            inner = {path[1] for path in (one.field_path for one in rule.template.variables) if path[0] == rule.body}
            bound_in_body = inner if self._is_calm else set()
            in_body = message.fields_by_name[rule.body].message_type or message
        left = [one for one in message.fields if one.name not in bound and one.name != rule.body]
        query = self._query(left) if rule.body != "*" or (not self._is_calm and self._chance.random() < 0.05) else ""
        body = None
        if rule.body or (not self._is_calm and self._chance.random() < 0.05):
            lines = self._chance.choice([1, 1, 2, 5]) if rule.method.proto.client_streaming else 1
            body = b"\n".join(self._body(in_body, bound_in_body) for _ in range(lines))
            if in_body.full_name == "google.api.HttpBody" and self._chance.random() < 0.7:
                body = self._chance.choice(_FILES)
        return HttpRequest(verb, path + query, body, self._headers(body is not None))

    def _path(self, rule: HttpRule, message: Descriptor) -> str:
        path = rule.path
        for variable in rule.template.variables:
            names = ".".join(variable.field_path)
            begin = path.index("{" + names)
            end = path.index("}", begin)
            _, _, segments = path[begin:end].partition("=")
            value = self._in_path(_along(message, variable.field_path))
            if segments:
                value = value.removeprefix(quote("operations/", safe=""))
                value = "/".join(value if segment in ("*", "**") else segment for segment in segments.split("/"))
            path = path[:begin] + value + path[end + 1 :]
        if self._is_calm or self._chance.random() > 0.02:
            return path
        return path + self._chance.choice(["/", ":", "%", "%00", "%ff", "//", ":x"])

    def _in_path(self, of: FieldDescriptor) -> str:
        is_odd = self._places.is_odd()
        if is_odd and self._chance.random() < 0.7:
            return quote(odd_text(of, self._chance, self._odd_text)[:70_000].encode(errors="surrogatepass"), safe="")
        if is_odd or (not self._is_calm and self._chance.random() < 0.03):
            return self._chance.choice(["%ff", "%00", "%ed%a0%80", "..", "%2e%2e%2f", "%2F", ""])
        value = text(of, self._known, self._chance, None if self._is_calm else self._odd_text)[:2_000]
        return quote(value.encode(errors="surrogatepass"), safe="")

    def _query(self, fields: list[FieldDescriptor]) -> str:
        parts = []
        for outer, one in self._leaves(fields):
            if self._chance.random() < 0.5:
                values = self._chance.choice([1, 1, 1, 2]) if one.is_repeated or self._chance.random() < 0.05 else 1
                parts += [f"{outer}{self._name(one)}={self._query_value(one)}" for _ in range(values)]
        if self._places.is_odd() or (not self._is_calm and self._chance.random() < 0.03):
            parts.append(self._chance.choice(["a=b", "=", "&&", "%ff=1", "page_size=%ff", "a.b.c=1", "page_size"]))
        return "?" + "&".join(parts) if parts else ""

    def _leaves(self, fields: list[FieldDescriptor]) -> Iterator[tuple[str, FieldDescriptor]]:
        """Yield the fields of a query after the name of the message that they are in; sometimes the message itself."""
        for one in fields:
            inner = one.message_type
            is_message = inner and not one.is_repeated and not inner.full_name.startswith("google.")
            if inner and is_message and self._chance.random() < 0.9:
                yield from ((f"{self._name(one)}.", leaf) for leaf in inner.fields)
            else:
                yield "", one

    def _query_value(self, of: FieldDescriptor) -> str:
        value = self._value(of, 0)
        if isinstance(value, dict | list):
            value = "title,copies"
        # A query of over 32 kB is refused as a whole.
        written = str(value).lower() if isinstance(value, bool) else str(value)
        return quote(written[:3_000].encode(errors="surrogatepass"), safe="")

    def _body(self, message: Descriptor, bound: set[str]) -> bytes:
        if not self._is_calm and self._chance.random() < 0.1:
            return self._chance.choice(_BROKEN_JSON).encode(errors="surrogatepass")
        made = json.dumps(self._object(message, bound, 4), ensure_ascii=self._chance.random() < 0.5)
        content = made.encode(errors="surrogatepass")
        if self._is_calm:
            return content
        if self._chance.random() < 0.03:
            return content[: self._chance.randint(0, len(content))]
        if self._chance.random() < 0.03:
            return content.replace(b"{", b'{"a": 1, "a": 2, ', 1)
        return content

    def _object(self, message: Descriptor, bound: set[str], depth: int) -> Any:
        if message.full_name == "google.protobuf.FieldMask":
            return self._mask()
        if message.full_name in ("google.protobuf.Timestamp", "google.protobuf.Duration"):
            if self._is_calm and not self._places.is_odd():
                return "1s" if message.name == "Duration" else "2026-01-01T00:00:00Z"
            return self._chance.choice(_ODD_TIMES)
        made = {}
        left_out = bound | one_of_each(message, self._chance)
        for one in message.fields:
            if one.name in left_out:
                continue
            is_required = bool(
                rules_of(one).required
                or rules_of(one).string.min_len
                or one.name in ("id", "book_id", "user_id", "days", "year", "month", "day")
            )
            if self._chance.random() < (0.95 if is_required else 0.35) and (depth or one.message_type is None):
                made[self._name(one)] = self._json(one, depth)
        if not self._is_calm and self._chance.random() < 0.03:
            made[self._chance.choice(["", "nothing", "\ud800", "@type", "\0"])] = 1
        return made

    def _mask(self) -> str:
        if self._is_calm and self._mask_paths and not self._places.is_odd():
            paths = self._chance.sample(self._mask_paths, k=min(len(self._mask_paths), self._chance.choice([1, 1, 2])))
        else:
            paths = self._chance.choices([*_ODD_PATHS, *self._mask_paths], k=2)
        return ",".join(_in_camel_case(path) for path in paths)

    def _json(self, of: FieldDescriptor, depth: int) -> Any:
        if of.is_repeated:
            return [self._value(of, depth) for _ in range(self._chance.choice([0, 1, 2, 3]))]
        return self._value(of, depth)

    def _value(self, of: FieldDescriptor, depth: int) -> Any:
        is_number = of.type not in (F.TYPE_STRING, F.TYPE_BOOL, F.TYPE_MESSAGE)
        if self._places.is_odd(NUMBER_WEIGHT if is_number else 1):
            return self._odd_value(of)
        if not self._is_calm and self._chance.random() < 0.06:
            return self._chance.choice(_ODD_VALUES)
        if of.message_type is not None:
            return self._object(of.message_type, set(), depth - 1)
        if of.enum_type is not None and self._chance.random() < 0.7:
            odd = [] if self._is_calm else ["NOT_A_STATE"]
            return self._chance.choice([value.name for value in of.enum_type.values] + odd)
        if of.type == F.TYPE_STRING:
            return text(of, self._known, self._chance, None if self._is_calm else self._odd_text)
        if of.type == F.TYPE_BOOL:
            return self._chance.choice([True, False])
        if of.type in (F.TYPE_DOUBLE, F.TYPE_FLOAT, F.TYPE_BYTES):
            return self._chance.choice([0, 1.5, "NaN", "Infinity", "YQ=="])
        whole = number(of, self._chance, is_calm=self._is_calm)
        return whole if self._is_calm else self._chance.choice([whole, whole, str(whole), whole + 0.5])

    def _odd_value(self, of: FieldDescriptor) -> Any:
        if self._chance.random() < 0.2:
            return self._chance.choice(_ODD_VALUES)
        if of.type == F.TYPE_STRING:
            return odd_text(of, self._chance, self._odd_text)
        if of.type in INTEGERS:
            whole = odd_number(of, self._chance)
            return self._chance.choice([whole, whole, str(whole), whole + 0.5])
        return self._chance.choice(_ODD_VALUES)

    def _name(self, of: FieldDescriptor) -> str:
        return self._chance.choice([of.name, of.json_name])

    def _headers(self, has_body: bool) -> dict[str, str]:
        headers = {"Content-Type": "application/json"} if has_body else {}
        if self._chance.random() < 0.15:
            known = self._known.pick("request_id", self._chance) or "7"
            key = str(uuid.UUID(int=self._chance.getrandbits(128)))
            if not self._is_calm or self._places.is_odd():
                key = self._chance.choice([known, "", "x" * 300, '"a"'])
            headers["Idempotency-Key"] = key
        if self._places.is_odd() or (not self._is_calm and self._chance.random() < 0.1):
            name, value = self._chance.choice(_HEADERS)
            headers[name] = value
        return headers


def method_name(rule: HttpRule) -> str:
    """The method that a rule calls, as gRPC names it."""
    return full_name(rule.method)


def _in_camel_case(path: str) -> str:
    """Write the path of a mask as JSON has it."""
    first, *others = path.split("_")
    return first + "".join(word.capitalize() for word in others)


def _along(message: Descriptor, names: tuple[str, ...]) -> FieldDescriptor:
    *outer, last = names
    for name in outer:
        inner = message.fields_by_name[name].message_type
        assert inner is not None
        message = inner
    return message.fields_by_name[last]
