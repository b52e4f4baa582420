"""A signal ends a command even where Python drops the exception of its handler."""

import os
import signal
import subprocess
import sys

import pytest

from hetnet_ros.cli import interrupts
from hetnet_ros.cli.node_processes import NodeProcesses
from hetnet_ros.errors import Interrupted


class Dying:
    """Sends its process a signal from a destructor, which loses exceptions."""

    def __init__(self, number):
        self.number = number

    def __del__(self):
        os.kill(os.getpid(), self.number)
        for _ in range(1000):
            pass  # the handler runs here


@pytest.fixture
def watched():
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    interrupts.watch_sigint()
    yield
    signal.signal(signal.SIGINT, before)
    interrupts.watch_sigint()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=lambda number: number.name)
def test_a_signal_whose_exception_was_dropped_ends_the_wait_for_nodes(watched, tmp_path, number):
    with interrupts.sigterm_as_well(), NodeProcesses(tmp_path, dict(os.environ)) as nodes:
        nodes.check()
        Dying(number)
        with pytest.raises(Interrupted):
            nodes.check()


def test_a_signal_raises_at_once_and_is_forgotten_by_the_next_command(watched, tmp_path):
    with pytest.raises(Interrupted):
        signal.raise_signal(signal.SIGINT)
    interrupts.watch_sigint()
    interrupts.check()


def test_a_signal_that_the_parent_has_ignored_stays_ignored(watched):
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    interrupts.watch_sigint()
    signal.raise_signal(signal.SIGINT)
    interrupts.check()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=lambda number: number.name)
def test_a_held_signal_is_delivered_at_the_end(watched, number):
    done = []
    with interrupts.sigterm_as_well(), pytest.raises(Interrupted):
        with interrupts.held():
            os.kill(os.getpid(), number)
            done.append("all of it")
        done.append("what follows")
    assert done == ["all of it"]


ENDLESS = r"""
import signal, sys, tempfile, time, types
from hetnet_ros.cli import main as entry
signal.signal(signal.SIGINT, signal.default_int_handler)

def run(args):
    with tempfile.TemporaryDirectory(dir=sys.argv[1]):
        try:
            print('begun', flush=True)
            time.sleep(60)
        finally:  # a clean-up that takes a while
            print('ending', flush=True)
            time.sleep(0.3)

probe = types.ModuleType('probe')
probe.SUMMARY, probe.add_arguments, probe.run = 'probe', lambda parser: None, run
sys.modules['hetnet_ros.cli.probe_command'] = probe
entry.COMMANDS['probe'] = 'probe'
sys.exit(entry.main(['probe']))
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=lambda number: number.name)
def test_a_signal_or_two_end_any_command_with_its_clean_up_and_one_line(tmp_path, number):
    process = subprocess.Popen([sys.executable, "-c", ENDLESS, str(tmp_path)], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    try:
        for said in (b"begun\n", b"ending\n"):
            assert process.stdout.readline() == said
            process.send_signal(number)
        errors = process.communicate(timeout=60)[1]
    finally:
        process.kill()
    assert (process.returncode, errors) == (130, b"hetnet: interrupted\n") and not list(tmp_path.iterdir())


def test_a_second_signal_long_after_the_first_counts(watched, monkeypatch):
    with pytest.raises(Interrupted):
        signal.raise_signal(signal.SIGINT)
    signal.raise_signal(signal.SIGINT)
    monkeypatch.setattr(interrupts, "_SAME_SECONDS", 0.0)
    with pytest.raises(Interrupted):
        signal.raise_signal(signal.SIGINT)


def test_sigterm_that_the_parent_has_ignored_stays_ignored():
    before = signal.signal(signal.SIGTERM, signal.SIG_IGN)
    try:
        with interrupts.sigterm_as_well():
            signal.raise_signal(signal.SIGTERM)
    finally:
        signal.signal(signal.SIGTERM, before)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=lambda number: number.name)
def test_a_signal_leaves_teaching_with_a_checkpoint_and_nothing_half_written(weights_cache, tiny_data, tiny_preset, tmp_path, number):
    command = ["train", tiny_data, "-o", tmp_path / "disc.safetensors", "--preset", tiny_preset, "--steps", 100_000, "--device", "cpu"]
    process = subprocess.Popen([sys.executable, "-m", "hetnet_ros.cli.main", *map(str, command)], stderr=subprocess.PIPE,
                               preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler))
    try:
        said = b""
        while b"teaching" not in said:  # the progress bar of the steps
            part = os.read(process.stderr.fileno(), 4096)
            assert part, said.decode()
            said += part
        process.send_signal(number)
        errors = process.communicate(timeout=60)[1].decode()
    finally:
        process.kill()
    assert process.returncode == 130 and "repeat the command with --resume" in errors and "Traceback" not in errors
    assert [path.name for path in tmp_path.iterdir()] == ["disc.checkpoint.safetensors"]
