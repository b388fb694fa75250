"""Step: check requests by the rules that the contract has at each field."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from service_kit.calls.steps.step import Hooks, Method, MethodCall
from service_kit.validation import check


def check_requests(method: Method) -> Hooks:
    """Raise `FieldInvalid` for a request with problems: of a stream, when the method reads the message."""
    if method.checks_its_messages:
        return Hooks()

    def before(call: MethodCall) -> None:
        check(call.request)

    def before_stream(call: MethodCall) -> None:
        call.request = _checked(call.request)

    return Hooks(before=before_stream if method.request_streaming else before)


def _checked(messages: Iterator[Any]) -> Iterator[Any]:
    for message in messages:
        check(message)
        yield message
