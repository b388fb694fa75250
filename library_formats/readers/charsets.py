"""Choose the character set of a record in ISO 2709 by its bytes, because many leaders state a wrong one."""

from __future__ import annotations

from collections.abc import Callable

from library.admin.v1.import_service_pb2 import MARC_MAPPING_UNIMARC, MarcMapping
from library_formats.readers.iso5426 import decoded_iso5426
from library_formats.readers.marc8 import decoded_marc8
from library_formats.readers.raw import whole
from library_formats.records import RecordProblem

Decoded = Callable[[bytes], tuple[str, int]]
"""Returns a text, and how many characters of it could not be read."""

UNICODE = "a"
"""In the leader of MARC 21, at position 9."""

NOT_MARC_8 = "The leader states MARC-8, but the texts are UTF-8; they were read as UTF-8."
NOT_STATED = "Field 100 states another character set, but the texts are UTF-8; they were read as UTF-8."
NOT_UTF_8 = "The leader states UTF-8, but some texts are not; these were read as Windows-1252."


def charset_of(
    data: bytes, leader: str, stated: str, mapping: MarcMapping.ValueType
) -> tuple[Decoded, RecordProblem | None]:
    """Return the function that decodes the texts of a record, and a problem if they are not as the record states.

    Args:
        data: The record.
        leader: Its leader.
        stated: In UNIMARC, the codes of the character sets in field 100; otherwise empty.
        mapping: MARC 21 or UNIMARC.
    """
    is_unimarc = mapping == MARC_MAPPING_UNIMARC
    if data.isascii() and (is_unimarc or leader[9] == UNICODE or b"\x1b" not in data):
        return _decoded_utf8, None
    if not data.isascii() and _is_utf8(data):
        if is_unimarc:
            return _decoded_utf8, whole(NOT_STATED) if stated.strip() and "50" not in _codes(stated) else None
        return _decoded_utf8, None if leader[9] == UNICODE else whole(NOT_MARC_8)
    if is_unimarc:
        return decoded_iso5426 if "03" in _codes(stated) else _decoded_latin, None
    if leader[9] == UNICODE:
        return _decoded_utf8, whole(NOT_UTF_8)
    return decoded_marc8, None


def _codes(stated: str) -> list[str]:
    return [stated[at : at + 2] for at in range(0, len(stated), 2)]


def _is_utf8(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


def _decoded_utf8(data: bytes) -> tuple[str, int]:
    try:
        return data.decode(), 0
    except UnicodeDecodeError:
        return _decoded_latin(data)


def _decoded_latin(data: bytes) -> tuple[str, int]:
    """Read Windows-1252, which has the letters of ISO 8859-1."""
    text = data.decode("cp1252", "replace")
    return text, text.count("�")
