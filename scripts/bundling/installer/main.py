"""``install``: from the bundle's folder to a working ``hetnet``, or one line and nothing left behind."""

from __future__ import annotations

import argparse
import json
import os
import pkgutil
import shlex
import shutil
import sys
from pathlib import Path

from bundling.installer.environment import write_environment
from bundling.installer.machine import check_machine, check_torch, clean_environment
from bundling.installer.packages import Packages
from bundling.installer.pieces import check_pieces, read_manifest, unpack
from bundling.installer.place import Place
from bundling.process import Console, Problem, hold_signals, one_line_at_the_end

EPILOG = """\
DIR must not exist yet, or be empty. To update, install beside the old one under another name; to go back, source the old one's
environment.sh again. Nothing touches a network. If anything fails, nothing of DIR is left."""


class Parser(argparse.ArgumentParser):
    def error(self, message: str) -> None:
        raise Problem(f"{message}; see sh install --help")


def main() -> None:
    console = Console("install", "--verbose" in sys.argv[1:])
    with one_line_at_the_end(console):
        bundle = Path(os.path.abspath(sys.argv[0])).parent
        options = _parse()
        manifest = read_manifest(bundle)
        check_machine(manifest)
        place = None if options.check else _place(options.venv or options.target)
        if place:
            place.check()
        if place and place.room() < manifest["room"]:
            raise Problem(f"{place.folder.parent} has {place.room() / 1e6:,.0f} MB free and the installation needs "
                          f"{manifest['room'] / 1e6:,.0f} MB")
        check_pieces(console, bundle, manifest["pieces"])
        if "torch" in manifest["without"]:
            check_torch(clean_environment(manifest, os.environ.get("TMPDIR", "/tmp")))
        if place is None:
            console.say("the bundle is whole, and this machine suits it")
            return
        os.umask(0o022)  # every user of the machine is to read it
        try:
            place.make()
            _install(console, manifest, bundle, place, bool(options.venv))
            place.finish()
        except BaseException:
            hold_signals()
            place.discard()
            raise
        if manifest["weights"]["half"]:
            console.say("the teachers' weights are a reduced copy: models taught with the full ones are refused here, so teach here")
        console.say(f"done; in every shell that uses it:  . {shlex.quote(f'{place.folder}/environment.sh')}")
        console.say("then, to see what there is:  hetnet doctor")


def _parse() -> argparse.Namespace:
    # No abbreviations: the shell script around this looks for --python and nothing shorter.
    parser = Parser(prog="sh install", description="Install hetnet_ros from this offline bundle.", epilog=EPILOG, allow_abbrev=False,
                    formatter_class=argparse.RawDescriptionHelpFormatter)
    where = parser.add_mutually_exclusive_group(required=True)
    where.add_argument("--venv", metavar="DIR", type=_folder, help="make a virtual environment there")
    where.add_argument("--target", metavar="DIR", type=_folder, help="install into a plain folder there, for the Python that runs this")
    where.add_argument("--check", action="store_true", help="only check the files of the bundle and that this machine suits it")
    parser.add_argument("--python", metavar="PY", help="the Python to use (default: the bundle's version on PATH)")
    parser.add_argument("--verbose", action="store_true", help="show what pip says")
    return parser.parse_args()


def _folder(text: str) -> str:
    """An empty name, as of a shell variable that is not set, would be the current folder."""
    if not text.strip():
        raise argparse.ArgumentTypeError("the folder's name is empty")
    return text


def _place(folder: str) -> Place:
    place = Place(Path(os.path.abspath(os.path.expanduser(folder))))
    if ":" in str(place.folder) or "\n" in str(place.folder):
        raise Problem(f"{place.folder} has a colon or a line break in it, and such a folder cannot be put on a search path")
    try:
        str(place.folder).encode()
    except UnicodeEncodeError:
        raise Problem(f"{ascii(folder)} is no UTF-8, and Python's own tools cannot install to such a folder: name another") from None
    return place


def _install(console: Console, manifest: dict, bundle: Path, place: Place, as_venv: bool) -> None:
    ros, torch = "ros" not in manifest["without"], "torch" not in manifest["without"]
    console.say(f"unpacking to {place.folder}")
    unpack(bundle, manifest, place.work)
    (place.work / "tmp").mkdir()
    environment = clean_environment(manifest, str(place.work / "tmp"))
    packages = Packages(console, manifest, place.work, place.folder, as_venv, environment)
    packages.install()
    share = place.folder / "share" / "hetnet_ros"
    for name in ("weights", "source"):
        shutil.move(place.work / name, share / name)
    for name in ("lock.txt", "constraints.txt"):
        shutil.move(place.work / name, share / name)
    shutil.copyfile(bundle / "manifest.json", share / "bundle.json")
    write_environment(place.folder, packages.site, as_venv, ros, torch)
    console.say("checking that everything loads")
    expected = {"ros": ros, "prefix": str(place.folder), "models": manifest["weights"]["models"]}
    command = ["sh", "-c", '. "$1/environment.sh" && exec "$2" -c "$3" "$4"', "sh", place.folder, packages.python,
               pkgutil.get_data("bundling.installer", "trial.py").decode(), json.dumps(expected)]
    console.run("checking that everything loads", command, environment | {"HETNET_CACHE": str(place.work / "cache")})
