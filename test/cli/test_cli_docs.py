"""docs/cli.md documents every flag of every command, in that command's section, and none that does not exist."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from hetnet_ros.cli.main import COMMANDS, command_parser

DOCS = Path(__file__).resolve().parents[2] / "docs" / "cli.md"


def section(command: str) -> str:
    found = re.search(rf"^## hetnet {command}\n(.*?)(?=^## |\Z)", DOCS.read_text(), re.MULTILINE | re.DOTALL)
    assert found, f"docs/cli.md has no section 'hetnet {command}'"
    return found[1]


@pytest.mark.parametrize("command", COMMANDS)
def test_every_flag_is_documented_where_it_belongs(command):
    parser = command_parser(command)
    flags = {flag for action in parser._actions for flag in action.option_strings} - {"-h", "--help"}
    rows = [line for line in section(command).splitlines() if line.startswith("| `-")]
    documented = {flag for row in rows for flag in re.findall(r"`(--?[a-z-]+)`", row.split("|")[1])}
    assert documented == flags


@pytest.mark.parametrize("command", COMMANDS)
def test_the_overview_has_the_commands_summary(command):
    assert f"| [`{command}`](#hetnet-{command}) | {COMMANDS[command]} |" in DOCS.read_text()
