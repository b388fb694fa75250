"""Contracts of the test service: a method for each rule, compiled by protoc from what an author would have written."""

from __future__ import annotations

import importlib.resources
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import google.api
import grpc_tools
from google.protobuf import descriptor_pool, json_format, message_factory, text_format
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.descriptor_pb2 import FileDescriptorSet
from google.protobuf.message import Message
from grpc_tools import protoc

PACKAGE = "transcoding.test.v1"

_MESSAGES = Path(__file__).with_name("messages.proto")
_RULES = "google/api/annotations.proto"
_FOREIGN = {
    "google.api.HttpBody": "google/api/httpbody.proto",
    "google.protobuf.Empty": "google/protobuf/empty.proto",
    "Older": "older.proto",
}
"""Messages that methods may take or return, and where they are when it is not messages.proto."""


@dataclass(frozen=True)
class Rule:
    """A method, as its author would write it: the rule in its option, what it takes and what it returns.

    Both are messages of this folder or full names, after the word `stream` where they are streams.
    """

    text: str
    """The text of `option (google.api.http) = { … }`; empty for a method without the option."""
    takes: str = "Everything"
    returns: str = ""
    """By default the same as it takes."""
    method: str = ""
    """Its name; one is made where it does not matter."""

    def declaration(self, name: str) -> str:
        """The method in a .proto."""
        option = f"option (google.api.http) = {{ {self.text} }};" if self.text else ""
        return f"  rpc {name}({self.takes}) returns ({self.returns or self.takes}) {{ {option} }}"


class Contract:
    """One service with a method for each rule, in the order given."""

    def __init__(self, rules: Iterable[Rule], service: str = "Transcoding") -> None:
        """Compile it. A rule that is listed twice is one method."""
        self.service = f"{PACKAGE}.{service}"
        self._methods = {rule: rule.method or f"Method{number}" for number, rule in enumerate(dict.fromkeys(rules), 1)}
        self.pool = descriptor_pool.DescriptorPool()
        for file in _compiled(self._text(service)).file:
            self.pool.AddSerializedFile(file.SerializeToString())

    @cached_property
    def methods(self) -> dict[str, MethodDescriptor]:
        """The methods, by the name that calls have them by: `/package.Service/Method`."""
        methods = self.pool.FindServiceByName(self.service).methods
        return {f"/{self.service}/{method.name}": method for method in methods}

    def method(self, rule: Rule) -> str:
        """The name that calls have a rule's method by."""
        return f"/{self.service}/{self._methods[rule]}"

    def parsed(self, message: str, text: str) -> Message:
        """A message of that name, from protobuf's text format."""
        parsed: Message = self.message_type(message)()
        return text_format.Parse(text, parsed, descriptor_pool=self.pool)

    def message_type(self, name: str) -> Any:
        """The class of a message, by its full name, or by its name where it is of this folder."""
        full_name = name if "." in name else f"{PACKAGE}.{name}"
        return message_factory.GetMessageClass(self.pool.FindMessageTypeByName(full_name))

    def json_of(self, message: Message) -> Any:
        """What a message is in JSON by protobuf's own implementation, fields without presence always printed."""
        return json_format.MessageToDict(message, always_print_fields_with_no_presence=True, descriptor_pool=self.pool)

    def _text(self, service: str) -> str:
        declarations = "\n".join(rule.declaration(name) for rule, name in self._methods.items())
        imported = [file for message, file in _FOREIGN.items() if message in declarations]
        imports = "\n".join(f'import "{file}";' for file in (_RULES, _MESSAGES.name, *imported))
        return f'syntax = "proto3";\npackage {PACKAGE};\n{imports}\nservice {service} {{\n{declarations}\n}}\n'


def _compiled(service: str) -> FileDescriptorSet:
    """Return the files of a contract, each behind those that it imports."""
    roots = [
        _MESSAGES.parent,
        importlib.resources.files(grpc_tools) / "_proto",  # google/protobuf
        Path(google.api.__path__[0]).parents[1],  # google/api
    ]
    with tempfile.TemporaryDirectory() as scratch:
        source, compiled = Path(scratch) / "service.proto", Path(scratch) / "contract.binpb"
        source.write_text(service)
        includes = [f"-I{root}" for root in (scratch, *roots)]
        status = protoc.main(
            ["protoc", *includes, "--include_imports", f"--descriptor_set_out={compiled}", str(source)]
        )
        assert status == 0, f"protoc refuses:\n{service}"
        return FileDescriptorSet.FromString(compiled.read_bytes())
