"""Pictures as sources of covers send them, good and bad."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from PIL import Image

COLOURS = ((200, 30, 30), (30, 200, 30), (30, 30, 200), (240, 240, 20))


def picture(form: str = "JPEG", size: tuple[int, int] = (60, 90), number: int = 0, **options: Any) -> bytes:
    """Return a picture, a different one for each number."""
    out = io.BytesIO()
    Image.new("RGB", size, ((number * 37) % 256, (number * 101) % 256, number % 256)).save(out, form, **options)
    return out.getvalue()


def animation(form: str) -> bytes:
    """Return a picture with a frame of each colour."""
    frames = [Image.new("RGB", (40, 40), colour) for colour in COLOURS]
    out = io.BytesIO()
    frames[0].save(out, form, save_all=True, append_images=frames[1:], duration=100)
    return out.getvalue()


def photograph(orientation: int = 6) -> bytes:
    """Return a photograph, 60 by 40 pixels, with a place, a comment, and the side that is up."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    exif[0x010F] = "a camera with a name"
    exif.get_ifd(0x8825).update({1: "N", 2: (52.0, 31.0, 12.0)})
    return picture(size=(60, 40), exif=exif.tobytes(), comment=b"a private remark")


def png_that_claims(width: int, height: int, data: bytes = b"") -> bytes:
    """Return a PNG whose header states these sides, with this compressed data."""
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunks = [(b"IHDR", header), (b"IDAT", zlib.compress(data)), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(*chunk) for chunk in chunks)


def webp_that_claims(width: int, height: int) -> bytes:
    """Return a WebP whose canvas has these sides."""
    canvas = b"\0\0\0\0" + (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    inner = b"WEBPVP8X" + struct.pack("<I", len(canvas)) + canvas + picture("WEBP")[12:]
    return b"RIFF" + struct.pack("<I", len(inner)) + inner


def jpeg_with_scans(count: int) -> bytes:
    """Return a progressive JPEG whose last scan is repeated."""
    data = picture(progressive=True)
    last = data.rindex(b"\xff\xda")
    return data[:last] + data[last:-2] * count + data[-2:]


def _chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


HTML = b"<!DOCTYPE html><html><body><h1>Not found</h1></body></html>"
SVG = b'<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>'
BLANK = picture("GIF", (1, 1))
"""Open Library's answer for a book without a cover."""

BAD_PICTURES: Mapping[str, bytes] = MappingProxyType(
    {
        "nothing": b"",
        "HTML": HTML,
        "SVG": SVG,
        "HTML after the start of a JPEG": b"\xff\xd8\xff" + HTML,
        "HTML after the start of a GIF": b"GIF89a" + HTML,
        "a JPEG that was cut": picture(size=(400, 600))[:900],
        "a PNG that was cut": picture("PNG", (400, 600))[:150],
        "a GIF that was cut": picture("GIF", (400, 600))[:-40],
        "a WebP that was cut": picture("WEBP", (400, 600))[:-20],
        "a WebP without a picture": b"RIFF\x04\0\0\0WEBP",
        "a bomb: a PNG of 60,000 by 60,000": png_that_claims(60_000, 60_000, b"\0" * 1_000_000),
        "a bomb: a PNG of 6,000 by 6,000": png_that_claims(6_000, 6_000, b"\0" * 6_000 * 18_001),
        "a bomb: a WebP of 16,383 by 16,383": webp_that_claims(16_383, 16_383),
        "a bomb: a JPEG of 30,000 by 10": picture(size=(30_000, 10)),
        "a bomb: a JPEG with 5,000 scans": jpeg_with_scans(5_000),
        "too small": picture(size=(9, 60)),
        "too large": picture("PNG") + b"\0" * 2_000_000,
        "a BMP": picture("BMP"),
        "a TIFF": picture("TIFF"),
        "an icon": picture("ICO"),
        "a PNG whose data end early": png_that_claims(100, 100, b"\0" * 100),
    }
)
