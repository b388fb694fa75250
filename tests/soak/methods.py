"""Every method that the servers serve, as reflection names them, with their message types and HTTP rules."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode

import grpc
from google.api.annotations_pb2 import http
from google.api.http_pb2 import HttpRule
from google.protobuf import descriptor_pool, json_format
from google.protobuf.descriptor import MethodDescriptor, ServiceDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from grpc_health.v1 import health_pb2
from grpc_reflection.v1alpha import reflection_pb2
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase

import tests.support.described  # noqa: F401 - puts the whole contract into the default pool

_DESCRIBED = (health_pb2, reflection_pb2)
"""Imported for the descriptors that they add to the default pool."""


LONGEST_PATH = 60_000
"""Up to here library-rest explains why it refuses a path that is too long; past 64 kB the parser of HTTP refuses it."""


@dataclass(frozen=True)
class HttpCall:
    """A call as an HTTP request."""

    verb: str
    path: str
    body: bytes | None
    content_type: str = "application/json"


@dataclass(frozen=True)
class Method:
    """A method of one server."""

    server: str
    descriptor: MethodDescriptor

    @property
    def name(self) -> str:
        """For example library.frontend.v1.LendingService/BorrowBook."""
        return f"{self.descriptor.containing_service.full_name}/{self.descriptor.name}"

    @property
    def answer_type(self) -> type[Message]:
        """The class of its answers."""
        return GetMessageClass(self.descriptor.output_type)

    def stub(self, channel: grpc.Channel) -> Any:
        """A callable that calls it, of the kind that its streams ask for."""
        kinds = {
            (False, False): channel.unary_unary,
            (False, True): channel.unary_stream,
            (True, False): channel.stream_unary,
            (True, True): channel.stream_stream,
        }
        kind: Any = kinds[self.descriptor.client_streaming, self.descriptor.server_streaming]
        return kind(
            f"/{self.name}",
            request_serializer=lambda request: request.SerializeToString(),
            response_deserializer=self.answer_type.FromString,
        )

    def http_call(self, requests: list[Any]) -> HttpCall | None:
        """The requests of a call by its first HTTP rule; None where that cannot be.

        It cannot without a rule, without a value for the path or the body, with values that JSON has no form for, and
        with a path that is not valid HTTP.
        """
        rule: HttpRule = self.descriptor.GetOptions().Extensions[http]  # type: ignore[index]
        verb = rule.WhichOneof("pattern")
        if verb is None:
            return None
        try:
            trees = [json_format.MessageToDict(request, preserving_proto_field_name=True) for request in requests]
        except (json_format.SerializeToJsonError, ValueError):  # a bad value that JSON has no form for
            return None
        if self.descriptor.client_streaming:
            lines = b"".join(json.dumps(tree).encode() + b"\n" for tree in trees)
            return HttpCall("POST", rule.post, lines, "application/x-ndjson")
        return _unary_http_call(verb, getattr(rule, verb), rule.body, trees[0])


def _unary_http_call(verb: str, path: str, body_field: str, tree: dict[str, Any]) -> HttpCall | None:
    for variable, name, segments in re.findall(r"({([a-z_.]+)=?([^}]*)})", path):
        *outer, last = name.split(".")
        inner: Any = tree
        for each in outer:
            inner = inner.get(each, {})
        value = inner.pop(last, "")
        if not value or (segments and not re.fullmatch(segments.replace("**", "[^/]+"), value)):
            return None
        path = path.replace(variable, quote(value, safe="/" if segments else ""))
    if body_field not in ("", "*") and body_field not in tree:
        return None  # a body is always set, be it empty
    body = tree if body_field == "*" else tree.pop(body_field, {}) if body_field else None
    query = [] if body_field == "*" else [pair for name, value in tree.items() for pair in _query(name, value)]
    if query:
        path += "?" + urlencode(query)
    if len(path) > LONGEST_PATH:
        return None
    return HttpCall(verb.upper(), path, None if body is None else json.dumps(body).encode())


def _query(name: str, value: Any) -> list[tuple[str, str]]:
    if isinstance(value, list):
        return [(name, each if isinstance(each, str) else json.dumps(each)) for each in value]
    return [(name, value if isinstance(value, str) else json.dumps(value))]


def served_methods(server: str, channel: grpc.Channel) -> dict[str, Method]:
    """All methods of all services that a server names by reflection."""
    described = ProtoReflectionDescriptorDatabase(channel)
    pools = [descriptor_pool.Default(), descriptor_pool.DescriptorPool(described)]
    services = [_service(name, pools) for name in described.get_services()]
    found = [Method(server, method) for service in services for method in service.methods]
    return {method.name: method for method in found}


def _service(name: str, pools: list[descriptor_pool.DescriptorPool]) -> ServiceDescriptor:
    """Find a service in the first pool that has it. What only the server describes is in the last one."""
    for pool in pools[:-1]:
        try:
            return pool.FindServiceByName(name)
        except KeyError:
            continue
    return pools[-1].FindServiceByName(name)
