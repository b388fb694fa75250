"""Check a picture from outside, and make a clean one of it.

The format is that of the content, and not that of a header. Size, dimensions and the number of passes over the picture
are limited before anything is decoded, as a small file can decode to gigabytes or take minutes. The picture is encoded
again, so that what is served contains no metadata, such as the place of a photograph, and no second file.
"""

from __future__ import annotations

import hashlib
import io
import threading
import warnings
from dataclasses import dataclass

from PIL import Image, ImageOps

MOST_BYTES = 2_000_000
"""Bytes of a picture, as it comes and as it is stored: it fits into a message of 4 MB."""

LEAST_PIXELS, MOST_PIXELS = 10, 5_000
"""Pixels of each side. A picture of 5,000 by 5,000 takes 100 MB while it is encoded again."""

MOST_SCANS = 100
"""Passes over a JPEG. Usual files have about ten; libjpeg goes over the whole picture for each of them."""

QUALITY = 90
"""Of JPEG and WebP, which lose a little each time they are encoded."""

CONTENT_TYPES = {"JPEG": "image/jpeg", "PNG": "image/png", "GIF": "image/gif", "WEBP": "image/webp"}
SIGNATURES = ((b"\xff\xd8\xff", "JPEG"), (b"\x89PNG\r\n\x1a\n", "PNG"), (b"GIF87a", "GIF"), (b"GIF89a", "GIF"))
MODES = {
    "JPEG": ("L", "RGB"),
    "PNG": ("1", "L", "LA", "P", "RGB", "RGBA"),
    "GIF": ("L", "P", "RGB", "RGBA"),
    "WEBP": ("RGB", "RGBA"),
}
"""The modes in which a picture of each format is stored; one of another mode is converted to the last of them."""

_one_at_a_time = threading.Lock()

# Pillow only warns of pictures that are twice as large as it expects.
warnings.filterwarnings("error", category=Image.DecompressionBombWarning)


class PictureRefused(Exception):
    """The picture is not stored. The message explains why, without text of the picture."""


@dataclass(frozen=True)
class Picture:
    """A picture that was checked and encoded again."""

    content_type: str
    data: bytes

    @property
    def digest(self) -> str:
        """The SHA-256 of the bytes, in hexadecimal digits."""
        return hashlib.sha256(self.data).hexdigest()


def checked_cover(data: bytes) -> Picture | None:
    """Return the clean picture, its first frame if it has several; None for a picture of one pixel.

    Open Library answers with a single pixel if it has no cover.

    Raises:
        PictureRefused: It is not a JPEG, PNG, GIF or WebP, or is incomplete, too small or too large.
    """
    if len(data) > MOST_BYTES:
        raise PictureRefused(f"it has more than {MOST_BYTES:,} bytes")
    form = _format(data)
    with _one_at_a_time:
        try:
            return _clean(data, form)
        except PictureRefused:
            raise
        except Exception as error:  # decoders of broken files raise errors of a dozen classes
            raise PictureRefused(f"it cannot be read as {CONTENT_TYPES[form]} ({type(error).__name__})") from error


def _format(data: bytes) -> str:
    form = next((form for signature, form in SIGNATURES if data.startswith(signature)), "")
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        form = "WEBP"
        _check_sides(*_webp_sides(data))  # libwebp allocates the whole canvas when it opens the file
    if not form:
        raise PictureRefused("it is not a JPEG, PNG, GIF or WebP")
    # Within the coded picture, 0xFF is never followed by 0xDA.
    if form == "JPEG" and data.count(b"\xff\xda") > MOST_SCANS:
        raise PictureRefused(f"it has more than {MOST_SCANS} scans")
    return form


def _webp_sides(data: bytes) -> tuple[int, int]:
    """Return width and height from the first chunk (RFC 9649, sections 2.5 to 2.7)."""
    chunk = data[12:16]
    if len(data) < 30 or chunk not in (b"VP8X", b"VP8L", b"VP8 "):
        raise PictureRefused("it cannot be read as image/webp (no picture)")
    if chunk == b"VP8X":
        return int.from_bytes(data[24:27], "little") + 1, int.from_bytes(data[27:30], "little") + 1
    if chunk == b"VP8L":
        sides = int.from_bytes(data[21:25], "little")
        return (sides & 0x3FFF) + 1, (sides >> 14 & 0x3FFF) + 1
    return int.from_bytes(data[26:28], "little") & 0x3FFF, int.from_bytes(data[28:30], "little") & 0x3FFF


def _clean(data: bytes, form: str) -> Picture | None:
    with Image.open(io.BytesIO(data), formats=[form]) as image:  # reads the header only
        if image.size == (1, 1):
            return None
        _check_sides(*image.size)
        image.load()
        upright = ImageOps.exif_transpose(image)
    modes = MODES[form]
    plain = upright if upright.mode in modes else upright.convert(modes[-1])
    plain.info = {name: plain.info[name] for name in ("transparency",) if name in plain.info}
    out = io.BytesIO()
    plain.save(out, form, quality=QUALITY)
    if out.tell() > MOST_BYTES:
        out = io.BytesIO()
        plain.convert("RGB").save(out, form := "JPEG", quality=QUALITY)
    if out.tell() > MOST_BYTES:
        raise PictureRefused(f"it has more than {MOST_BYTES:,} bytes when it is encoded again")
    return Picture(CONTENT_TYPES[form], out.getvalue())


def _check_sides(width: int, height: int) -> None:
    if (width, height) != (1, 1) and not all(LEAST_PIXELS <= side <= MOST_PIXELS for side in (width, height)):
        limits = f"{LEAST_PIXELS} to {MOST_PIXELS:,} pixels"
        raise PictureRefused(f"it has {width:,} by {height:,} pixels; each side may have {limits}")
