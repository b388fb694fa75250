"""HTTP requests for methods of the contract, made from their descriptors: each HTTP rule of each method."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode

from google.api.annotations_pb2 import http
from google.api.http_pb2 import HttpRule
from google.protobuf.json_format import MessageToDict

from service_kit.ids import new_id
from tests.support.access_table import METHODS, ContractMethod
from tests.support.rest import Answer, RestProcess

_VARIABLE = re.compile(r"{([^}=]*)=?([^}]*)}")
"""A variable of a path, and its segments if they are not one of any name."""


@dataclass(frozen=True)
class HttpCall:
    """A way to call a method by HTTP."""

    method: ContractMethod
    rule: HttpRule

    @property
    def name(self) -> str:
        verb = str(self.rule.WhichOneof("pattern"))
        return f"{verb.upper()} {getattr(self.rule, verb)}"

    @property
    def is_file(self) -> bool:
        """Whether the body is content of any type."""
        field = self.method.descriptor.input_type.fields_by_name.get(self.rule.body)
        message = field.message_type if field else None
        return message is not None and message.full_name == "google.api.HttpBody"

    def answer(self, rest: RestProcess, request: Any, token: str) -> Answer:
        """Send a request with a token. Variables of the path that it does not set have random ids; a file is empty."""
        verb, _, template = self.name.partition(" ")
        values = MessageToDict(request, preserving_proto_field_name=True)

        def value_of(variable: re.Match[str]) -> str:
            name, segments = variable.groups()
            if value := _taken(values, name.split(".")):
                return quote(value, safe="/" if segments else "")
            return segments.replace("**", "*").replace("*", new_id()) if segments else new_id()

        path = _VARIABLE.sub(value_of, template)
        body: Any = None
        if self.rule.body == "*":
            body, values = values, {}
        elif self.is_file:
            body = b""
        elif self.rule.body:
            body = values.pop(self.rule.body, {})
        if values:
            path += f"?{urlencode(values, doseq=True)}"
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        return rest.request(verb, path, body, headers)


def _taken(values: dict[str, Any], path: list[str]) -> str:
    """Remove a value from nested ones, and return it; empty if it is not there."""
    for name in path[:-1]:
        values = values.get(name, {})
    return str(values.pop(path[-1], ""))


def http_calls() -> Iterator[HttpCall]:
    """Yield each HTTP rule of each method that has one and that clients may call."""
    for method in METHODS:
        options: Any = method.descriptor.GetOptions()
        if method.name.startswith("library.sync.") or not options.HasExtension(http):
            continue
        rule: HttpRule = options.Extensions[http]
        yield HttpCall(method, rule)
        for further in rule.additional_bindings:
            yield HttpCall(method, further)
