"""Refuse tokens and passwords that come from other machines in plain text."""

from __future__ import annotations

from starlette.requests import Request

from rest_server.addresses import is_loopback
from rest_server.errors import PlainTextRefused
from rest_server.headers import PASSED_ON


def refuse_secrets_of_others(request: Request, *, takes_secret: bool) -> None:
    """Raise PlainTextRefused for a request of another machine with a token, or to a method that takes a secret.

    Its secret has passed already. The refusal shows it at the first request, and not when somebody has used it.
    """
    if not takes_secret and PASSED_ON not in request.headers:
        return
    if request.client is None or not is_loopback(request.client.host):
        raise PlainTextRefused
