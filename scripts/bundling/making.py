"""Makes a bundle: wheels, weights, sources and hashes in pieces, with an ``install`` beside them.

Everything is made in a hidden folder beside the bundle's and takes its name at the end, so that a bundle is whole or is not there.
"""

from __future__ import annotations

import contextlib
import datetime
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

from bundling import options as command_line
from bundling.hashes import hash_file, write_sums
from bundling.options import Options
from bundling.pieces import pack
from bundling.process import Console, Problem, hold_signals, one_line_at_the_end
from bundling.wheels import Wheelwright, glibc_of, lock, name_and_version, room_of

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
ROOM_MB = {True: 9000, False: 2000}
"""Disk needed while making a bundle with torch and without."""
BYTECODE = 150 * 2**20
"""What Python writes beside the packages at the first start, measured to be below this."""
FORMAT = 1


def main(arguments: list[str] | None = None) -> None:
    console = Console("bundle", "--verbose" in (sys.argv[1:] if arguments is None else arguments))
    with one_line_at_the_end(console):
        options = command_line.parse(arguments, ROOT)
        if platform.system() != "Linux":
            raise Problem(f"a bundle is made on the system it is for, Linux, and this is {platform.system()}")
        made = [folder for folder in options.out.parents if not folder.exists()]
        work = None
        try:
            work = _work_folder(options.out)
            _make(console, options, work)
            made = []
        finally:
            hold_signals()
            if work:
                shutil.rmtree(work, ignore_errors=True)
            for folder in made:
                with contextlib.suppress(OSError):
                    folder.rmdir()


def _work_folder(out: Path) -> Path:
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        return Path(tempfile.mkdtemp(prefix=f".{out.name}.making.", dir=out.parent))
    except OSError as error:
        raise Problem(f"cannot write to {out.parent}: {error.strerror}") from None


def _make(console: Console, options: Options, work: Path) -> None:
    torch, ros = "torch" not in options.without, "ros" not in options.without
    room = shutil.disk_usage(work).free // 2**20
    if room < ROOM_MB[torch]:
        raise Problem(f"{options.out.parent} has {room} MB free and making the bundle needs {ROOM_MB[torch]} MB")
    console.say(f"for Python {options.version} on {platform.machine()}"
                + "".join(f", without {what}" for what in options.without) + (", half weights" if options.half else ""))
    payload, out = work / "payload", work / "out"
    payload.mkdir()
    out.mkdir()
    wheelwright = Wheelwright(console, ROOT, options.interpreter, work, options.source, ros, torch)
    models = _weights(console, payload / "weights", options.half)
    wheelwright.fetch()
    wheelwright.build_package()
    wheels = sorted(wheelwright.wheels.glob("*.whl"))
    (payload / "lock.txt").write_text(lock(wheelwright.wheels))
    (payload / "requirements.txt").write_text("\n".join(wheelwright.requirements()) + "\n")
    shutil.copy(ROOT / "scripts" / "constraints.txt", payload / "constraints.txt")
    manifest = {
        "bundle": FORMAT,
        "made": datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "hetnet_ros": re.search(r'__version__ = "(.*?)"', (ROOT / "hetnet_ros" / "__init__.py").read_text())[1],
        "commit": _commit(),
        "python": options.version,
        "machine": platform.machine(),
        "glibc": "{}.{}".format(*max(map(glibc_of, wheels))),
        "without": list(options.without),
        "weights": {"half": options.half, "models": models},
        "packages": dict(name_and_version(path.name) for path in wheels),
        "room": sum(map(room_of, wheels)) + _size_of(payload / "weights") + _size_of(payload) + BYTECODE,
    }
    console.say("writing the pieces")
    for name in ("maker", "tree", "tree.tar", "tmp"):
        shutil.rmtree(work / name, ignore_errors=True)
    manifest["pieces"], manifest["files"] = pack(payload, out, options.piece)
    _add_installer(out, manifest)
    out.chmod(0o755)
    os.rename(out, options.out)
    _tell(console, options, manifest)


def _weights(console: Console, folder: Path, half: bool) -> dict:
    """Both teachers' weights, written by the set-up's Python, and their hashes."""
    console.say("writing the teachers' weights" + (" in half precision" if half else ""))
    python = Path(os.environ.get("HETNET_VENV") or ROOT / ".venv") / "bin" / "python"
    folder.mkdir()
    environment = os.environ | {"PYTHONPATH": str(ROOT), "HF_HUB_OFFLINE": "1"}
    command = [python, HERE / "teacher_files.py", folder, *(["--half"] if half else [])]
    try:
        said = console.run("writing the teachers' weights", command, environment)
        return json.loads(said.splitlines()[-1])
    except FileNotFoundError:
        raise Problem(f"the teachers' weights are read by the set-up's Python, and {python} is not there: run scripts/setup first") from None


def _add_installer(out: Path, manifest: dict) -> None:
    """The files around the pieces, none of which needs to be executable: a FAT disk has no such bit."""
    (out / "manifest.json").write_text(json.dumps(manifest, indent=1) + "\n")
    with zipfile.ZipFile(out / "install.pyz", "w", zipfile.ZIP_DEFLATED) as archive:
        for path in [HERE / "__init__.py", HERE / "process.py", HERE / "hashes.py", *sorted((HERE / "installer").glob("*.py"))]:
            archive.write(path, Path("bundling", path.relative_to(HERE)))
        archive.writestr("__main__.py", "from bundling.installer.main import main\n\nmain()\n")
    for source, target in (("install.sh", "install"), ("carry.txt", "README.txt")):
        text = (HERE / "installer" / source).read_text()
        words = {"PYTHON": manifest["python"], "VERSION": manifest["hetnet_ros"], "WHAT": _in_words(manifest)}
        (out / target).write_text(re.sub(r"@(\w+)@", lambda found: words[found[1]], text))
    hashes = {piece["name"]: piece["sha256"] for piece in manifest["pieces"]}
    write_sums(out, hashes | {path.name: hash_file(path) for path in out.iterdir() if path.name not in hashes})


def _in_words(manifest: dict) -> str:
    parts = [f"Linux {manifest['machine']} with glibc {manifest['glibc']} or newer and Python {manifest['python']}"]
    parts += [f"without {what}" for what in manifest["without"]] + (["half weights"] if manifest["weights"]["half"] else [])
    return ", ".join(parts)


def _size_of(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def _commit() -> str:
    """What git calls the sources; empty outside a checkout."""
    try:
        done = subprocess.run(["git", "-C", ROOT, "describe", "--always", "--dirty"], capture_output=True, text=True, timeout=30)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""


def _tell(console: Console, options: Options, manifest: dict) -> None:
    pieces = manifest["pieces"]
    console.say(f"{options.out}: {sum(piece['size'] for piece in pieces) / 1e6:,.0f} MB in {len(pieces)} pieces, "
                f"{len(manifest['packages'])} wheels, for {_in_words(manifest)}")
    if manifest["weights"]["half"]:
        console.say("the weights are a reduced copy: models taught with the full ones are refused there, so teach there")
    console.say(f"the other machine needs {manifest['room'] / 1e6:,.0f} MB while it installs; copy the folder there as it is, then run")
    console.say("  sh install --venv /opt/hetnet/NAME")
