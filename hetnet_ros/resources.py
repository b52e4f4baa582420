"""Finds the configuration files that come with the package, however it was installed, and the user's cache.

``config/`` lies at the root of the repository, as ROS packages have it, and not inside the Python package; colcon and
pip both install it as ``share/hetnet_ros/config`` below their prefix.  Looking up from this file serves every layout
(source tree, colcon with or without merged install, virtual environment, user site) without asking ROS.
"""

from __future__ import annotations

import functools
import os
import stat
import sys
import tempfile
from pathlib import Path

from hetnet_ros.errors import InputError


def config_folder() -> Path:
    """The folder ``config`` of this installation.  Raises InputError if the installation is incomplete."""
    package = Path(__file__).absolute().parent  # not resolved: symbolic links of colcon lead back to the sources
    if (package.parent / "package.xml").is_file() and (package.parent / "config").is_dir():
        return package.parent / "config"
    for prefix in package.parents:
        folder = prefix / "share" / "hetnet_ros" / "config"
        if folder.is_dir():
            return folder
    raise InputError(f"the installation of hetnet_ros at {package} lacks share/hetnet_ros/config; install it again")


def config_path(name: str) -> Path:
    """The file ``name`` below ``config``, such as ``presets/edge.yaml``.  Raises InputError if there is none."""
    path = config_folder() / name
    if not path.is_file():
        others = sorted(file.name for file in path.parent.glob("*" + path.suffix)) if path.parent.is_dir() else []
        hint = f"there are: {', '.join(others)}" if others else "see its config folder for what there is"
        raise InputError(f"hetnet_ros has no configuration file {name}; {hint}")
    return path


def installed_weights(model: str) -> Path | None:
    """Weights of the timm model ``model`` that came with the installation, as an offline bundle brings them; None if none did.

    They lie beside ``config`` in ``share/hetnet_ros/weights``, below a prefix of this package or of the running Python (a
    workspace of colcon's on top of a bundle): the same for every user, without a variable to set.
    """
    for prefix in (*Path(__file__).absolute().parents, Path(sys.prefix)):
        path = prefix / "share" / "hetnet_ros" / "weights" / f"{model}.safetensors"
        if path.is_file():
            return path
    return None


def cache_directory() -> Path:
    """``$HETNET_CACHE``, else ``$XDG_CACHE_HOME/hetnet_ros``, else ``~/.cache/hetnet_ros``; a folder of the user's own among the
    temporary files where the home is not known or no place to write, as for a container's user."""
    if os.environ.get("HETNET_CACHE"):
        return Path(os.environ["HETNET_CACHE"])
    try:
        folder = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "hetnet_ros"
    except RuntimeError:  # neither HOME nor an entry in the list of users
        return _temporary_cache()
    return folder if os.path.isdir(folder) or _may_be_made(folder) else _temporary_cache()


def _may_be_made(folder: Path) -> bool:
    there = next(path for path in folder.absolute().parents if os.path.exists(path))
    return os.path.isdir(there) and os.access(there, os.W_OK | os.X_OK)


@functools.cache
def _temporary_cache() -> Path:
    """The same for all processes of this user; another's folder of that name is not trusted with what is read as ours."""
    folder = Path(tempfile.gettempdir()) / f"hetnet_ros_{os.getuid()}"
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        found = folder.lstat()
        if stat.S_ISDIR(found.st_mode) and found.st_uid == os.getuid() and not found.st_mode & 0o022:
            return folder
        return Path(tempfile.mkdtemp(prefix="hetnet_ros_"))
    except OSError:
        return folder  # nothing can be written anywhere: whoever keeps something there is told so, or does without
