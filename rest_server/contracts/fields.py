"""Fields by their names in JSON."""

from __future__ import annotations

from collections.abc import Mapping

from protobuf import DescField, DescMessage


class Fields:
    """The fields of a contract's messages, by their names in the .proto (`page_size`) and in JSON (`pageSize`)."""

    def __init__(self) -> None:
        self._of: dict[DescMessage, dict[str, DescField]] = {}

    def of(self, message: DescMessage) -> Mapping[str, DescField]:
        """Return the fields of a message, from a cache."""
        if message not in self._of:
            by_proto = {field.name: field for field in message.fields}
            self._of[message] = {field.json_name: field for field in message.fields} | by_proto
        return self._of[message]
