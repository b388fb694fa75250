"""OpenAPI documents of contracts that are written in a test."""

from __future__ import annotations

import json
from typing import Any

from openapi_spec_validator import validate

from rest_server.contracts.contract import Contract
from rest_server.openapi import Info, document
from tests.support.described import contract


def of(*contracts: Contract) -> dict[str, Any]:
    """The document of all rules of the contracts. It is valid, and the same each time."""
    rules = [rule for one in contracts for rule in one.rules]
    made = document(contracts, rules, Info("Test", "1"))
    validate(made)
    assert json.dumps(made) == json.dumps(document(contracts, rules, Info("Test", "1")))
    return made


def served(*methods: str, more: str = "") -> Contract:
    """A contract with a service of these methods, and the messages of messages.proto."""
    return contract(
        f"""
        syntax = "proto3";
        package p;
        import "buf/validate/validate.proto";
        import "google/api/annotations.proto";
        import "google/api/field_behavior.proto";
        import "google/api/httpbody.proto";
        import "messages.proto";
        {more}
        service Served {{ {" ".join(methods)} }}
        """.replace("T.", "transcoding.test.v1."),
        "Served",
    )


def method(rule: str, takes: str = "T.Everything", returns: str = "T.Message", name: str = "Do") -> str:
    return f"rpc {name}({takes}) returns ({returns}) {{ option (google.api.http) = {{ {rule} }}; }}"


def operation(*methods: str, more: str = "") -> dict[str, Any]:
    """The one operation of the one path."""
    (item,) = of(served(*methods, more=more))["paths"].values()
    (made,) = item.values()
    found: dict[str, Any] = made
    return found


def names(made: dict[str, Any], where: str) -> list[str]:
    return [parameter["name"] for parameter in made.get("parameters", []) if parameter.get("in") == where]


def body_schema(made: dict[str, Any], media_type: str = "application/json") -> Any:
    return made["requestBody"]["content"][media_type]["schema"]


def answer_schema(made: dict[str, Any], media_type: str = "application/json") -> Any:
    return made["responses"]["200"]["content"][media_type]["schema"]
