"""A recording's frames obey the policy of the running node: old, unstamped and early ones, and a network that fails."""

from __future__ import annotations

import json

import numpy as np
import pytest
from bag_fixtures import BEGIN, STEP, write_bag
from model_fixtures import made_up_part

from hetnet_ros.cli.main import main
from hetnet_ros.evaluation.replay.offline import replay_offline
from hetnet_ros.inspection.bags import choose_topics, open_bag
from hetnet_ros.inspection.part_inspector import PartInspector

SECOND = 1_000_000_000


def replayed(bag, model, target, *flags):
    """Each frame's verdict and reason."""
    assert main(["replay", str(bag), "--model", str(model), "--device", "cpu", "--json", str(target), *flags]) == 0
    return [(frame["verdict"], frame["reason"]) for frame in json.loads(target.read_text())["frames"]]


def test_stamps_are_held_against_the_time_of_recording(tiny_model, tmp_path):
    due = [BEGIN + index * STEP for index in range(4)]
    stamps = [due[0] - SECOND, due[1] - 3 * SECOND, 0, due[3] + SECOND]  # fresh, older than 2 s, none, 1 s ahead
    bag = write_bag(tmp_path / "bag", [made_up_part(index) for index in range(4)], stamps=stamps)
    refused = [("UNCERTAIN", reason) for reason in ("stale", "no_stamp", "stamp_in_future")]
    assert replayed(bag, tiny_model, tmp_path / "r.json") == [("PASS", ""), *refused]
    assert replayed(bag, tiny_model, tmp_path / "r.json", "--max-age", "4", "--max-clock-skew", "2") == [
        ("PASS", ""), ("PASS", ""), ("UNCERTAIN", "no_stamp"), ("PASS", "")]
    assert replayed(bag, tiny_model, tmp_path / "r.json", "--max-age", "0") == 4 * [("PASS", "")]


def test_a_network_that_fails_costs_its_frame_and_is_told_once(tiny_model, tmp_path, capsys):
    bag = open_bag(write_bag(tmp_path / "bag", [made_up_part(index) for index in range(3)]))
    inspector = PartInspector.load(tiny_model, "cpu")
    inspector.warm_up()

    def fail(*_):
        raise RuntimeError("could not execute a primitive")

    inspector.warm_up = lambda: inspector.runner.network.register_forward_pre_hook(fail)  # breaks once the replay begins
    run = replay_offline(inspector, bag, choose_topics(bag))
    assert [(frame.verdict.name, frame.reason) for frame in run.frames] == 3 * [("UNCERTAIN", "inference_failed")]
    assert all(np.isnan(frame.score) for frame in run.frames)
    assert capsys.readouterr().err.count("Traceback") == 1


@pytest.mark.parametrize("flags, said", [(["--max-age", "-1"], "--max-age is -1"), (["--frozen-after", "5000"], "--frozen-after"),
                                         (["--min-region-share", "0"], "use 0.001 to 1"),
                                         (["--max-clock-skew", "nan"], "--max-clock-skew is nan")])
def test_limits_out_of_range_are_one_line(labelled_bag, tiny_model, capsys, flags, said):
    assert main(["replay", str(labelled_bag), "--model", str(tiny_model), *flags]) == 2
    error = capsys.readouterr().err
    assert said in error and error.count("\n") == 1
