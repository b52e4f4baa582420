"""The front door: every mistake is one line and exit code 2, and nothing heavy is loaded before it is needed."""

from __future__ import annotations

import os
import subprocess
import sys
import types

import pytest

from hetnet_ros import __version__
from hetnet_ros.cli.main import COMMANDS, command_parser, main
from hetnet_ros.errors import InputError


@pytest.fixture
def command(monkeypatch):
    """Registers a command ``probe`` that runs the function it is given."""

    def register(run):
        module = types.ModuleType("hetnet_ros.cli.probe_command")
        module.SUMMARY = "probe"
        module.add_arguments = lambda parser: parser.add_argument("--level", type=int)
        module.run = run
        monkeypatch.setitem(sys.modules, module.__name__, module)
        monkeypatch.setitem(COMMANDS, "probe", module.SUMMARY)

    return register


def one_error_line(capsys) -> str:
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("hetnet: error: ") and err.count("\n") == 1
    return err


def test_help_lists_every_command_with_its_summary(capsys):
    for argv in ([], ["--help"], ["-h"]):
        assert main(argv) == 0
        out = capsys.readouterr().out
        assert all(name in out and summary in out for name, summary in COMMANDS.items())


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_says_what_the_list_says(name, capsys):
    assert command_parser(name).description == COMMANDS[name]
    assert main([name, "--help"]) == 0
    assert f"usage: hetnet {name}" in capsys.readouterr().out


def test_version(capsys):
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"hetnet {__version__}\n"


def test_a_mistyped_command_gets_a_suggestion(capsys):
    assert main(["evalute"]) == 2
    assert "there is no command 'evalute'; did you mean 'evaluate'?" in one_error_line(capsys)
    assert main(["xyzzy"]) == 2
    assert "the commands are train, calibrate, evaluate" in one_error_line(capsys)


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["evaluate"], "required: MODEL, DATA; see 'hetnet evaluate --help'"),
        (["evaluate", "m", "d", "--reprot", "x"], "unrecognized arguments: --reprot x"),
        (["evaluate", "m", "d", "--rep", "x"], "unrecognized arguments: --rep x"),  # no abbreviations: they break later
        (["predict", "m", "i.png"], "required: -o/--output"),
        (["--verbose"], "unrecognized arguments: --verbose; see 'hetnet --help'"),
    ],
)
def test_wrong_usage_is_one_line_and_exit_code_2(capsys, argv, message):
    assert main(argv) == 2
    assert message in one_error_line(capsys)


def test_an_input_error_is_one_line_even_if_its_text_has_several(command, capsys):
    def run(args):
        raise InputError("part.png is bad\n  on two lines")

    command(run)
    assert main(["probe"]) == 2
    assert one_error_line(capsys) == "hetnet: error: part.png is bad on two lines\n"


def test_the_commands_exit_code_and_arguments_are_passed_through(command):
    command(lambda args: args.level)
    assert main(["probe", "--level", "0"]) == 0
    assert main(["probe", "--level", "3"]) == 3


def test_an_interrupt_is_one_line_and_exit_code_130(command, capsys):
    def run(args):
        raise KeyboardInterrupt

    command(run)
    assert main(["probe"]) == 130
    assert capsys.readouterr().err == "hetnet: interrupted\n"


def test_a_current_directory_that_was_removed_is_one_line(command, capsys, monkeypatch, tmp_path):
    command(lambda args: 0)
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    assert main(["probe"]) == 2
    assert "change to another one" in one_error_line(capsys)


def test_our_own_defects_keep_their_traceback(command):
    def run(args):
        raise ZeroDivisionError("ours")

    command(run)
    with pytest.raises(ZeroDivisionError, match="ours"):
        main(["probe"])


def test_help_and_wrong_flags_load_neither_torch_nor_ros_nor_opencv():
    code = (
        "import sys; from hetnet_ros.cli.main import main; main(['--help']); main(['evaluate', '--bogus']);"
        "print([m for m in ('torch', 'rclpy', 'cv2', 'numpy') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_a_reader_that_goes_away_causes_no_traceback():
    code = (
        "import sys, types; import hetnet_ros.cli.main as m\n"
        "def run(args):\n"
        "    for _ in range(100000): print('x' * 100)\n"
        "    return 0\n"
        "probe = types.SimpleNamespace(SUMMARY='', add_arguments=lambda p: None, run=run)\n"
        "sys.modules['hetnet_ros.cli.probe_command'] = probe; m.COMMANDS['probe'] = ''\n"
        "sys.exit(m.main(['probe']))"
    )
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    process.stdout.readline()
    process.stdout.close()
    assert process.stderr.read() == b""
    assert process.wait() == 141


def test_what_the_operating_system_refuses_is_one_line_wherever_it_does(command, capsys, tmp_path):
    tried = {
        lambda: (tmp_path / ("n" * 300)).stat(): "cannot be used (its name is too long)",
        lambda: open(tmp_path): f"{tmp_path} cannot be used (Is a directory)",
        lambda: open("/dev/full", "w").write("x" * 10**6): "cannot be used (the disk is full)",
    }
    for action, words in tried.items():
        command(lambda args, action=action: action())
        assert main(["probe"]) == 2
        assert words in one_error_line(capsys)
    command(lambda args: open(tmp_path / "absent"))  # nobody looked for it: a defect of ours, which keeps its traceback
    with pytest.raises(FileNotFoundError):
        main(["probe"])


PROBE = r"""
import os, sys, types
from hetnet_ros.cli import main as entry
from hetnet_ros.errors import InputError
name = os.fsdecode(b'caf\xe9')

def run(args):
    print('about', name)
    if sys.argv[1:]:
        raise InputError('no ' + name)
    return 0

probe = types.ModuleType('probe')
probe.SUMMARY, probe.add_arguments, probe.run = 'probe', lambda parser: None, run
sys.modules['hetnet_ros.cli.probe_command'] = probe
entry.COMMANDS['probe'] = 'probe'
sys.exit(entry.main(['probe']))
"""


def test_a_name_that_is_not_utf8_can_be_printed_and_complained_of():
    done = subprocess.run([sys.executable, "-c", PROBE, "fail"], capture_output=True, timeout=60)
    assert (done.returncode, done.stdout, done.stderr) == (2, rb"about caf\udce9" + b"\n", rb"hetnet: error: no caf\xe9" + b"\n")


def test_an_output_that_takes_no_more_is_one_line():
    with open("/dev/full", "w") as full:
        done = subprocess.run([sys.executable, "-c", PROBE], stdout=full, stderr=subprocess.PIPE, timeout=60)
    assert done.returncode == 2 and done.stderr.count(b"\n") == 1 and b"the disk is full" in done.stderr


@pytest.mark.parametrize("words, code", [("--help", 2), ("sign --help", 2), ("--version", 2), ("bogus", 2)])
@pytest.mark.parametrize("full", [">/dev/full", ">/dev/full 2>/dev/full", "2>/dev/full"])
def test_an_output_that_takes_no_more_is_never_success(words, code, full):
    """Neither with the text in Python's buffer, nor where the line about it goes nowhere either."""
    done = subprocess.run(["sh", "-c", f'"$0" -m hetnet_ros.cli.main {words} {full}', sys.executable], capture_output=True, timeout=60)
    assert done.returncode == (code if "bogus" in words or full != "2>/dev/full" else 0)
    assert done.stderr.count(b"\n") == (0 if "2>" in full else 1)


def test_a_mistake_is_one_line_and_its_code_where_the_output_takes_no_more():
    with open("/dev/full", "w") as full:
        done = subprocess.run([sys.executable, "-c", PROBE, "fail"], stdout=full, stderr=subprocess.PIPE, timeout=60,
                              env={**os.environ, "PYTHONUNBUFFERED": ""})  # else the first line is refused before the mistake is found
    assert (done.returncode, done.stderr) == (2, rb"hetnet: error: no caf\xe9" + b"\n")


@pytest.mark.parametrize("closed", [">&-", "2>&-", "<&- >&- 2>&-"])
def test_closed_streams_are_no_place_for_output_and_no_defect(tmp_path, closed):
    """The next file to be opened would get the number of a stream that is closed."""
    pytest.importorskip("cryptography")
    done = subprocess.run(["sh", "-c", f'exec "$0" -m hetnet_ros.cli.main sign --new-key key {closed}', sys.executable], cwd=tmp_path,
                          capture_output=True, text=True)
    assert done.returncode == 0 and "Traceback" not in done.stderr
    assert (tmp_path / "key").read_bytes().startswith(b"-----BEGIN PRIVATE KEY-----") and (tmp_path / "key.pub").exists()
