"""Name fields in errors as the client wrote them: `pageSize` or `page_size`, and without the field that is the body."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import lru_cache

from protobuf import DescFieldValueList, DescFieldValueMap, DescFieldValueMessage, DescMessage

from rest_server.http_rules import WHOLE, HttpRule

_KEY = re.compile(rb'"([A-Za-z]\w*)"\s*:')
_NAME = re.compile(r"(?<![\w\[/-])[a-z][a-z0-9]*(?:_[a-z0-9]+)+(?![\w/])")


class Spelling:
    """How one request spells the fields of its method's request message."""

    def __init__(self, rule: HttpRule, query: Iterable[tuple[str, str]], body: bytes) -> None:
        """`query` and `body` are those of the HTTP request, as they came."""
        self._prefix = "" if rule.body in ("", WHOLE) else f"{rule.body}."
        self._names = _names_below(rule.method.input)
        self._parameters = {name for name, _ in query}
        written = {name for names in self._parameters for name in names.split(".")}
        written |= {key.decode() for key in _KEY.findall(body)}
        self._written = written & (self._names.keys() | set(self._names.values()))
        # A field that was not written is spelled as those that were.
        self._is_as_in_contract = bool(self._written) and self._written <= self._names.keys()

    def of(self, path: str) -> str:
        """Return the path of a field, which the contract has as `user.first_name`, as the client would write it."""
        if path in self._parameters:
            return path
        field = self._prefix.removesuffix(".")
        if field and (path == field or path.startswith(f"{field}[")):
            return f"body{self.in_text(path.removeprefix(field))}"
        return self.in_text(path.removeprefix(self._prefix))

    def in_text(self, text: str) -> str:
        """Return a text with its names of fields as the client would write them."""
        return _NAME.sub(lambda found: self._of_name(found[0]), text)

    def _of_name(self, name: str) -> str:
        in_json = self._names.get(name, name)
        if name in self._written or (self._is_as_in_contract and in_json not in self._written):
            return name
        return in_json


@lru_cache(256)
def _names_below(message: DescMessage) -> Mapping[str, str]:
    """What the fields of a message, and of the messages in it, are called in JSON, where that is another name."""
    seen, missing = {message}, [message]
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
