"""Runs a FastAPI application as a process of the benchmarks: it prints `listening ADDRESS`, and ends with its input."""

from __future__ import annotations

import socket
import sys
import threading

import uvicorn
from fastapi import FastAPI


def serve(app: FastAPI) -> None:
    """Serve on a free port, parsing HTTP with httptools and without a log of requests."""
    # TCP by name: otherwise asyncio delays small answers until an acknowledgement (Nagle's algorithm).
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP) as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen(1024)
        server = uvicorn.Server(
            uvicorn.Config(app, loop="asyncio", http="httptools", log_level="warning", access_log=False)
        )

        def end_with_input() -> None:
            sys.stdin.read()
            server.should_exit = True

        threading.Thread(target=end_with_input, daemon=True).start()
        print("listening", "{}:{}".format(*listening.getsockname()), flush=True)
        server.run([listening])
