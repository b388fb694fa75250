"""Pictures of covers from outside: what is refused before it is decoded, and what is left of the others."""

from __future__ import annotations

import io
import random
import tracemalloc

import pytest
from PIL import Image

from admin_server.covers.pictures import MOST_BYTES, Picture, PictureRefused, checked_cover
from tests.support.pictures import BAD_PICTURES, BLANK, COLOURS, animation, jpeg_with_scans, photograph, picture


def opened(found: Picture | None) -> Image.Image:
    assert found is not None
    return Image.open(io.BytesIO(found.data))


@pytest.mark.parametrize("form", ["JPEG", "PNG", "GIF", "WEBP"])
@pytest.mark.parametrize("size", [(10, 10), (60, 90), (5_000, 10)])
def test_a_picture_keeps_its_format_and_its_sides(form: str, size: tuple[int, int]) -> None:
    found = checked_cover(picture(form, size))
    assert opened(found).format == form
    assert opened(found).size == size
    assert found is not None
    assert found.content_type == f"image/{form.lower()}"
    assert checked_cover(found.data) is not None


@pytest.mark.parametrize("name", BAD_PICTURES)
def test_what_is_not_a_picture_of_a_cover_is_refused_without_much_memory(name: str) -> None:
    tracemalloc.start()
    try:
        with pytest.raises(PictureRefused):
            checked_cover(BAD_PICTURES[name])
        assert tracemalloc.get_traced_memory()[1] < 8_000_000
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("name", [name for name in BAD_PICTURES if "bomb" in name])
def test_a_bomb_is_refused_before_it_is_decoded(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def decode(self: Image.Image) -> None:
        raise AssertionError("it was decoded")

    monkeypatch.setattr("PIL.ImageFile.ImageFile.load", decode)
    monkeypatch.setattr("PIL.WebPImagePlugin.WebPImageFile.load", decode)
    with pytest.raises(PictureRefused, match=r"pixels|scans|DecompressionBomb"):
        checked_cover(BAD_PICTURES[name])


@pytest.mark.parametrize("form", ["GIF", "WEBP", "PNG"])
def test_of_an_animation_the_first_frame_is_kept(form: str) -> None:
    image = opened(checked_cover(animation(form)))
    assert getattr(image, "n_frames", 1) == 1
    assert max(abs(a - b) for a, b in zip(image.convert("RGB").getpixel((20, 20)), COLOURS[0], strict=True)) < 12  # type: ignore[arg-type]


def test_metadata_are_removed_and_a_photograph_is_upright() -> None:
    found = checked_cover(photograph())
    assert found is not None
    image = opened(found)
    assert image.size == (40, 60)
    assert not image.getexif()
    for secret in (b"Exif", b"camera", b"private", b"GPS"):
        assert secret not in found.data


def test_what_follows_the_picture_is_removed() -> None:
    found = checked_cover(picture("PNG") + b"PK\x03\x04 a second file")
    assert found is not None
    assert b"second file" not in found.data


def test_transparency_is_kept() -> None:
    out = io.BytesIO()
    Image.new("RGBA", (20, 20), (10, 20, 30, 0)).save(out, "PNG")
    assert opened(checked_cover(out.getvalue())).getpixel((5, 5)) == (10, 20, 30, 0)


@pytest.mark.parametrize("form", ["GIF", "PNG", "JPEG", "WEBP"])
def test_a_single_pixel_is_no_cover(form: str) -> None:
    assert checked_cover(picture(form, (1, 1))) is None
    assert checked_cover(BLANK) is None


def test_usual_scans_are_accepted() -> None:
    assert checked_cover(jpeg_with_scans(20)) is not None


def test_a_picture_that_grows_is_stored_as_a_jpeg() -> None:
    out = io.BytesIO()
    noise = Image.frombytes("L", (1_800, 1_000), random.Random(1).randbytes(1_800_000))
    noise.convert("RGB").save(out, "WEBP", quality=5)
    Image.open(out).save(grown := io.BytesIO(), "WEBP", quality=80)
    assert grown.tell() < MOST_BYTES
    found = checked_cover(grown.getvalue())
    assert found is not None
    assert len(found.data) <= MOST_BYTES


@pytest.mark.parametrize("form", ["JPEG", "PNG", "GIF", "WEBP"])
def test_random_damage_leads_to_a_picture_or_a_refusal(form: str) -> None:
    chance = random.Random(form)
    whole = picture(form, (80, 120))
    for _ in range(300):
        data = bytearray(whole)
        for _ in range(chance.randint(1, 8)):
            data[chance.randrange(len(data))] = chance.randrange(256)
        try:
            checked_cover(bytes(data[: chance.randint(1, len(data))] if chance.random() < 0.3 else data))
        except PictureRefused as refused:
            assert str(refused).startswith("it ")
