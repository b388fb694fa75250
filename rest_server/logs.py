"""Structured logs on standard error: JSON lines for programs, aligned text on a terminal."""

from __future__ import annotations

import logging
import sys

import structlog


def set_up_logs(level: str, log_format: str) -> None:
    """Send all logs, also those of libraries, through structlog.

    Args:
        level: The lowest level that is logged: "debug", "info", "warning" or "error".
        log_format: "json", "text", or "auto": text if standard error is a terminal, JSON otherwise.
    """
    is_terminal = sys.stderr.isatty()
    shared: list[structlog.typing.Processor] = [
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.stdlib.BoundLogger,
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )
    last: list[structlog.typing.Processor] = [structlog.stdlib.ProcessorFormatter.remove_processors_meta]
    # Tracebacks have no local variables: these can contain what people sent.
    if log_format == "text" or (log_format == "auto" and is_terminal):
        plain = structlog.dev.plain_traceback
        last += [structlog.dev.ConsoleRenderer(colors=is_terminal, exception_formatter=plain)]
    else:
        tracebacks = structlog.tracebacks.ExceptionDictTransformer(show_locals=False)
        last += [structlog.processors.ExceptionRenderer(tracebacks), structlog.processors.JSONRenderer()]
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(structlog.stdlib.ProcessorFormatter(foreign_pre_chain=shared, processors=last))
    logging.root.handlers = [handler]
    logging.root.setLevel(level.upper())
    # At info, these log each start and each file that is read.
    for name in ("grpc_reflection", "uvicorn"):
        logging.getLogger(name).setLevel(logging.WARNING)


def logger(name: str) -> structlog.stdlib.BoundLogger:
    """Return the logger of a module, with its type."""
    log: structlog.stdlib.BoundLogger = structlog.stdlib.get_logger(name)
    return log
