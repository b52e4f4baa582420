"""Reading image files: every common kind of file gives the same 8-bit RGB, and a bad file gives one clear line."""

from __future__ import annotations

import struct

import cv2
import numpy as np
import pytest
from PIL import Image

from hetnet_ros.errors import InputError
from hetnet_ros.inspection.decoding import decode
from hetnet_ros.inspection.image_files import MIN_SIDE_PX, list_images, read_mask, read_rgb

HEIGHT, WIDTH = 40, 56


@pytest.fixture
def grey() -> np.ndarray:
    """A gradient with every grey value's neighbourhood: uint8 (HEIGHT, WIDTH)."""
    return np.linspace(0, 255, HEIGHT * WIDTH).reshape(HEIGHT, WIDTH).round().astype(np.uint8)


@pytest.fixture
def rgb(grey: np.ndarray) -> np.ndarray:
    return np.stack([grey, 255 - grey, np.full_like(grey, 30)], axis=2)


@pytest.mark.parametrize("suffix", [".png", ".bmp", ".tif", ".webp", ".ppm"])
def test_lossless_colour_files_come_back_exactly(tmp_path, rgb, suffix):
    path = tmp_path / f"image{suffix}"
    Image.fromarray(rgb).save(path, lossless=True)
    np.testing.assert_array_equal(read_rgb(path), rgb)


def test_jpeg_keeps_the_channel_order(tmp_path, rgb):
    path = tmp_path / "image.JPG"
    Image.fromarray(rgb).save(path, quality=95)
    assert np.abs(read_rgb(path).astype(int) - rgb).mean() < 4  # JPEG's loss; swapped channels would give about 80


def test_grey_is_repeated_into_three_channels(tmp_path, grey):
    Image.fromarray(grey).save(tmp_path / "grey.png")
    image = read_rgb(tmp_path / "grey.png")
    assert image.shape == (HEIGHT, WIDTH, 3) and image.dtype == np.uint8 and image.flags["C_CONTIGUOUS"]
    np.testing.assert_array_equal(image, np.dstack([grey] * 3))


@pytest.mark.parametrize("suffix", [".png", ".tif"])
@pytest.mark.parametrize("colour", [False, True])
def test_16_bit_files_are_scaled_by_their_full_range(tmp_path, grey, rgb, suffix, colour):
    deep = (rgb[:, :, ::-1] if colour else grey).astype(np.uint16) * 257
    assert cv2.imwrite(str(tmp_path / f"deep{suffix}"), deep)
    image = read_rgb(tmp_path / f"deep{suffix}")
    expected = rgb if colour else np.dstack([grey] * 3)
    assert image.dtype == np.uint8
    np.testing.assert_array_equal(image, expected)


def test_a_dark_16_bit_image_stays_dark(tmp_path):
    Image.fromarray(np.full((HEIGHT, WIDTH), 2570, np.uint16)).save(tmp_path / "dark.png")
    assert read_rgb(tmp_path / "dark.png").max() == 10  # 2570 / 257; stretching to the maximum would give 255


def test_alpha_is_dropped_and_colour_kept(tmp_path, rgb, grey):
    rgba = np.dstack([rgb, grey])
    Image.fromarray(rgba).save(tmp_path / "rgba.png")
    np.testing.assert_array_equal(read_rgb(tmp_path / "rgba.png"), rgb)
    Image.fromarray(np.dstack([grey, 255 - grey]), mode="LA").save(tmp_path / "la.png")
    np.testing.assert_array_equal(read_rgb(tmp_path / "la.png"), np.dstack([grey] * 3))


def test_palette_and_bilevel_files_are_expanded(tmp_path):
    index = np.zeros((HEIGHT, WIDTH), np.uint8)
    index[10:20] = 1
    picture = Image.fromarray(index, mode="P")
    picture.putpalette([200, 10, 20, 1, 2, 3])
    picture.save(tmp_path / "palette.png")
    image = read_rgb(tmp_path / "palette.png")
    assert image[0, 0].tolist() == [200, 10, 20] and image[15, 0].tolist() == [1, 2, 3]
    Image.fromarray(index * 255).convert("1").save(tmp_path / "bilevel.png")
    assert np.unique(read_rgb(tmp_path / "bilevel.png")).tolist() == [0, 255]


@pytest.mark.parametrize("colour", [False, True])
def test_float_tiff_between_0_and_1_is_read(tmp_path, rgb, grey, colour):
    values = (rgb[:, :, ::-1] if colour else grey).astype(np.float32) / 255
    assert cv2.imwrite(str(tmp_path / "float.tif"), values)
    np.testing.assert_array_equal(read_rgb(tmp_path / "float.tif"), rgb if colour else np.dstack([grey] * 3))


@pytest.mark.parametrize("bad", [1.5, -0.1, np.nan, np.inf])
def test_floats_of_an_unknown_scale_are_refused(tmp_path, bad):
    values = np.full((HEIGHT, WIDTH), 0.5, np.float32)
    values[3, 4] = bad
    Image.fromarray(values).save(tmp_path / "float.tif")
    with pytest.raises(InputError, match=r"float\.tif.*from 0 to 1"):
        read_rgb(tmp_path / "float.tif")


def test_exif_orientation_is_not_applied(tmp_path, rgb):
    exif = Image.Exif()
    exif[0x0112] = 6  # "rotate by 90 degrees to show"
    Image.fromarray(rgb).save(tmp_path / "rotated.jpg", exif=exif)
    assert read_rgb(tmp_path / "rotated.jpg").shape == (HEIGHT, WIDTH, 3)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("how", ["Pillow", "OpenCV", "32-bit floats", "BigTIFF", "big-endian"])
def test_no_decoder_turns_a_tiff(tmp_path, rgb, orientation, how):
    """Masks, maps and boxes are of the grid as it is stored, and Pillow and OpenCV turn TIFFs of themselves."""
    path = tmp_path / "turned.tif"
    floats = (rgb / np.float32(255)).astype(np.float32)
    array = rgb.astype(np.uint16) * 257 if how == "OpenCV" else floats if how == "32-bit floats" else rgb
    if how in ("Pillow", "BigTIFF"):
        Image.fromarray(rgb).save(path, big_tiff=how == "BigTIFF", tiffinfo={274: orientation})
    else:
        path.write_bytes(tiff(array, order=">" if how == "big-endian" else "<", orientation=orientation))
    np.testing.assert_array_equal(read_rgb(path), rgb)
    if how == "OpenCV":
        np.testing.assert_array_equal(decode(path.read_bytes(), deep=True).pixels, array)


@pytest.mark.parametrize(("values", "options", "said"), [
    (np.uint16(900), {"photometric": 0}, "a TIFF of 16 bits that stores white as 0: store it with black as 0"),
    (np.float32(0.5), {"photometric": 0}, "a TIFF of 32 bits that stores white as 0"),
    (np.int8(-5), {}, "a TIFF with signed values of 8 bits: store it without signs"),
])
def test_a_tiff_that_would_be_read_as_its_negative_is_refused(tmp_path, values, options, said):
    """Pillow turns white as 0 around in 8 bits and not in 16, and takes -5 for 251."""
    path = tmp_path / "odd.tif"
    path.write_bytes(tiff(np.full((32, 40), values), **options))
    with pytest.raises(InputError) as caught:
        read_rgb(path)
    assert said in str(caught.value) and "odd.tif" in str(caught.value)


def test_white_as_0_in_8_bits_is_turned_around(tmp_path, grey):
    (tmp_path / "film.tif").write_bytes(tiff(255 - grey, photometric=0))
    np.testing.assert_array_equal(read_rgb(tmp_path / "film.tif")[:, :, 0], grey)


def tiff(pixels, order="<", photometric=None, orientation=1):
    """An uncompressed TIFF of one strip, grey or colour, of any type of value."""
    height, width = pixels.shape[:2]
    colours = 1 if pixels.ndim == 2 else 3
    photometric = photometric if photometric is not None else 1 if colours == 1 else 2
    bits, kind = 8 * pixels.dtype.itemsize, {"u": 1, "i": 2, "f": 3}[pixels.dtype.kind]
    data = pixels.astype(pixels.dtype.newbyteorder(order)).tobytes()
    entries, behind = 12, 8 + 2 + 12 * 12 + 4
    lists = struct.pack(f"{order}6H", *[bits] * 3, *[kind] * 3)
    longs = {256: width, 257: height, 273: behind + len(lists), 278: height, 279: len(data)}
    shorts = {258: bits, 259: 1, 262: photometric, 274: orientation, 277: colours, 284: 1, 339: kind}
    text = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(f"{order}IH", 8, entries)
    for tag, value in sorted({**longs, **shorts}.items()):
        if tag in (258, 339) and colours == 3:
            text += struct.pack(f"{order}HHII", tag, 3, 3, behind + (0 if tag == 258 else 6))
        elif tag in longs:
            text += struct.pack(f"{order}HHII", tag, 4, 1, value)
        else:
            text += struct.pack(f"{order}HHIHH", tag, 3, 1, value, 0)
    return text + struct.pack(f"{order}I", 0) + lists + data


def spoil_empty(path, data):
    path.write_bytes(b"")


def spoil_text(path, data):
    path.write_text("not an image")


def spoil_truncate(path, data):
    path.write_bytes(data[: len(data) // 2])


def spoil_header_only(path, data):
    path.write_bytes(data[:20])


def spoil_missing(path, data):
    path.unlink()


def spoil_folder(path, data):
    path.unlink()
    path.mkdir()


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".tif", ".bmp"])
@pytest.mark.parametrize(
    "spoil", [spoil_empty, spoil_text, spoil_truncate, spoil_header_only, spoil_missing, spoil_folder]
)
def test_a_bad_file_is_refused_in_one_line_that_names_it(tmp_path, rgb, suffix, spoil, capfd):
    path = tmp_path / f"bad{suffix}"
    Image.fromarray(rgb).save(path)
    spoil(path, path.read_bytes())
    with pytest.raises(InputError) as caught:
        read_rgb(path)
    assert str(path) in str(caught.value) and "\n" not in str(caught.value)
    assert capfd.readouterr() == ("", ""), "decoders must not print"


def test_a_png_with_a_flipped_byte_is_refused(tmp_path, rgb):
    path = tmp_path / "flipped.png"
    Image.fromarray(rgb).save(path)
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 0xFF
    path.write_bytes(bytes(data))
    with pytest.raises(InputError, match="flipped.png"):
        read_rgb(path)


def test_tiny_images_are_refused_and_the_smallest_allowed_is_read(tmp_path):
    Image.fromarray(np.zeros((MIN_SIDE_PX, MIN_SIDE_PX), np.uint8)).save(tmp_path / "smallest.png")
    Image.fromarray(np.zeros((100, MIN_SIDE_PX - 1), np.uint8)).save(tmp_path / "tiny.png")
    assert read_rgb(tmp_path / "smallest.png").shape == (MIN_SIDE_PX, MIN_SIDE_PX, 3)
    with pytest.raises(InputError, match=rf"tiny\.png is only {MIN_SIDE_PX - 1}x100 pixels"):
        read_rgb(tmp_path / "tiny.png")


def test_list_images_sorts_numbers_by_value_and_skips_the_rest(tmp_path):
    for name in ("10.png", "9.PNG", "2.jpg", "a.tif", ".hidden.png", "notes.txt", "a10.bmp", "a9.bmp"):
        (tmp_path / name).touch()
    (tmp_path / "folder.png").mkdir()
    names = [path.name for path in list_images(tmp_path)]
    assert names == ["2.jpg", "9.PNG", "10.png", "a9.bmp", "a10.bmp", "a.tif"]


def test_list_images_refuses_what_is_no_folder(tmp_path):
    with pytest.raises(InputError, match="no such folder"):
        list_images(tmp_path / "absent")
    (tmp_path / "image.png").touch()
    with pytest.raises(InputError, match="is a file"):
        list_images(tmp_path / "image.png")


def test_masks_are_true_where_any_channel_is_set(tmp_path):
    mask = np.zeros((5, 7), np.uint8)
    mask[2, 3] = 255
    mask[4, 6] = 1  # label images mark a defect by its class number
    Image.fromarray(mask).save(tmp_path / "mask.png")
    np.testing.assert_array_equal(read_mask(tmp_path / "mask.png"), mask > 0)
    Image.fromarray(np.dstack([mask * 0, mask, mask * 0])).save(tmp_path / "colour.png")
    np.testing.assert_array_equal(read_mask(tmp_path / "colour.png"), mask > 0)
    opaque = np.dstack([mask, mask, mask, np.full_like(mask, 255)])
    Image.fromarray(opaque).save(tmp_path / "opaque.png")
    np.testing.assert_array_equal(read_mask(tmp_path / "opaque.png"), mask > 0)


@pytest.mark.parametrize(("suffix", "options"), [
    (".jpg", {"quality": 60}), (".webp", {"quality": 60}), (".webp", {"quality": 60, "alpha_quality": 50}),
    (".tif", {"compression": "jpeg", "quality": 60}),
    (".jp2", {"irreversible": True, "quality_mode": "rates", "quality_layers": [20]}),
])
def test_lossy_masks_are_cut_at_half_the_range(tmp_path, suffix, options):
    mask = np.zeros((64, 64), np.uint8)
    mask[20:41, 20:41] = 255
    picture = Image.fromarray(mask).convert("RGBA" if "alpha_quality" in options else "RGB")
    picture.save(tmp_path / f"mask{suffix}", **options)
    np.testing.assert_array_equal(read_mask(tmp_path / f"mask{suffix}"), mask > 0)


def test_a_lossless_webp_mask_may_hold_class_numbers(tmp_path):
    mask = np.zeros((64, 64), np.uint8)
    mask[20:41, 20:41] = 1
    for name, options in (("plain", {}), ("extended", {"exif": b"Exif\0\0MM\0*\0\0\0\x08\0\0\0\0\0\0"})):
        Image.fromarray(mask).convert("RGB").save(tmp_path / f"{name}.webp", lossless=True, **options)
        np.testing.assert_array_equal(read_mask(tmp_path / f"{name}.webp"), mask > 0)
