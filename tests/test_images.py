"""Photos of every kind: what their header says, their pixels, and the same file made upright."""

from __future__ import annotations

import struct
import time
from functools import cache

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from make_photos import (
    MAKER,
    XMP,
    chunk,
    decoded,
    exif_block,
    jpeg,
    late_exif,
    mpo,
    opened,
    png,
    saved,
    scene,
    segment,
    stored,
    with_segments,
)
from PIL import Image, ImageOps

from ssdprep import images
from ssdprep.images import ImageFault, make_upright, probe, read_upright, upright_bytes, without_gps
from ssdprep.record import Size
from ssdprep.turn import TRANSPOSES

EVEN, ODD = Size(96, 64), Size(97, 61)
KNOWN_FAULTS = {f"IMG00{number}" for number in (*range(1, 7), 8)}
TAGS = range(1, 9)


def near(one: np.ndarray, other: np.ndarray, *, loss: float) -> bool:
    return one.shape == other.shape and float(np.abs(one.astype(int) - other.astype(int)).mean()) <= loss


def written(path, data: bytes):
    path.write_bytes(data)
    return path


# --- header ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("kind", [3, 4])
@pytest.mark.parametrize("orientation", [0, 1, 6, 8, 9])
def test_probe_reads_the_tag_in_either_byte_order_and_type(tmp_path, order, kind, orientation):
    data = jpeg(scene(EVEN), exif_block(orientation, order=order, kind=kind, maker=MAKER))
    assert probe(written(tmp_path / "a.jpg", data))[:4] == ("JPEG", EVEN, orientation, "RGB")


def test_probe_reports_impossible_values_as_they_are(tmp_path):
    data = jpeg(scene(EVEN), exif_block(65537, kind=4))
    assert probe(written(tmp_path / "a.jpg", data)).orientation == 65537


def test_probe_goes_by_content(tmp_path):
    pixels, exif = scene(ODD), exif_block(6)
    files = {
        "plain.png": (jpeg(pixels), ("JPEG", ODD, 1, "RGB")),
        "tagged.jpg": (png(pixels, exif), ("PNG", ODD, 6, "RGB")),
        "late.png": (late_exif(png(pixels), exif), ("PNG", ODD, 6, "RGB")),
        "grey.jpg": (jpeg(pixels[..., 0], exif), ("JPEG", ODD, 6, "L")),
        "cmyk.jpg": (jpeg(np.dstack([pixels, pixels[..., 0]]), exif, mode="CMYK"), ("JPEG", ODD, 6, "CMYK")),
        "fill.jpg": (with_segments(jpeg(pixels), b"\xff\xff\xff"), ("JPEG", ODD, 1, "RGB")),
        "many.jpg": (mpo(pixels, exif), ("JPEG", ODD, 6, "RGB")),
    }
    for kind in ("BMP", "GIF", "TIFF", "WEBP"):
        files[kind] = saved(Image.fromarray(pixels), kind), (kind, ODD, 1, "P" if kind == "GIF" else "RGB")
    files["t.tif"] = saved(Image.fromarray(pixels), "TIFF", tiffinfo={274: 6}), ("TIFF", ODD, 6, "RGB")
    files["t.webp"] = saved(Image.fromarray(pixels), "WEBP", exif=b"Exif\0\0" + exif), ("WEBP", ODD, 6, "RGB")
    for name, (data, expected) in files.items():
        assert probe(written(tmp_path / name, data))[:4] == expected, name


def test_probe_is_fast(tmp_path):
    data = jpeg(scene(EVEN), exif_block(6, maker=MAKER, gps=True, thumbnail=jpeg(scene(Size(16, 12)))))
    paths = [written(tmp_path / f"{i}.jpg", data) for i in range(200)]
    begin = time.perf_counter()
    for path in paths:
        probe(path)
    assert time.perf_counter() - begin < 0.1  # a fifth of a thousand; 0.003 s on a plain machine


CUT = exif_block(6, maker=MAKER)


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"", "IMG001"),
        (b"hello", "IMG002"),
        (b"<annotation/>" * 9, "IMG002"),
        (jpeg(scene(EVEN), CUT)[:3], "IMG003"),
        (jpeg(scene(EVEN), CUT)[:60], "IMG003"),
        (jpeg(scene(EVEN), CUT)[:200], "IMG003"),
        (png(scene(EVEN))[:20], "IMG003"),
        (b"BM\x00\x00", "IMG002"),
    ],
)
def test_probe_says_what_is_wrong(tmp_path, data, code):
    with pytest.raises(ImageFault) as caught:
        probe(written(tmp_path / "a.jpg", data))
    assert caught.value.code == code
    assert caught.value.message
    assert caught.value.remedy


def test_a_missing_file_is_an_oserror(tmp_path):
    with pytest.raises(FileNotFoundError):
        probe(tmp_path / "none.jpg")


# --- pixels ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("orientation", TAGS)
def test_read_upright_applies_the_tag(tmp_path, orientation):
    upright = scene(ODD)
    for name, make, loss in (("a.jpg", jpeg, 4), ("a.png", png, 0)):
        path = written(tmp_path / name, make(stored(upright, orientation), exif_block(orientation)))
        assert near(read_upright(path), upright, loss=loss), name
        assert np.array_equal(read_upright(path), np.asarray(ImageOps.exif_transpose(Image.open(path)))), name


def test_read_upright_gives_rgb_whatever_the_file_holds(tmp_path):
    grey = np.arange(256, dtype=np.uint8).reshape(16, 16)
    rgb = np.repeat(grey[..., None], 3, axis=2)
    glass = np.dstack([rgb, np.full_like(grey, 255)])
    glass[:4, :, 3] = 0
    over_white = np.where(glass[..., 3:] == 0, 255, rgb).astype(np.uint8)
    deep = grey.astype(np.uint16) * 257
    cases = {
        "grey.png": (png(grey), rgb, 0),
        "alpha.png": (png(glass), over_white, 0),
        "palette.png": (saved(Image.fromarray(rgb).quantize(256), "PNG"), rgb, 0),
        "palette_alpha.png": (saved(Image.fromarray(glass).quantize(256), "PNG"), over_white, 4),
        "deep.png": (png(deep), rgb, 0),
        "deep_colour.png": (cv2.imencode(".png", np.repeat(deep[..., None], 3, axis=2))[1].tobytes(), rgb, 0),
        "deep.tif": (saved(Image.fromarray(deep), "TIFF"), rgb, 0),
        "bits.png": (saved(Image.fromarray(grey > 127), "PNG"), np.where(rgb > 127, 255, 0), 0),
        "grey.jpg": (jpeg(grey, quality=100), rgb, 1),
        "cmyk.jpg": (saved(Image.fromarray(rgb).convert("CMYK"), "JPEG", quality=100), rgb, 2),
        "progressive.jpg": (jpeg(rgb, quality=100, progressive=True), rgb, 1),
        "a.bmp": (saved(Image.fromarray(rgb), "BMP"), rgb, 0),
        "a.gif": (saved(Image.fromarray(grey), "GIF"), rgb, 0),
        "a.webp": (saved(Image.fromarray(rgb), "WEBP", lossless=True), rgb, 0),
    }
    for name, (data, expected, loss) in cases.items():
        pixels = read_upright(written(tmp_path / name, data))
        assert pixels.dtype == np.uint8, name
        assert near(pixels, expected, loss=loss), name


def test_a_turned_tiff_is_turned_once(tmp_path):
    upright = scene(ODD)
    data = saved(Image.fromarray(stored(upright, 6)), "TIFF", tiffinfo={274: 6})
    assert np.array_equal(read_upright(written(tmp_path / "a.tif", data)), upright)


def test_a_stale_xmp_orientation_is_not_applied(tmp_path):
    upright = scene(EVEN)
    data = jpeg(upright, xmp=XMP % (6, 96, 64))
    assert near(read_upright(written(tmp_path / "a.jpg", data)), upright, loss=4)


def test_floats_have_no_brightness(tmp_path):
    path = written(tmp_path / "a.tif", saved(Image.fromarray(np.ones((4, 4), np.float32)), "TIFF"))
    with pytest.raises(ImageFault, match="IMG006"):
        read_upright(path)


def test_cut_and_damaged_pixels_are_faults(tmp_path):
    whole = jpeg(scene(Size(160, 120), seed=1), exif_block(6))
    middle = len(whole) * 3 // 4
    bad_png = bytearray(png(scene(EVEN)))
    bad_png[len(bad_png) // 2] ^= 0xFF
    cases = {
        "no_end.jpg": (whole[:-2], "IMG003"),
        "half.jpg": (whole[:middle], "IMG003"),
        "half_closed.jpg": (whole[:middle] + b"\xff\xd9", "IMG004"),
        "half.png": (png(scene(EVEN))[:-300], "IMG003"),
        "bad.png": (bytes(bad_png), "IMG004"),
        "half.bmp": (saved(Image.fromarray(scene(EVEN)), "BMP")[:-500], "IMG003"),
    }
    for name, (data, code) in cases.items():
        path = written(tmp_path / name, data)
        for reader in (read_upright, upright_bytes):
            with pytest.raises(ImageFault) as caught:
                reader(path)
            assert caught.value.code == code, (name, reader)


@pytest.mark.parametrize(
    ("filling", "is_odd"),
    [
        (bytes(range(90, 150)), True),
        (bytes(50), False),
        (b"\xff\0" * 25, False),  # one-bits, stuffed
        (bytes(50) + b"\xff\xff", False),
        (b"\xa5\xa6", False),
    ],
)
def test_bytes_after_the_last_block_are_counted_and_the_picture_kept(tmp_path, filling, is_odd):
    whole = jpeg(scene(Size(160, 120), seed=1))
    found = upright_bytes(written(tmp_path / "a.jpg", whole[:-2] + filling + whole[-2:]))
    assert near(decoded(found.data), decoded(whole), loss=2)
    assert (found.left_over > 40) is is_odd
    assert is_odd or found.left_over == 0


def test_bytes_between_segments_are_no_damage(tmp_path):
    whole = jpeg(scene(Size(160, 120), seed=1))
    at = whole.index(b"\xff\xdb")  # the first quantisation table
    found = upright_bytes(written(tmp_path / "a.jpg", whole[:at] + bytes(range(1, 41)) + whole[at:]))
    assert near(decoded(found.data), decoded(whole), loss=2)
    assert found.left_over == 0


def test_a_damaged_photo_in_the_colours_of_print_is_a_fault(tmp_path):
    whole = saved(Image.fromarray(scene(Size(160, 120), seed=1)).convert("CMYK"), "JPEG")
    path = written(tmp_path / "a.jpg", whole[: len(whole) * 3 // 4] + b"\xff\xd9")
    with pytest.raises(ImageFault) as caught:
        upright_bytes(path)
    assert caught.value.code == "IMG004"


# --- bytes for readers that know no EXIF ------------------------------------------------------------------------------


def test_upright_bytes_passes_on_what_is_upright_already(tmp_path):
    pixels = scene(ODD)
    for name, data in {
        "a.jpg": jpeg(pixels, exif_block(1, maker=MAKER)),
        "zero.jpg": jpeg(pixels, exif_block(0)),
        "progressive.jpg": jpeg(pixels, progressive=True),
        "trailing.jpg": jpeg(pixels) + b"more",
        "a.png": png(pixels, exif_block(1)),
    }.items():
        found = upright_bytes(written(tmp_path / name, data))
        assert found[:4] == (data, "PNG" if name.endswith("png") else "JPEG", ODD, "passed through"), name


@pytest.mark.parametrize("orientation", range(2, 9))
def test_upright_bytes_turns(tmp_path, orientation):
    for size, how in ((EVEN, "turned without loss"), (ODD, "transcoded")):
        how = "turned without loss" if orientation == 5 else how  # a transposition needs no whole blocks
        upright = scene(size)
        data = jpeg(stored(upright, orientation), exif_block(orientation))
        found = upright_bytes(written(tmp_path / "a.jpg", data))
        assert found[1:4] == ("JPEG", size, how)
        assert near(decoded(found.data), upright, loss=4)
        assert not opened(found.data).getexif()
        found = upright_bytes(written(tmp_path / "a.png", png(stored(upright, orientation), exif_block(orientation))))
        assert found[1:4] == ("PNG", size, "turned without loss")
        assert np.array_equal(decoded(found.data), upright)


def test_upright_bytes_transcodes_what_is_no_plain_rgb(tmp_path):
    pixels = scene(ODD)
    image = Image.fromarray(pixels)
    for name, data, kind in (
        ("grey.jpg", jpeg(pixels[..., 0]), "JPEG"),
        ("cmyk.jpg", saved(image.convert("CMYK"), "JPEG"), "JPEG"),
        ("lossy.webp", saved(image, "WEBP"), "JPEG"),
        ("lossless.webp", saved(image, "WEBP", lossless=True), "PNG"),
        ("palette.png", saved(image.quantize(), "PNG"), "PNG"),
        ("alpha.png", saved(image.convert("RGBA"), "PNG"), "PNG"),
        ("a.bmp", saved(image, "BMP"), "PNG"),
        ("a.tif", saved(image, "TIFF"), "PNG"),
    ):
        path = written(tmp_path / name, data)
        found = upright_bytes(path)
        assert (found.format, found.size, found.how) == (kind, ODD, "transcoded"), name
        assert opened(found.data).mode == "RGB"
        assert near(decoded(found.data), read_upright(path), loss=0 if kind == "PNG" else 4), name


def test_encoders_keep_pixels():
    pixels = scene(ODD)
    assert np.array_equal(decoded(images.encode_png(pixels)), pixels)
    assert near(decoded(images.encode_jpeg(pixels)), pixels, loss=2)


# --- the same file, upright -------------------------------------------------------------------------------------------


def tag_of(data: bytes) -> int:
    return int(opened(data).getexif().get(0x0112, 1))


@pytest.mark.parametrize("orientation", range(2, 9))
@pytest.mark.parametrize("options", [{}, {"subsampling": 0}, {"subsampling": 1}, {"progressive": True}])
def test_make_upright_turns_jpeg(orientation, options):
    for size, lossless in ((EVEN, True), (ODD, False)):
        upright = scene(size)
        data = jpeg(stored(upright, orientation), exif_block(orientation), **options)
        turned = make_upright(data)
        # 97x61 ends in a part of a block on either side: only the transposition leaves it where it is
        assert turned.lossless is (lossless or orientation == 5)
        assert near(decoded(turned.data), upright, loss=4)
        assert tag_of(turned.data) == 1
        assert bool(opened(turned.data).info.get("progressive")) == bool(options.get("progressive"))
        assert make_upright(turned.data) == (turned.data, True, ())


def test_a_lossless_turn_moves_the_very_coefficients():
    data = jpeg(stored(scene(EVEN), 6), exif_block(6))
    once = make_upright(data).data
    back = with_orientation(once, 8)
    again = make_upright(back).data
    assert np.array_equal(decoded(again), decoded(data))


def test_encoding_again_keeps_tables_and_sampling():
    for orientation in (3, 6):
        data = jpeg(stored(scene(ODD), orientation), exif_block(orientation), quality=83, subsampling=2)
        old, new = opened(data), opened(make_upright(data).data)
        for number, table in old.quantization.items():
            square = np.reshape(table, (8, 8))
            expected = square.T if orientation == 6 else square
            assert np.array_equal(np.reshape(new.quantization[number], (8, 8)), expected)
        assert sampling(new) == sampling(old)


def sampling(image: Image.Image) -> list[tuple[int, int]]:
    return [(across, down) for _, across, down, _ in image.layer]


@pytest.mark.parametrize("orientation", [3, 6])
@pytest.mark.parametrize("size", [EVEN, ODD])
def test_other_codings_of_jpeg_stay_what_they_are(orientation, size):
    upright = scene(size)
    pixels = stored(upright, orientation)
    exif = exif_block(orientation)
    image = Image.fromarray(pixels)
    for data, mode in (
        (jpeg(pixels[..., 0], exif), "L"),
        (jpeg(pixels, exif, restart_marker_blocks=2), "RGB"),
        (jpeg(pixels, exif, keep_rgb=True), "RGB"),
        (saved(image.convert("CMYK"), "JPEG", exif=b"Exif\0\0" + exif), "CMYK"),
    ):
        turned = make_upright(data)
        assert opened(turned.data).mode == mode
        assert opened(turned.data).info.get("adobe_transform") == opened(data).info.get("adobe_transform")
        expected = np.asarray(opened(data).transpose(TRANSPOSES[orientation]))
        assert near(decoded(turned.data), expected, loss=3), mode


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("size", [EVEN, ODD])
def test_metadata_survives_a_turn(order, size):
    pixels = stored(scene(size), 6)
    high, wide = pixels.shape[:2]
    thumbnail = jpeg(pixels[::4, ::4])
    exif = exif_block(6, order=order, sides=(wide, high), maker=MAKER, gps=True, thumbnail=thumbnail)
    icc = b"profile" * 20_000  # more than one segment holds
    data = jpeg(pixels, exif, icc_profile=icc, xmp=XMP % (6, wide, high), comment=b"said", dpi=(72, 96))
    turned = make_upright(data).data
    before, after = opened(data), opened(turned)
    assert after.info["icc_profile"] == icc
    assert after.info["comment"] == b"said"
    assert after.info["dpi"] == (96, 72)
    block = after.info["exif"][6:]
    assert block[: len(exif) - len(thumbnail)] == expected_block(exif, order)[: len(exif) - len(thumbnail)]
    assert thumbnail[:50] not in turned
    notes = after.getexif()
    assert notes.get_ifd(0x8769)[0x927C] == MAKER
    assert (notes.get_ifd(0x8769)[0xA002], notes.get_ifd(0x8769)[0xA003]) == (high, wide)
    assert notes.get_ifd(0x8825) == before.getexif().get_ifd(0x8825)
    assert b'tiff:Orientation="1"' in after.info["xmp"]
    assert f'exif:PixelYDimension="{wide}"'.encode() in after.info["xmp"]


def expected_block(exif: bytes, order: str) -> bytes:
    """The block with no other change than: Orientation 1, sides exchanged, IFD1 unlinked."""
    block = bytearray(exif)
    struct.pack_into(order + "HHIHH", block, 10, 0x0112, 3, 1, 1, 0)
    struct.pack_into(order + "I", block, 8 + 2 + 12 * 3, 0)
    inner = struct.unpack_from(order + "I", exif, 10 + 12 + 8)[0]
    one, two = inner + 2 + 12, inner + 2 + 24
    block[one + 2 : one + 12], block[two + 2 : two + 12] = exif[two + 2 : two + 12], exif[one + 2 : one + 12]
    return bytes(block)


def test_a_thumbnail_in_the_middle_is_blanked():
    pixels = stored(scene(EVEN), 8)
    thumbnail = jpeg(pixels[::4, ::4])
    exif = exif_block(8, thumbnail=thumbnail, tail=b"something behind it that may be linked")
    block = opened(make_upright(jpeg(pixels, exif)).data).info["exif"][6:]
    assert len(block) == len(exif)
    assert block.endswith(b"something behind it that may be linked")
    assert thumbnail[:40] not in block


def test_other_thumbnails_go_too():
    pixels = stored(scene(EVEN), 6)
    resource = b"8BIM" + struct.pack(">H", 1036) + b"\0\0" + struct.pack(">I", 5) + b"thumb\0"
    kept = b"8BIM" + struct.pack(">H", 1028) + b"\x03abc" + struct.pack(">I", 4) + b"IPTC"
    data = with_segments(
        jpeg(pixels, exif_block(6)),
        segment(0xE0, b"JFXX\0\x10" + jpeg(pixels[::8, ::8])),
        segment(0xED, b"Photoshop 3.0\0" + kept + resource + kept),
    )
    turned = make_upright(data).data
    assert b"JFXX" not in turned
    assert b"thumb" not in turned
    assert b"Photoshop 3.0\0" + kept + kept in turned


@pytest.mark.parametrize("invalid", [0, 9, 65537])
def test_an_impossible_tag_becomes_1_and_nothing_else_changes(invalid):
    pixels = scene(EVEN)
    exif = exif_block(invalid, kind=4, maker=MAKER, thumbnail=jpeg(pixels[::4, ::4]))
    data = jpeg(pixels, exif)
    assert make_upright(data).data == data.replace(exif, exif[:10] + exif_block(1)[10:22] + exif[22:])


def test_a_file_that_needs_nothing_comes_back():
    pixels = scene(ODD)
    for data in (
        jpeg(pixels),
        jpeg(pixels, exif_block(1, maker=MAKER)),
        with_segments(jpeg(pixels), b"\xff\xff"),
        png(pixels),
        png(pixels, exif_block(1)),
        saved(Image.fromarray(pixels), "WEBP", exif=exif_block(1)),
        saved(Image.fromarray(pixels), "BMP"),
        saved(Image.fromarray(pixels), "GIF"),
        saved(Image.fromarray(pixels), "TIFF"),
        jpeg(pixels) + b"tail",
    ):
        assert make_upright(data).data == data
        assert make_upright(data, strip_gps=True).data == data
        assert without_gps(data) == data


def test_broken_exif_is_left_alone():
    pixels = scene(EVEN)
    for block in (b"", b"II*\0", b"II*\0\xff\xff\xff\xff", b"garbage", exif_block(None), b"II*\0\x08\0\0\0\xff\xff"):
        data = with_segments(jpeg(pixels), segment(0xE1, b"Exif\0\0" + block))
        assert make_upright(data, strip_gps=True).data == data


# --- several pictures in one file, and what lies behind ---------------------------------------------------------------


@pytest.mark.parametrize("orientation", [3, 6])
@pytest.mark.parametrize("size", [Size(64, 96), Size(96, 64), ODD])
def test_every_picture_of_a_file_is_turned(orientation, size):
    upright = scene(size)
    data = mpo(stored(upright, orientation), exif_block(orientation)) + b"MotionPhoto" * 9
    turned = make_upright(data)
    image = opened(turned.data)
    assert image.n_frames == 3
    assert near(np.asarray(image), upright, loss=4)
    for frame in (1, 2):
        image.seek(frame)
        small = stored(upright, orientation)[::2, ::2]
        assert near(np.asarray(image), images.turn(small, orientation), loss=6)
    assert turned.data.endswith(b"MotionPhoto" * 9)
    assert turned.notes == (
        "3 pictures in one file, all turned alike",
        "99 bytes behind the picture were kept as they are",
    )


def test_the_xmp_directory_of_further_pictures_follows():
    pixels = stored(scene(Size(96, 64)), 6)
    plain = mpo(pixels, exif_block(6))
    old = opened(plain).mpinfo[0xB002][1]["Size"]
    packet = b'<x xmlns:tiff="t" tiff:Orientation="6"><i Item:Length="%d"/><i Item:Length="7"/></x>' % old
    xmp = segment(0xE1, b"http://ns.adobe.com/xap/1.0/\0" + packet)
    at = plain.index(b"MPF\0") - 4
    data = bytearray(
        plain[:at] + xmp + plain[at:]
    )  # before the index, which counts from itself: its offsets still hold
    turned = opened(make_upright(bytes(data)).data)
    new = turned.mpinfo[0xB002][1]["Size"]
    assert turned.info["xmp"] == packet.replace(b'"6"', b'"1"').replace(b"%d" % old, b"%d" % new)


def test_an_index_that_leads_nowhere_is_no_reason_to_fail():
    whole = mpo(stored(scene(EVEN), 6), exif_block(6))
    first = whole[: whole.index(b"\xff\xd9\xff\xd8") + 2]
    turned = make_upright(first)
    assert turned.notes == ()
    assert near(decoded(turned.data), scene(EVEN), loss=4)


def test_what_lies_behind_is_kept():
    data = jpeg(stored(scene(EVEN), 6), exif_block(6)) + jpeg(scene(EVEN))
    turned = make_upright(data)
    assert turned.data.endswith(jpeg(scene(EVEN)))
    assert "behind the picture" in turned.notes[0]


# --- place ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("orientation", [1, 6])
def test_the_place_goes(order, orientation):
    pixels = stored(scene(EVEN), orientation)
    exif = exif_block(orientation, order=order, maker=MAKER, gps=True)
    position = struct.pack(order + "6I", 52, 1, 31, 1, 2, 10)
    assert position in exif
    xmp = XMP % (orientation, 96, 64)
    for data in (
        jpeg(pixels, exif, xmp=xmp),
        png(pixels, exif),
        saved(Image.fromarray(pixels), "WEBP", exif=exif, xmp=xmp),
    ):
        kept = without_gps(data)
        assert tag_of(kept) == orientation
        assert np.array_equal(decoded(kept), decoded(data))
        for new in (kept, make_upright(data, strip_gps=True).data):
            assert position not in new
            assert b"exif:GPS" not in new
            notes = opened(new).getexif()
            assert notes.get_ifd(0x8825) == {}
            assert 0x8825 not in notes
            assert notes.get_ifd(0x8769)[0x927C] == MAKER
            assert b"kept</dc:title>" in new or b"dc:title" not in data
            assert make_upright(new, strip_gps=True).data == make_upright(new).data


def test_the_place_goes_from_tiff():
    data = saved(Image.fromarray(scene(EVEN)), "TIFF", tiffinfo={0x8825: {1: "N", 2: (52.0, 31.0, 12.0)}})
    assert opened(data).getexif().get_ifd(0x8825)
    new = without_gps(data)
    assert opened(new).getexif().get_ifd(0x8825) == {}
    assert np.array_equal(decoded(new), decoded(data))


@pytest.mark.parametrize("order", ["<", ">"])
def test_a_gps_directory_that_is_cut_goes_as_far_as_it_reaches(order):
    pixels = scene(EVEN)
    block = exif_block(1, order=order, gps=True)
    position = struct.pack(order + "6I", 52, 1, 31, 1, 2, 10)
    link = struct.pack(order + "H", 0x8825)
    for length in range(8 + 2 + 2 * 12 + 4, len(block) + 1):
        new = make_upright(jpeg(pixels, block[:length]), strip_gps=True).data
        assert link not in new[: new.index(b"\xff\xdb")], length
        assert position[:8] not in new, length


# --- PNG, WebP and the others -----------------------------------------------------------------------------------------


def names(data: bytes) -> list[bytes]:
    at, found = 8, []
    while at < len(data):
        found.append(data[at + 4 : at + 8])
        at += 12 + int.from_bytes(data[at : at + 4], "big")
    return found


@pytest.mark.parametrize("orientation", range(2, 9))
def test_png_is_turned_without_loss_whatever_its_pixels(orientation):
    upright = scene(ODD)
    rgba = np.dstack([upright, upright[..., 0]])
    exif = exif_block(orientation, maker=MAKER)
    for picture in (
        Image.fromarray(upright),
        Image.fromarray(upright[..., 0]),
        Image.fromarray(rgba),
        Image.fromarray(upright).quantize(16),
        Image.fromarray(rgba).quantize(200),
        Image.fromarray(rgba).convert("LA"),
        Image.fromarray(upright[..., 0] > 60),
        Image.fromarray(upright[..., 0].astype(np.uint16) * 251),
    ):
        seen = np.asarray(picture.convert("RGBA" if picture.has_transparency_data else "RGB"))
        if picture.mode == "I;16":
            seen = np.asarray(picture)
        turned_back = picture.transpose(TRANSPOSES[{6: 8, 8: 6}.get(orientation, orientation)])
        turned = make_upright(saved(turned_back, "PNG", exif=exif))
        new = opened(turned.data)
        assert turned.lossless
        assert new.mode == picture.mode
        assert np.array_equal(
            np.asarray(new if new.mode == "I;16" else new.convert("RGBA" if seen.shape[2:] == (4,) else "RGB")), seen
        )
        assert tag_of(turned.data) == 1


@pytest.mark.parametrize("channels", [3, 4])
def test_deep_colour_keeps_its_depth(channels):
    deep = (scene(ODD).astype(np.uint16) * 251)[..., [0, 1, 2, 0][:channels]]
    coded = cv2.imencode(".png", stored(deep, 6))[1].tobytes()
    turned = make_upright(late_exif(coded, exif_block(6))).data
    assert np.array_equal(cv2.imdecode(np.frombuffer(turned, np.uint8), cv2.IMREAD_UNCHANGED), deep)


def test_other_chunks_stay_where_they_are():
    plain = png(stored(scene(ODD), 6), exif_block(6, maker=MAKER), icc_profile=b"profile", dpi=(72, 96))
    extra = chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + XMP % (6, 1, 2)) + chunk(b"tEXt", b"Comment\0said")
    data = plain[:33] + extra + plain[33:-12] + chunk(b"tIME", b"\x07\xe8\x01\x01\x01\x01\x01") + plain[-12:]
    turned = make_upright(data).data
    assert [name for name in names(turned) if name != b"IDAT"] == [name for name in names(data) if name != b"IDAT"]
    image = opened(turned)
    image.load()
    assert image.info["icc_profile"] == b"profile"
    assert image.info["Comment"] == "said"
    assert [round(density) for density in image.info["dpi"]] == [96, 72]
    assert 'tiff:Orientation="1"' in image.info["XML:com.adobe.xmp"]
    assert make_upright(turned).data == turned


@pytest.mark.parametrize("lossless", [True, False])
def test_webp_is_turned(lossless):
    upright = scene(ODD)
    image = Image.fromarray(stored(upright, 6))
    data = saved(image, "WEBP", lossless=lossless, quality=95, exif=exif_block(6), icc_profile=b"profile")
    turned = make_upright(data)
    assert turned.lossless is lossless
    assert near(decoded(turned.data), upright, loss=0 if lossless else 5)
    assert tag_of(turned.data) == 1
    assert opened(turned.data).info["icc_profile"] == b"profile"


def test_what_cannot_be_turned_says_so():
    pixels = stored(scene(EVEN), 6)
    image = Image.fromarray(pixels)
    for data in (
        saved(image, "TIFF", tiffinfo={274: 6}),
        saved(image, "PNG", save_all=True, append_images=[Image.new("RGB", image.size)], exif=exif_block(6)),
        saved(image, "WEBP", save_all=True, append_images=[Image.new("RGB", image.size)], exif=exif_block(6)),
    ):
        with pytest.raises(ImageFault, match="IMG005"):
            make_upright(data)


def test_damaged_photos_are_not_turned():
    for size in (EVEN, ODD):
        whole = jpeg(stored(scene(size, seed=2), 6), exif_block(6))
        for data in (whole[:-2], whole[: len(whole) * 3 // 4], whole[: len(whole) * 3 // 4] + b"\xff\xd9"):
            with pytest.raises(ImageFault, match=r"IMG00[34]"):
                make_upright(data)
    for data in (png(stored(scene(EVEN), 6), exif_block(6))[:-200], b"", b"text"):
        with pytest.raises(ImageFault):
            make_upright(data)


@cache
def kinds() -> dict[str, bytes]:
    pixels = stored(scene(Size(48, 32)), 6)
    exif = exif_block(6, maker=MAKER, gps=True, thumbnail=jpeg(pixels[::4, ::4]))
    image = Image.fromarray(pixels)
    return {
        "jpeg": jpeg(pixels, exif, xmp=XMP % (6, 32, 48)),
        "progressive": jpeg(pixels, exif, progressive=True),
        "mpo": mpo(pixels, exif),
        "png": png(pixels, exif),
        "palette": saved(image.quantize(), "PNG", exif=exif),
        "webp": saved(image, "WEBP", exif=exif, xmp=XMP % (6, 32, 48)),
        "tiff": saved(image, "TIFF", compression="tiff_lzw", tiffinfo={0x0112: 6}),
        "bmp": saved(image, "BMP"),
        "gif": saved(image, "GIF"),
        **(
            {"avif": saved(image, "AVIF", exif=exif)} if ".avif" in Image.registered_extensions() else {}
        ),  # Pillow 11.3
    }


@pytest.mark.parametrize("kind", sorted(kinds()))
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_no_damage_raises_anything_but_a_fault(tmp_path_factory, kind, data):
    whole = kinds()[kind]
    broken = bytearray(whole[: data.draw(st.integers(0, len(whole)))])
    for _ in range(data.draw(st.integers(0, 6)) if broken else 0):
        # the header is where structure is: half of the hits go there
        broken[data.draw(st.integers(0, min(400, len(broken)) - 1) | st.integers(0, len(broken) - 1))] = data.draw(
            st.sampled_from([0, 1, 0x7F, 0x80, 0xFF]) | st.integers(0, 255)
        )
    path = written(tmp_path_factory.getbasetemp() / f"broken_{kind}", bytes(broken))
    for job in (probe, read_upright, upright_bytes, lambda path: make_upright(path.read_bytes(), strip_gps=True)):
        assert fault_of(lambda job=job: job(path)) in {None, *KNOWN_FAULTS}


def fault_of(job) -> str | None:
    try:
        job()
    except ImageFault as fault:
        return fault.code
    return None


# --- real photos ------------------------------------------------------------------------------------------------------


def test_real_photos(real_data):
    for path in sorted((real_data / "exif-orientation-examples").glob("*.jpg")):
        expected = np.asarray(ImageOps.exif_transpose(Image.open(path)))
        assert np.array_equal(read_upright(path), expected)
        turned = make_upright(path.read_bytes())
        assert near(decoded(turned.data), expected, loss=1.1), path.name
        assert tag_of(turned.data) == 1


def with_orientation(data: bytes, orientation: int) -> bytes:
    return data.replace(exif_block(1), exif_block(orientation))
