#!/usr/bin/env python3
"""Small inputs that stand for gigabytes, hours or a deep stack: what each costs beside a good input of its kind.

    benchmarks/bombs.py [BOMB ...]

Each is made in a temporary folder and given, in a process of its own, to what reads such a file; so is a good one.  Printed are
the seconds and the peak memory beyond that of the good one.  The exit code is 1 where one takes more than 2 s or 300 MB more, is
taken for good, or ends its process in any other way than an InputError or a line on what was lost.
"""

from __future__ import annotations

import argparse
import io
import json
import resource
import sqlite3
import struct
import subprocess
import sys
import tempfile
import time
import zlib
from collections.abc import Callable
from pathlib import Path

MOST_SECONDS, MOST_MB = 2.0, 300
_GIVEN_UP_SECONDS, _ADDRESS_SPACE = 30, 12 * 2**30

# ---- what reads each kind: from a path to what was said of it, "" for nothing ---------------------------------------------------


def _image(path: Path) -> str:
    from hetnet_ros.inspection.image_files import read_rgb

    read_rgb(path)
    return ""


def _mask(path: Path) -> str:
    from hetnet_ros.inspection.image_files import read_mask

    read_mask(path)
    return ""


def _message(path: Path) -> str:
    from hetnet_ros.inspection.image_conversion import compressed_to_rgb

    compressed_to_rgb(path.read_bytes(), "png")
    return ""


def _bag(path: Path) -> str:
    from hetnet_ros.inspection.bags import choose_topics, image_frames, open_bag

    bag = open_bag(path)
    for frame in image_frames(bag, choose_topics(bag)):
        frame.rgb()
    return "; ".join(bag.losses)


def _reader(module: str, function: str, *more: object) -> Callable[[Path], str]:
    def read(path: Path) -> str:
        import importlib

        getattr(importlib.import_module(f"hetnet_ros.{module}"), function)(path, *more)
        return ""

    return read


def _coco(path: Path) -> str:
    from hetnet_ros.evaluation.replay.coco import CocoFile

    file = CocoFile(path)
    for name in file.names:
        file.drawn(name, (480, 640))
    return ""


READERS: dict[str, Callable[[Path], str]] = {
    "image": _image,
    "mask": _mask,
    "message": _message,
    "bag": _bag,
    "recipe": _reader("inspection.recipe", "load_recipe"),
    "cell": _reader("planning.cell_config", "load_cell"),
    "preset": lambda path: _reader("learning.preset", "load_preset")(str(path)),
    "labels": _reader("evaluation.replay.label_files", "read_labels"),
    "result": _reader("evaluation.replay.compare", "load_result"),
    "coco": _coco,
}

# ---- pictures -------------------------------------------------------------------------------------------------------------------


def png(width: int, height: int, bits: int = 1, colour: int = 0) -> bytes:
    """A black PNG of that size; colour 0 grey, 2 RGB."""
    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    row = bytes(1 + (width * bits * (3 if colour == 2 else 1) + 7) // 8)
    packer = zlib.compressobj(9)
    rows = b"".join(packer.compress(row * 64) for _ in range(height // 64)) + packer.compress(row * (height % 64)) + packer.flush()
    head = struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


def tiff(width: int, height: int, samples: int, bits: int, tile: int = 0) -> bytes:
    """A TIFF whose one strip, or tile, is deflated zeros, much less than it claims."""
    data = zlib.compress(bytes(2**20), 9)
    entries = [(256, 4, width), (257, 4, height), (258, 3, bits), (259, 3, 8), (262, 3, 2 if samples == 3 else 1), (277, 3, samples),
               (339, 3, 3 if bits == 32 else 1)]
    names = (322, 323, 324, 325) if tile else (278, None, 273, 279)
    entries += [(names[0], 4, tile or height)] + ([(names[1], 4, tile)] if tile else [])
    begin = 8 + 2 + 12 * (len(entries) + 2) + 4
    entries += [(names[2], 4, begin), (names[3], 4, len(data))]
    table = b"".join(struct.pack("<HHII", tag, kind, 1, value) for tag, kind, value in sorted(entries))
    return b"II*\0" + struct.pack("<IH", 8, len(entries)) + table + bytes(4) + data


def whole_tiff(side: int) -> bytes:
    """A TIFF of floats that is all there, deflated."""
    from PIL import Image

    buffer = io.BytesIO()
    Image.new("F", (side, side)).save(buffer, "TIFF", compression="tiff_adobe_deflate")
    return buffer.getvalue()


# ---- recordings -----------------------------------------------------------------------------------------------------------------

_IMAGE_TOPIC = (1, "/camera/image_raw", "sensor_msgs/msg/Image")


def _database(path: Path, *statements: str, messages: str = "CREATE TABLE messages(id INTEGER PRIMARY KEY, topic_id, timestamp, data)") -> Path:
    with sqlite3.connect(path) as database:
        database.execute("CREATE TABLE topics(id INTEGER PRIMARY KEY, name, type, serialization_format, offered_qos_profiles)")
        database.execute("INSERT INTO topics VALUES(?, ?, ?, 'cdr', '')", _IMAGE_TOPIC)
        for statement in (messages, *statements):
            database.execute(statement)
    database.close()
    return path


def _circle(path: Path) -> Path:
    """A database whose one large value leads over its pages in a circle, and claims a gigabyte."""
    _database(path, "INSERT INTO messages VALUES(1, 1, 1, zeroblob(20000))")
    data = bytearray(path.read_bytes())
    size = struct.unpack(">H", data[16:18])[0]
    claimed = 1_000_000_000 - 1
    for begin in range(0, len(data), size):
        # A leaf of a table with one cell: payload size as a varint of three bytes, rowid 1.
        head = begin + (100 if begin == 0 else 0)
        if data[head] == 13 and struct.unpack(">H", data[head + 3:head + 5])[0] == 1:
            cell = begin + struct.unpack(">H", data[head + 8:head + 10])[0]
            if data[cell] & 0x80 and data[cell + 1] & 0x80 and not data[cell + 2] & 0x80 and data[cell + 3] == 1:
                # The record's header names the blob's length as well.
                body = data[cell + 4:cell + 4 + 200]
                kind = 2 * claimed + 12
                varint = _varint(kind)
                header = bytes([6 + len(varint) - 1, 0, 1, 1]) + varint
                payload = _varint(claimed + len(header) + 2)
                cell_new = payload + bytes([1]) + header + bytes([1, 1]) + bytes(body[:100])
                data[cell:cell + len(cell_new)] = cell_new
    for begin in range(size, len(data), size):
        if data[begin] == 0:  # an overflow page: the next is itself
            data[begin:begin + 4] = struct.pack(">I", begin // size + 1)
    path.write_bytes(data)
    return path


def _varint(value: int) -> bytes:
    groups = [value & 0x7F]
    while value := value >> 7:
        groups.append(value & 0x7F | 0x80)
    return bytes(reversed(groups))


def _record(opcode: int, content: bytes) -> bytes:
    return struct.pack("<BQ", opcode, len(content)) + content


def _text(text: str) -> bytes:
    return struct.pack("<I", len(text)) + text.encode()


_MAGIC = b"\x89MCAP0\r\n"
_SCHEMA = _record(3, struct.pack("<H", 1) + _text("sensor_msgs/msg/Image") + _text("ros2msg") + _text(""))


def _channel(profiles: str = "") -> bytes:
    metadata = (_text("offered_qos_profiles") + _text(profiles)) if profiles else b""
    return _record(4, struct.pack("<HH", 1, 1) + _text("/camera/image_raw") + _text("cdr") + struct.pack("<I", len(metadata)) + metadata)


def _chunk(data: bytes, claimed: int, compression: str, inner: int | None = None) -> bytes:
    body = struct.pack("<QQQI", 0, 0, claimed, 0) + _text(compression) + struct.pack("<Q", len(data) if inner is None else inner) + data
    return _record(6, body)


def mcap(path: Path, *chunks: bytes, profiles: str = "", summary_start: int = 0) -> Path:
    end = _record(15, bytes(4)) + _record(2, struct.pack("<QQI", summary_start, 0, 0))
    path.write_bytes(_MAGIC + _record(1, _text("ros2") + _text("")) + _SCHEMA + _channel(profiles) + b"".join(chunks) + end + _MAGIC)
    return path


def _zstd(size: int, named: bool = True) -> bytes:
    import zstandard

    packer = zstandard.ZstdCompressor(write_content_size=named).compressobj(size=size if named else -1)
    piece = bytes(2**20)
    return b"".join(packer.compress(piece) for _ in range(size // 2**20)) + packer.flush()


def _lz4(size: int) -> bytes:
    import lz4.frame

    with lz4.frame.LZ4FrameCompressor(block_size=lz4.frame.BLOCKSIZE_MAX4MB) as packer:
        piece = bytes(2**22)
        return packer.begin() + b"".join(packer.compress(piece) for _ in range(size // 2**22)) + packer.flush()


def _packed_messages(path: Path, data: bytes) -> Path:
    path.mkdir()
    _database(path / "bag_0.db3")
    with sqlite3.connect(path / "bag_0.db3") as database:
        database.execute("INSERT INTO messages VALUES(1, 1, 1, ?)", (data,))
    database.close()
    return _metadata(path, "compression_format: zstd\n  compression_mode: MESSAGE")


def _metadata(path: Path, more: str, head: str = "") -> Path:
    (path / "metadata.yaml").write_text(f"{head}rosbag2_bagfile_information:\n  version: 8\n  relative_file_paths: [bag_0.db3]\n  {more}\n")
    return path


def _good_folder(path: Path, more: str, head: str = "") -> Path:
    path.mkdir()
    _database(path / "bag_0.db3")
    return _metadata(path, more, head)


# ---- texts ----------------------------------------------------------------------------------------------------------------------

ALIASES = "a0: &a0 [lol, lol, lol, lol, lol, lol, lol, lol, lol]\n" + "".join(
    f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 10))
"""Under 1 kB, and three billion values."""
TEXTS: dict[str, str] = {
    "aliases": ALIASES,
    "brackets": "[" * 100_000,
    "dashes": "- " * 100_000,
    "keys": "? " * 100_000,
    "directives": "%TAG !a! b\n" * 90_000,
    "digits": "x: " + "1" * 900_000,
    "values": "[" + "1," * 450_000 + "1]",
}
JSONS: dict[str, bytes] = {
    "brackets": b"[" * 200_000,
    "objects": b'{"a":' * 200_000,
    "digits": b"[" + b"1" * 10_000_000 + b"]",
    "values": b"[" + b"{}," * 20_000_000 + b"{}]",
}

_GOOD_RECIPE = "views: {front: {box: [0, 0, 64, 64]}}\n"


def _written(data: bytes | str) -> Callable[[Path], Path]:
    def write(path: Path) -> Path:
        path.write_bytes(data.encode() if isinstance(data, str) else data)
        return path

    return write


def _picture(make: Callable[[], bytes]) -> Callable[[Path], Path]:
    return lambda path: _written(make())(path)


def _packed_file(inner: Callable[[], bytes]) -> Callable[[Path], Path]:
    return lambda path: _written(inner())(path)


# ---- all of them ----------------------------------------------------------------------------------------------------------------

#: name -> kind, file name, maker.  The file name's suffix matters to some readers.
BOMBS: dict[str, tuple[str, str, Callable[[Path], Path]]] = {
    "PNG of 13,300 px squared": ("image", "a.png", _picture(lambda: png(13_300, 13_300))),
    "PNG of 13,300 px squared, RGB": ("image", "a.png", _picture(lambda: png(13_300, 13_300, 8, 2))),
    "PNG of 13,300 px squared as a mask": ("mask", "a.png", _picture(lambda: png(13_300, 13_300))),
    "PNG of 13,300 px squared as a message": ("message", "a.png", _picture(lambda: png(13_300, 13_300))),
    "PNG of 60,000 px squared": ("image", "a.png", _picture(lambda: png(60_000, 60_000))),
    "TIFF of floats in three channels": ("image", "a.tiff", _picture(lambda: tiff(16_000, 16_000, 3, 32))),
    "TIFF of floats": ("image", "a.tiff", _picture(lambda: tiff(20_000, 20_000, 1, 32))),
    "TIFF of one huge tile": ("image", "a.tiff", _picture(lambda: tiff(64, 64, 1, 32, 16_384))),
    "TIFF of one huge tile in three channels": ("image", "a.tiff", _picture(lambda: tiff(64, 64, 3, 32, 8192))),
    "TIFF of 12,000 px squared, whole": ("image", "a.tiff", _picture(lambda: whole_tiff(12_000))),
    "TIFF as a mask": ("mask", "a.tiff", _picture(lambda: tiff(16_000, 16_000, 3, 32))),
    "mcap: zstd chunk of 1 GB": ("bag", "a.mcap", lambda path: mcap(path, _chunk(_zstd(2**30), 2**30, "zstd"))),
    "mcap: zstd chunk that hides its size": ("bag", "a.mcap", lambda path: mcap(path, _chunk(_zstd(2**31), 1000, "zstd"))),
    "mcap: zstd chunk without a size": ("bag", "a.mcap", lambda path: mcap(path, _chunk(_zstd(2**31, False), 2**29, "zstd"))),
    "mcap: lz4 chunk of 2 GB": ("bag", "a.mcap", lambda path: mcap(path, _chunk(_lz4(2**31), 1000, "lz4"))),
    "mcap: lz4 chunk that says so": ("bag", "a.mcap", lambda path: mcap(path, _chunk(_lz4(2**30), 2**30, "lz4"))),
    "mcap: a chunk where the index should be": (
        "bag", "a.mcap", lambda path: mcap(path, _chunk(_zstd(2**31), 2**31, "zstd"),
                                           summary_start=len(_MAGIC + _record(1, _text("ros2") + _text("")) + _SCHEMA + _channel()))),
    "mcap: a length of 100 GB": ("bag", "a.mcap", lambda path: mcap(path, _chunk(bytes(100), 100, "", 10**11))),
    "mcap: QoS profiles of aliases": ("bag", "a.mcap", lambda path: mcap(path, profiles=ALIASES)),
    "mcap.zstd of zeros": ("bag", "a.mcap.zstd", _packed_file(lambda: _zstd(2**32))),
    "mcap.zstd: a record of 2 GB": (
        "bag", "a.mcap.zstd", lambda path: _zstd_around(path, _MAGIC + struct.pack("<BQ", 9, 2**31), 2**31)),
    "db3.zstd of zeros": ("bag", "a.db3.zstd", _packed_file(lambda: _zstd(2**32))),
    "a packed message of 2 GB": ("bag", "bag", lambda path: _packed_messages(path, _zstd(2**31))),
    "a packed message without a size": ("bag", "bag", lambda path: _packed_messages(path, _zstd(2**31, False))),
    "sqlite: a view without an end": ("bag", "a.db3", lambda path: _database(
        path, messages="CREATE VIEW messages AS WITH RECURSIVE n(rowid) AS (VALUES(1) UNION ALL SELECT rowid + 1 FROM n) "
        "SELECT rowid, 2 AS topic_id, 0 AS timestamp, x'00' AS data FROM n")),
    "sqlite: topics without an end": ("bag", "a.db3", lambda path: _database(
        path, "DROP TABLE topics", "CREATE VIEW topics AS WITH RECURSIVE n(id) AS (VALUES(1) UNION ALL SELECT id + 1 FROM n) "
        "SELECT id, 'a' AS name, 'b' AS type, '' AS offered_qos_profiles FROM n")),
    "sqlite: a computed column": ("bag", "a.db3", lambda path: _database(
        path, "INSERT INTO messages(id, topic_id, timestamp) VALUES(1, 1, 1)",
        messages="CREATE TABLE messages(id INTEGER PRIMARY KEY, topic_id, timestamp, data GENERATED ALWAYS AS (zeroblob(900000000)))")),
    "sqlite: a value in a circle": ("bag", "a.db3", _circle),
    **{f"metadata.yaml: {name}": ("bag", "bag", lambda path, text=text: _good_folder(path, "x: 0", f"{text}\n"))
       for name, text in TEXTS.items()},
    **{f"{kind}: {name}": (kind, "a.yaml", _written(text)) for kind in ("recipe", "cell", "preset") for name, text in TEXTS.items()},
    **{f"{kind}: {name}": (kind, "a.json", _written(data)) for kind in ("result", "labels", "coco") for name, data in JSONS.items()},
    "coco: a picture of 10^10 pixels": ("coco", "a.json", _written(json.dumps({
        "images": [{"id": 1, "file_name": "f_1.png", "width": 10**5, "height": 10**5}], "categories": [{"id": 1, "name": "bad"}],
        "annotations": [{"image_id": 1, "category_id": 1, "bbox": [0, 0, 9, 9], "segmentation": [[0, 0, 9, 0, 9, 9]]}]}))),
}
PASSED_OVER = {"mcap: QoS profiles of aliases"}
"""Where nothing is lost without it."""


def _zstd_around(path: Path, head: bytes, zeros: int) -> Path:
    import zstandard

    packer = zstandard.ZstdCompressor().compressobj()
    piece = bytes(2**20)
    path.write_bytes(packer.compress(head) + b"".join(packer.compress(piece) for _ in range(zeros // 2**20)) + packer.flush())
    return path


def good_input(kind: str, folder: Path) -> Path:
    """A good input of the kind, of an ordinary size."""
    from hetnet_ros.resources import config_path

    if kind in ("image", "mask", "message"):
        return _written(png(640, 480, 8, 2))(folder / "good.png")
    if kind == "bag":
        return _database(folder / "good.db3")
    if kind == "recipe":
        return _written(_GOOD_RECIPE)(folder / "good.yaml")
    if kind in ("cell", "preset"):
        return config_path("cell.yaml" if kind == "cell" else "presets/edge.yaml")
    content = {"result": {"format": "hetnet-replay-1", "frames": []}, "labels": {"format": "hetnet-labels-1", "frames": [
        {"frame": 0, "label": "good"}]}, "coco": {"images": [{"id": 1, "file_name": "f_1.png"}], "categories": [], "annotations": []}}
    return _written(json.dumps(content[kind]))(folder / "good.json")


def run(kind: str, path: Path) -> tuple[float, float, str]:
    """Seconds, peak memory (MB) and what was said: ``refused: ...``, ``lost: ...``, ``taken`` or how the process died."""
    try:
        done = subprocess.run([sys.executable, __file__, "--read", kind, str(path)], capture_output=True, text=True,
                              timeout=_GIVEN_UP_SECONDS)
    except subprocess.TimeoutExpired:
        return float(_GIVEN_UP_SECONDS), 0.0, "died: it did not end"
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["killed by the system"])[-1]
        return 0.0, 0.0, f"died with code {done.returncode}: {last[:100]}"
    return tuple(json.loads(done.stdout.splitlines()[-1]))


def _read(kind: str, path: Path) -> None:
    """In a process of its own."""
    from hetnet_ros.errors import InputError

    resource.setrlimit(resource.RLIMIT_AS, (_ADDRESS_SPACE, _ADDRESS_SPACE))
    with tempfile.TemporaryDirectory() as folder:  # all that a first reading imports
        try:
            READERS[kind](good_input(kind, Path(folder)))
        except InputError:
            pass
    began = time.perf_counter()
    try:
        lost = READERS[kind](path)
        said = f"lost: {lost}" if lost else "taken"
    except InputError as error:
        said = f"refused: {error}"
    seconds = time.perf_counter() - began
    # Not ru_maxrss, which begins with what the process had that started this one.
    peak = next(int(line.split()[1]) for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
    print(json.dumps([seconds, peak / 1024, said]))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bombs", nargs="*", metavar="BOMB", help="some words of a name (default: all)")
    parser.add_argument("--read", nargs=2, metavar=("KIND", "FILE"), help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.read:
        _read(args.read[0], Path(args.read[1]))
        return 0
    breaches, base = 0, {}
    for name, (kind, file, make) in BOMBS.items():
        if args.bombs and not any(word in name for word in args.bombs):
            continue
        with tempfile.TemporaryDirectory(prefix="hetnet_bombs_") as folder:
            if kind not in base:
                base[kind] = run(kind, good_input(kind, Path(folder)))
            seconds, peak, said = run(kind, make(Path(folder) / file))
        more = max(0.0, peak - base[kind][1])
        taken = said == "taken" and name not in PASSED_OVER
        wrong = seconds > MOST_SECONDS or more > MOST_MB or taken or said.startswith("died")
        breaches += wrong
        print(f"{'BREACH' if wrong else 'ok':7}{seconds:7.2f} s {more:7.0f} MB   {name}: {said[:110]}", flush=True)
    print(f"{breaches} breaches")
    return 1 if breaches else 0


if __name__ == "__main__":
    sys.exit(main())
