"""The results of records, in short."""

from __future__ import annotations

from library.sync.v1.sync_service_pb2 import (
    RECORD_RESULT_RECORDED,
    RECORD_RESULT_REFUSED,
    RECORD_RESULT_UNCHANGED,
    RecordStatesResponse,
)

RECORDED, UNCHANGED, REFUSED = RECORD_RESULT_RECORDED, RECORD_RESULT_UNCHANGED, RECORD_RESULT_REFUSED


def results(response: RecordStatesResponse) -> list[int]:
    return [outcome.result for outcome in response.outcomes]
