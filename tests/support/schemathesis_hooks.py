"""What schemathesis needs to know about this API: what lines of NDJSON are, which ids exist, and what is not a fault.

Schemathesis loads this module by SCHEMATHESIS_HOOKS. LIBRARY_TRIAL is the folder through which it and
the test exchange files.
"""

from __future__ import annotations

import atexit
import json
import os
import re
import zlib
from base64 import b64encode
from collections import Counter
from collections.abc import Iterator, Mapping
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

import protovalidate
import schemathesis
from google.api import annotations_pb2, http_pb2
from google.protobuf import descriptor_pool, json_format, message_factory
from google.protobuf.descriptor import Descriptor, FieldDescriptor, MethodDescriptor
from hypothesis import strategies as st
from schemathesis.core.failures import AcceptedNegativeData, Failure
from schemathesis.generation import GenerationMode
from schemathesis.generation.meta import TestPhase
from schemathesis.openapi.checks import AllowHeaderMismatch, RejectedPositiveData, UnsupportedMethodResponse

# Their descriptors are found by name.
import library.access.v1.access_service_pb2
import library.admin.v1.branch_service_pb2
import library.admin.v1.catalog_service_pb2
import library.admin.v1.import_service_pb2
import library.admin.v1.inventory_service_pb2
import library.admin.v1.loan_service_pb2
import library.admin.v1.policy_service_pb2
import library.admin.v1.report_service_pb2
import library.admin.v1.staff_service_pb2
import library.admin.v1.status_service_pb2
import library.admin.v1.user_service_pb2
import library.frontend.v1.catalog_service_pb2
import library.frontend.v1.circulation_service_pb2
import library.frontend.v1.lending_service_pb2
import library.frontend.v1.member_service_pb2
import library.frontend.v1.sync_service_pb2
import library.sync.v1.sync_service_pb2  # noqa: F401

NDJSON = "application/x-ndjson"

FOLDER = Path(os.environ["LIBRARY_TRIAL"])

KNOWN: Mapping[str, list[Any]] = json.loads((FOLDER / "known.json").read_text())
"""Ids that there are, by the names of the fields that may have them; and addresses that nobody has yet."""

PLAIN: Mapping[str, Any] = {
    **dict.fromkeys(("title", "publisher", "category", "firstName", "lastName", "query"), "Plain"),
    **dict.fromkeys(("isbn", "coverUri", "etag", "receipt", "cursor", "pageToken", "requestId"), ""),
    "language": "en",
    "totalCopies": 3,
    "days": 3,
    "publishedYear": 1900,
    "pageCount": 300,
    "authors": ["A. N. Other"],
    **dict.fromkeys(("subtitle", "edition", "series", "volume", "format"), "Plain"),
    **{name: [] for name in ("subjects", "identifiers", "contributors", "origins")},
    "updateMask": "title",
    # Names of what can be overridden, and of services; a time that has passed is refused.
    "overrideReasons": [],
    "scopes": [],
    "expireTime": "2100-01-01T00:00:00Z",
}
"""What the services take. They refuse most that is made from a schema: no schema excludes control characters."""

ENDING = (":cancelCheckOut", ":close", ":erase")
"""What ends a loan or an account, like a removal: it gets a few ids only, so that other operations find the rest."""

ANSWERED: Counter[str] = Counter()
"""How often each operation answered with each status."""


ROWS = st.fixed_dictionaries(
    {"line": st.integers(0, 9)},
    optional={"book": st.fixed_dictionaries({"title": st.text(max_size=9)}, optional={"isbn": st.just("0306406152")})},
)
LINES = st.lists(ROWS.map(json.dumps), min_size=1, max_size=4).map("\n".join).map(str.encode)
"""For the document a body of lines is a text, so what is in them has to be made here."""

schemathesis.openapi.media_type(NDJSON, LINES)


def books_of(lines: bytes) -> list[str]:
    """Return the books of rows, as JSON: a media type has one strategy for all operations."""
    return [json.dumps(json.loads(line).get("book", {"title": "A"})) for line in lines.splitlines()]


def parts_of(lines: bytes) -> bytes:
    """Return the messages of an upload of the books of rows."""
    parts = [b64encode(f"{book}\n".encode()).decode() for book in books_of(lines)]
    return "\n".join(json.dumps({"config": {"source": "a"}, "chunk": part}) for part in parts).encode()


@schemathesis.hook
def before_load_schema(_context: Any, document: dict[str, Any]) -> None:
    """Leave out what is not tried: samples of lines, and tokens, as the services run in the mode `open`.

    Of a type with a strategy of its own, only bytes can be sent, and no text.
    """
    del document["components"]["securitySchemes"]
    for item in document["paths"].values():
        for operation in item.values():
            del operation["security"]
            operation.get("requestBody", {}).get("content", {}).get(NDJSON, {}).pop("example", None)


@schemathesis.hook
def before_call(_context: Any, case: Any, _arguments: Any) -> None:
    """Use ids that exist, and mostly plain values, in requests that are to be taken."""
    if case.operation.path.endswith("/imports:start") and isinstance(case.body, bytes):
        case.body = parts_of(case.body)
    meta = case.meta
    if meta is None or meta.phase.name is not TestPhase.FUZZING or meta.generation.mode is not GenerationMode.POSITIVE:
        return
    # Not by chance: the same seed is to send the same requests.
    number = zlib.crc32(repr((case.path_parameters, case.query, case.body)).encode(errors="replace"))
    kinds = dict(re.findall(r"/(book|user|loan|staff)s?/{(\w+)}", case.operation.path))
    ends = case.operation.method.upper() == "DELETE" or case.operation.path.endswith(ENDING)
    ids = {name: KNOWN[f"{kind}Id"][-10:] if ends else KNOWN[f"{kind}Id"] for kind, name in kinds.items()}
    values = KNOWN
    if number % 4:
        values = {**KNOWN, **{name: [value] for name, value in PLAIN.items()}}
        case.headers.pop("Idempotency-Key", None)
    if case.operation.path.endswith("/imports:upload"):
        case.body = b'{"title": "A"}\n'  # a file has any bytes, most of which are of no format
    case.path_parameters = _filled(case.path_parameters, ids, number)
    case.query = _filled(case.query, values, number)
    case.body = _filled(case.body, values, number)
    if number % 4 and case.operation.path.endswith("/items:batchCreate"):
        # It names the barcodes in one way, and each field of its item is one that can be wrong.
        case.body = {"item": {"bookId": KNOWN["bookId"][number % len(KNOWN["bookId"])]}, "count": 1 + number % 9}
    if case.operation.path.endswith("/loans/{loanId}:return") and isinstance(case.body, dict):
        # A return names its loan or its book and user, not both.
        case.body = {name: value for name, value in case.body.items() if name not in ("bookId", "userId")}


def _filled(made: Any, values: Mapping[str, list[Any]], number: int) -> Any:
    """Set fields that are there to one of the values for their names."""
    if not isinstance(made, dict):
        return made
    return {**made, **{name: values[name][number % len(values[name])] for name in made if name in values}}


@schemathesis.hook
def after_call(_context: Any, case: Any, response: Any) -> None:
    """Count."""
    ANSWERED[f"{case.operation.label} {response.status_code}"] += 1


@atexit.register
def write_counts() -> None:
    """Write what was answered, for the test."""
    (FOLDER / "answered.json").write_text(json.dumps(ANSWERED))


@schemathesis.hook
def filter_failure(_context: Any, failure: Failure, case: Any, response: Any) -> bool:
    """Let some complaints pass.

    A request as the schema has it may be refused by the service for what no schema expresses (the check digit of an
    ISBN, a page token of another list), but not by library-rest, which can read all that it describes. And a request
    that the schema does not have is rightly taken if it is a request of the schema in another of protobuf's notations:
    null for nothing, "5" for 5, 2 for an enum's second name. Whether it is, protobuf's own library and protovalidate
    decide, as the services would.

    `/v1/loans/ID:renew` is a path of its own for POST. For GET it is a loan of an odd name, and is looked for. And
    `/v1/operations` is also the path of an operation without segments, by the grammar of `{name=operations/**}`.
    """
    if response.status_code == HTTPStatus.SERVICE_UNAVAILABLE and _reason(response) == "SOURCE_UNAVAILABLE":
        return False  # no other catalogue can be reached from here
    if isinstance(failure, UnsupportedMethodResponse | AllowHeaderMismatch):
        return "}:" not in case.operation.path and case.operation.path != "/v1/operations"
    # Fifty publishers and fifty categories of 200 characters each make a longer path than is read, for any values.
    if response.status_code == HTTPStatus.REQUEST_URI_TOO_LONG:
        return False
    # What an import did not add has no id, and without one it is another path.
    if not all(case.path_parameters.values()):
        return False
    if isinstance(failure, RejectedPositiveData):
        return _refused_here(response.json()["error"])
    if isinstance(failure, AcceptedNegativeData):
        return not _is_a_valid_request(case, response.request)
    return True


def _refused_here(error: Mapping[str, Any]) -> bool:
    """Whether library-rest refused it, other than for what no schema expresses.

    That is a contradiction between a header and the body, and a number in a text that has digits enough for more than
    64 bits.
    """
    info = _info(error)
    unsaid = ("differs from", "a whole number of at most 64 bits")
    return info["domain"] == "library-rest" and not any(words in error["message"] for words in unsaid)


def _info(error: Mapping[str, Any]) -> Mapping[str, Any]:
    found: Mapping[str, Any] = next(
        detail for detail in error["details"] if detail["@type"].endswith("google.rpc.ErrorInfo")
    )
    return found


def _reason(response: Any) -> str:
    return str(_info(response.json()["error"])["reason"])


def _is_a_valid_request(case: Any, request: Any) -> bool:
    method = method_of(case)
    body = request.body if isinstance(request.body, bytes) else (request.body or "").encode()
    is_file = _is_file(method, _rule_of(method, case.operation.path))
    for line in body.splitlines() if method.client_streaming and not is_file else [body]:
        message = message_factory.GetMessageClass(method.input_type)()
        try:
            json_format.ParseDict(_tree(method, case, request, line), message)
        except (json_format.ParseError, json.JSONDecodeError, UnicodeDecodeError):
            return False
        # The rows of a stream have an outcome each, so it is not refused for bad ones.
        if not method.client_streaming and protovalidate.collect_violations(message):
            return False
    return True


def method_of(case: Any) -> MethodDescriptor:
    """The method that an operation calls."""
    name = case.operation.definition.raw["x-grpc-method"].replace("/", ".")
    method: MethodDescriptor = descriptor_pool.Default().FindMethodByName(name)
    return method


def _tree(method: MethodDescriptor, case: Any, request: Any, body: bytes) -> dict[str, Any]:
    """All parts of a request as one JSON object."""
    url = urlsplit(request.url)
    rule = _rule_of(method, case.operation.path)
    tree: dict[str, Any] = {}
    if rule.body == "*":
        tree.update(json.loads(body or b"{}"))
    elif rule.body and not _is_file(method, rule):
        tree[rule.body] = json.loads(body)
    for name, text in parse_qsl(url.query, keep_blank_values=True, errors="strict"):
        _put(tree, method.input_type, name.split("."), text)
    for name, text in _path_variables(rule, url.path):
        _put(tree, method.input_type, name.split("."), text)
    if key := request.headers.get("Idempotency-Key", "").strip().strip('"'):
        tree["request_id"] = key
    return tree


def _rule_of(method: MethodDescriptor, path: str) -> Any:
    """The rule with a path of the document, whose names of variables may be others."""
    # Its stub does not name which message the extension extends.
    options: Any = method.GetOptions()
    rule = options.Extensions[annotations_pb2.http]
    rules = [rule, *rule.additional_bindings] if options.HasExtension(annotations_pb2.http) else []
    form = re.sub(r"{[^}]*}", "*", path)
    found = (one for one in rules if _VARIABLE.sub(_segments, getattr(one, one.WhichOneof("pattern"))) == form)
    return next(found, http_pb2.HttpRule(post=path, body="*"))


_VARIABLE = re.compile(r"{([^}=]*)=?([^}]*)}")


def _segments(variable: re.Match[str]) -> str:
    return (variable[2] or "*").replace("**", "*")


def _is_file(method: MethodDescriptor, rule: Any) -> bool:
    field = method.input_type.fields_by_name.get(rule.body)
    message = field.message_type if field else None
    return message is not None and message.full_name == "google.api.HttpBody"


def _path_variables(rule: Any, asked: str) -> Iterator[tuple[str, str]]:
    template: str = getattr(rule, rule.WhichOneof("pattern"))
    pattern, end = "", 0
    for variable in _VARIABLE.finditer(template):
        pattern += re.escape(template[end : variable.start()])
        segments = re.escape(variable[2] or "*")
        pattern += f"({segments.replace(re.escape('**'), '.*').replace(re.escape('*'), '[^/]*')})"
        end = variable.end()
    match = re.fullmatch(pattern + re.escape(template[end:]), asked)
    assert match is not None, (template, asked)
    yield from zip(
        (variable[1] for variable in _VARIABLE.finditer(template)), map(unquote, match.groups()), strict=True
    )


def _put(tree: dict[str, Any], message: Descriptor, names: list[str], text: str) -> None:
    name, *below = names
    field: FieldDescriptor | None = message.fields_by_name.get(name) or message.fields_by_camelcase_name.get(name)
    if field is None:
        tree[name] = text  # which is then refused
    elif below and field.message_type is not None:
        _put(tree.setdefault(field.name, {}), field.message_type, below, text)
    elif field.is_repeated:
        tree.setdefault(field.name, []).append(text)
    else:
        tree[field.name] = {"true": True, "false": False}.get(text, text) if field.type == field.TYPE_BOOL else text
