"""Name fields in errors as the client wrote them: `pageSize` or `page_size`, without the field that is the body."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import lru_cache

from protobuf import DescFieldValueList, DescFieldValueMap, DescFieldValueMessage, DescMessage

from rest_server.contracts.http_rules import WHOLE, HttpRule, message_of

REQUEST_ID = "request_id"
"""The field of AIP-155. The header Idempotency-Key sets it."""

IDEMPOTENCY_KEY = "idempotency-key"
"""The name of that header in errors."""

_KEY = re.compile(rb'"([A-Za-z]\w*)"\s*:')
_CAPITAL = re.compile("[A-Z]")
_NAME = re.compile(r"(?<![\w\[/-])[a-z][a-z0-9]*(?:_[a-z0-9]+)+(?![\w/])")


class Spelling:
    """How one request spells the fields of its method's request message."""

    def __init__(
        self, rule: HttpRule, query: Iterable[tuple[str, str]], body: bytes, idempotency_key: str | None = None
    ) -> None:
        """`query`, `body` and the header Idempotency-Key are those of the HTTP request, as they came."""
        query = list(query)
        self._prefix = "" if rule.body in ("", WHOLE) else f"{rule.body}."
        self._names = _names_below(rule.method.input, rule.method.output)
        self._parameters = {name for name, _ in query}
        self._in_masks = _names_in_masks(rule.method.input, query)
        written = {name for names in self._parameters for name in names.split(".")}
        written |= {key.decode() for key in _KEY.findall(body)}
        self._written = written & (self._names.keys() | set(self._names.values()))
        # Fields that the client did not write are spelled like those that it wrote.
        self._is_as_in_contract = bool(self._written) and self._written <= self._names.keys()
        self._is_key = idempotency_key is not None and not written & {REQUEST_ID, self._names.get(REQUEST_ID)}

    def of(self, path: str) -> str:
        """Return the path of a field, such as `user.first_name` in the contract, as the client would write it."""
        if path in self._parameters:
            return path
        if path == REQUEST_ID and self._is_key:
            return IDEMPOTENCY_KEY
        field = self._prefix.removesuffix(".")
        if field and (path == field or path.startswith(f"{field}[")):
            return f"body{self.in_text(path.removeprefix(field))}"
        return self.in_text(path.removeprefix(self._prefix))

    def problem(self, path: str, text: str) -> tuple[str, str]:
        """Return a field's path and its problem with the client's names. Names of a mask are spelled as in the mask."""
        in_mask = self._in_masks.get(path, {})
        return self.of(path), _NAME.sub(lambda found: in_mask.get(found[0]) or self._of_name(found[0]), text)

    def in_text(self, text: str) -> str:
        """Return a text with its names of fields as the client would write them."""
        return _NAME.sub(lambda found: self._of_name(found[0]), text)

    def _of_name(self, name: str) -> str:
        in_json = self._names.get(name, name)
        if name in self._written or (self._is_as_in_contract and in_json not in self._written):
            return name
        return in_json


def _names_in_masks(message: DescMessage, query: Iterable[tuple[str, str]]) -> Mapping[str, Mapping[str, str]]:
    """Return the names in each mask of the query, and how the client wrote them, by the mask's path in the contract."""
    found: dict[str, dict[str, str]] = {}
    for parameter, text in query:
        path, within = [], message
        for name in parameter.split("."):
            field = next((field for field in within.fields if name in (field.name, field.json_name)), None)
            below = message_of(field) if field is not None else None
            if field is None or below is None:
                break
            path.append(field.name)
            within = below
        if within.type_name == "google.protobuf.FieldMask":
            written = text.replace(",", ".").split(".")
            in_contract = {
                _CAPITAL.sub(lambda capital: f"_{capital[0].lower()}", name.strip()): name for name in written
            }
            found.setdefault(".".join(path), {}).update(in_contract)
    return found


@lru_cache(256)
def _names_below(*messages: DescMessage) -> Mapping[str, str]:
    """Return the names in JSON of the fields of messages, and of messages in them, where they differ."""
    seen, missing = set(messages), list(messages)
    names: dict[str, str] = {}
    while missing:
        for field in missing.pop().fields:
            if field.json_name != field.name:
                names[field.name] = field.json_name
            match field.value:
                case (
                    DescFieldValueMessage(message=DescMessage() as below)
                    | DescFieldValueList(element=DescMessage() as below)
                    | DescFieldValueMap(value=DescMessage() as below)
                ) if below not in seen:
                    seen.add(below)
                    missing.append(below)
    return names
