"""Security schemes of OpenAPI, and what each operation needs, by the access options of its contract.

A service can also run without tokens, which its contract does not show. So the texts say what is needed if it checks
them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import grpc

from rest_server.contracts.access import AccessOptions
from rest_server.contracts.http_rules import HttpRule
from rest_server.headers import JSON
from rest_server.openapi.error_samples import code_sample
from rest_server.openapi.field_rules import Schema
from rest_server.openapi.paths import json_path

SCHEME = "Token"

ROLE = "x-required-role"
"""The key of the role that an operation needs. Linters refuse role names in `security`, except for OAuth."""

OWN = "x-own-fields"
"""The key of the fields that callers with no more than this role set to what is their own."""

SCHEMES: Mapping[str, Schema] = {
    SCHEME: {
        "type": "http",
        "scheme": "bearer",
        "description": (
            "An access token or an API token: `Authorization: Bearer TOKEN`. Needed if the service checks tokens; a "
            "service that does not check them ignores it."
        ),
    }
}

_CHALLENGE: Schema = {
    "WWW-Authenticate": {"description": "How clients authenticate: `Bearer`.", "schema": {"type": "string"}}
}


def refusals(error_schema: Schema, headers: Schema) -> dict[str, Schema]:
    """Return the responses that operations with access options refer to. `headers` are those of each answer."""
    return {
        "Unauthenticated": {
            "description": "The token is missing or not valid.",
            "headers": {**headers, **_CHALLENGE},
            "content": _content(error_schema, grpc.StatusCode.UNAUTHENTICATED),
        },
        "PermissionDenied": {
            "description": "The caller's role does not allow it, or the request is about somebody else's data.",
            "headers": headers,
            "content": _content(error_schema, grpc.StatusCode.PERMISSION_DENIED),
        },
    }


def _content(error_schema: Schema, code: grpc.StatusCode) -> Schema:
    return {JSON: {"schema": error_schema, "example": code_sample(code)}}


def of_unknown_access(operation: Schema) -> Schema:
    """Return an operation for which the contract does not say what callers need, although it does for others.

    A service can decide it for a contract that is not its own. So a token is sent if the client has one.
    """
    answers = {
        "401": {"$ref": "#/components/responses/Unauthenticated"},
        "403": {"$ref": "#/components/responses/PermissionDenied"},
    }
    responses = dict(sorted({**answers, **operation["responses"]}.items()))
    description = "\n\n".join([operation["description"], "May need a token, if the service checks tokens."])
    return {**operation, "security": [{}, {SCHEME: []}], "description": description, "responses": responses}


def secured(operation: Schema, rule: HttpRule, options: AccessOptions) -> Schema:
    """Return the operation of a rule with what callers need for it."""
    access = options.of(rule.method)
    if access is None:
        return of_unknown_access(operation) if options.is_there else operation
    needed: Schema = {SCHEME: []}
    made = {**operation, "security": [{}, needed] if access.is_open else [needed], ROLE: access.role}
    answers = {"401": {"$ref": "#/components/responses/Unauthenticated"}}
    own = [json_path(rule, path.split(".")) for path in access.own]
    if not access.is_open:
        answers["403"] = {"$ref": "#/components/responses/PermissionDenied"}
        made["description"] = "\n\n".join([operation["description"], _text(access.role, own)])
    if own:
        made[OWN] = own
    made["responses"] = dict(sorted({**answers, **operation["responses"]}.items()))
    return made


def _text(role: str, own: Sequence[str]) -> str:
    needed = f"Needs the role {role}, if the service checks tokens."
    if not own:
        return needed
    fields = " and ".join(f"`{path}`" for path in own)
    return f"{needed} With no more than this role, {fields} can only name what is the caller's own."
