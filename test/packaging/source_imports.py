"""The imports of the source tree, read without running it."""

from __future__ import annotations

import ast
from pathlib import Path


def python_files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*.py") if "__pycache__" not in path.parts)


def imported_modules(file: Path) -> set[str]:
    """The full names of the modules and names that a file imports anywhere, inside functions and ``if`` blocks too.

    ``from a.b import c`` counts as ``a.b`` and ``a.b.c``, because ``c`` may be a module.
    """
    names = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"), str(file))):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}: a relative import; the project writes full names"
            names.add(node.module)
            names.update(f"{node.module}.{alias.name}" for alias in node.names)
    return names
