"""Send the messages of a client's stream. A target can answer before it has read them all.

`write` of grpc.aio loses such an answer: it cannot send the message, and sets the status of the call to INTERNAL,
"Internal error from Core", in place of the target's status. So the messages are sent through the call below it. When a
message cannot be sent, the call is over, and its status is the target's, or UNAVAILABLE if the connection was lost.
"""

from __future__ import annotations

import asyncio
from typing import Any

import grpc
from grpc._cython import cygrpc  # type: ignore[attr-defined]


async def send(call: Any, message: bytes) -> bool:
    """Send a serialized message; return whether the call accepts more.

    Args:
        call: A call of `grpc.aio` whose requests are a stream, with no serializer.
        message: The message, of at most the size that the target accepts.
    """
    return not call.done() and await _is_sent(_send(call, message))


async def end(call: Any) -> None:
    """End the stream, unless the target has answered."""
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
        # grpc.aio also raises it when the target answers CANCELLED.
        task = asyncio.current_task()
        if task is not None and task.cancelling():
            raise
        return False
    return True
