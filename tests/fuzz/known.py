"""What calls have answered: ids, page tokens, etags. Mixed into requests, it gets them past the first check."""

from __future__ import annotations

import random
from collections import defaultdict, deque
from typing import Any

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

KEPT = 300
"""Values of each name; newer ones replace older ones."""

_SENT_AS = {
    "next_page_token": "page_token",
    "next_cursor": "cursor",
    "id": "id",
}
OWNERS = {"Book": "book_id", "User": "user_id", "Loan": "loan_id", "ImportRun": "run_id",
          "Item": "item_id", "CirculationRule": "rule_id"}  # fmt: skip
"""What the id of a message is called in other messages."""

OPERATION = "operation"
"""The name of an operation, which is in no other field called `name`."""


class Known:
    """Values by the names of the fields that may have them."""

    def __init__(self) -> None:
        self._values: dict[str, deque[Any]] = defaultdict(lambda: deque(maxlen=KEPT))

    def learn(self, message: Message) -> None:
        """Take the values of a message and of all messages in it."""
        for field, value in message.ListFields():
            for one in value if field.is_repeated else [value]:
                if isinstance(one, Message):
                    self.learn(one)
                elif isinstance(one, str) and one:
                    self._add(message, field, one)

    def pick(self, name: str, chance: random.Random) -> str | None:
        """Return a value that was seen under this name, or None."""
        values = self._values.get(name)
        return chance.choice(values) if values else None

    def add(self, name: str, value: str) -> None:
        """Take a value under a name."""
        if value not in self._values[name]:
            self._values[name].append(value)

    def _add(self, message: Message, field: FieldDescriptor, value: str) -> None:
        names = {field.name, _SENT_AS.get(field.name, field.name)}
        if field.name == "id" and message.DESCRIPTOR.name in OWNERS:
            names.add(OWNERS[message.DESCRIPTOR.name])
        if message.DESCRIPTOR.full_name == "google.longrunning.Operation" and field.name == "name":
            self.add(OPERATION, value)
            self.add("import_id", value.removeprefix("operations/"))
        if field.name == "code" and message.DESCRIPTOR.name == "Branch":
            names.add("branch")
        for name in names:
            self.add(name, value)
