"""Where servers listen."""

from __future__ import annotations


class AddressTaken(Exception):
    """The listening address is in use, or is none. The message says what to do."""

    def __init__(self, address: str) -> None:
        """`address` is HOST:PORT, as it was asked for."""
        super().__init__(
            f"cannot listen on {address}: another program has the port, or the address is not this machine's. "
            "Stop that program or listen elsewhere (--listen HOST:PORT)."
        )
