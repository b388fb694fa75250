"""Which rules need a body, with a sample of it, and which need query parameters."""

from __future__ import annotations

import json

from rest_server.contracts.contract import Contract
from rest_server.contracts.http_rules import HTTP_BODY, WHOLE, HttpRule, field_named
from rest_server.openapi.samples import NO_SAMPLE, Samples
from rest_server.openapi.schemas import Schemas, names_of


class NeededBodies:
    """The needed bodies of one contract's rules."""

    def __init__(self, contract: Contract) -> None:
        """Read the annotations of the contract."""
        self._schemas = Schemas(contract.registry, 0)
        self._samples = Samples(self._schemas, contract.registry)

    def sample(self, rule: HttpRule) -> str:
        """Return a sample of the rule's body as JSON; empty where the body can be left out."""
        message = rule.method.input
        if rule.body == WHOLE and message.type_name != HTTP_BODY:
            in_path = {variable.field_path for variable in rule.template.variables}
            if self._schemas.is_any_required(message, names_of(in_path)):
                return _in_json(self._samples.request(message, in_path))
        elif (field := field_named(message, rule.body)) is not None and self._schemas.is_required(field):
            value = self._samples.of_request_field(field)
            return _in_json({} if value is NO_SAMPLE else value)
        return ""

    def in_query(self, rule: HttpRule) -> bool:
        """Return whether a call without query parameters is refused."""
        if rule.body == WHOLE:
            return False
        elsewhere = {variable.field_path[0] for variable in rule.template.variables} | {rule.body}
        return self._schemas.is_any_required(rule.method.input, elsewhere)


def _in_json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)
