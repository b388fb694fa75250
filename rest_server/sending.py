"""Send the messages of a client's stream. A target may answer before it has read them all.

grpc.aio's own `write` does not serve here. When the target has answered, but the answer has not been read yet, the
message cannot be sent, and `write` sets the status of the call to INTERNAL, "Internal error from Core", in place of the
target's answer. So the messages go through the call below it, and a message that cannot be sent only means that the
call is over: what waits for the call gets the target's answer, or UNAVAILABLE where the connection was lost.
"""

from __future__ import annotations

import asyncio
from typing import Any

import grpc
from grpc._cython import cygrpc  # type: ignore[attr-defined]


async def send(call: Any, message: bytes) -> bool:
    """Send a serialized message; return whether the call still takes messages.

    Args:
        call: A call of `grpc.aio` whose requests are a stream, with no serializer.
        message: The message, at most as large as the target takes.
    """
    return not call.done() and await _is_sent(_send(call, message))


async def end(call: Any) -> None:
    """Say that the stream has ended, unless the target has answered."""
    await _is_sent(call.done_writing())


async def _send(call: Any, message: bytes) -> None:
    await call.wait_for_connection()
    await call._cython_call.send_serialized_message(message)


async def _is_sent(sending: Any) -> bool:
    try:
        await sending
    except (grpc.aio.AioRpcError, cygrpc.InternalError):
        return False
    except asyncio.CancelledError:
        # grpc.aio raises it also when it was the target that answered CANCELLED.
        task = asyncio.current_task()
        if task is not None and task.cancelling():
            raise
        return False
    return True
