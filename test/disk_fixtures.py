"""A disk that is really full, for tests of what becomes of a file then."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest


@pytest.fixture
def small_disk(tmp_path_factory) -> Iterator[Callable[[int], Path]]:
    """Makes an empty disk of so many KiB, mounted for the test."""
    mounted: list[Path] = []

    def mount(kib: int) -> Path:
        folder = tmp_path_factory.mktemp("disk")
        done = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={kib}k", "tmpfs", str(folder)], capture_output=True, text=True) \
            if os.getuid() == 0 else None
        if done is None or done.returncode:
            pytest.skip("a disk of a test's own can be mounted by root alone, and not in every container")
        mounted.append(folder)
        return folder

    yield mount
    for folder in mounted:
        subprocess.run(["umount", "-l", str(folder)], check=False)


def fill(folder: Path, leave_kib: int = 0) -> None:
    """Take all the room on the disk of ``folder`` but so many KiB."""
    with (folder / "filler").open("wb", buffering=0) as file:
        try:
            while True:
                file.write(bytes(4096))
        except OSError:
            pass
    size = (folder / "filler").stat().st_size
    os.truncate(folder / "filler", max(0, size - 1024 * leave_kib))
