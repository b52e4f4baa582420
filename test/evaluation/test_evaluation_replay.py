"""A replay's figures against numbers worked out by hand, its result file, its comparison and its command."""

from __future__ import annotations

import dataclasses
import json
import math
import shutil

import numpy as np
import pytest
from bag_fixtures import BEGIN, STEP, write_bag, write_label_file
from model_fixtures import made_up_part
from scipy.stats import beta

from hetnet_ros.cli.main import main
from hetnet_ros.errors import InputError
from hetnet_ros.evaluation.conditions import Condition
from hetnet_ros.evaluation.replay.compare import compare, load_result, parse_gate
from hetnet_ros.evaluation.replay.drift import change_points, make_series
from hetnet_ros.evaluation.replay.json_file import to_json
from hetnet_ros.evaluation.replay.outcome import FrameOutcome, ReplayRun
from hetnet_ros.evaluation.replay.rates import Rate
from hetnet_ros.evaluation.replay.result import measure
from hetnet_ros.inspection.result import Thresholds, Verdict


def outcome(index: int, label: str, verdict: Verdict, score: float, light: str = "mid", **rest) -> FrameOutcome:
    return FrameOutcome(index, "/image", BEGIN + index * STEP, BEGIN + index * STEP, verdict, "", score, score, 0.5, 0,
                        label, f"part_{index // 2}", Condition((("light", light),)), brightness=0.5, total=10.0, **rest)


def run_of(*frames: FrameOutcome, **rest) -> ReplayRun:
    return ReplayRun("demo.mcap", ("/image",), "demo.labels.json", "offline", "0123", "disc", "edge", "cpu",
                     Thresholds(0.3), frames, {}, 2.0, axes=("light",), **rest)


FRAMES = (
    outcome(0, "good", Verdict.PASS, 0.1, "high"),
    outcome(1, "good", Verdict.PASS, 0.2, "high"),
    outcome(2, "good", Verdict.REJECT, 0.6, "low"),
    outcome(3, "good", Verdict.UNCERTAIN, 0.4, "low"),
    outcome(4, "dent", Verdict.REJECT, 0.9, "high"),
    outcome(5, "dent", Verdict.REJECT, 0.7, "low"),
    outcome(6, "dent", Verdict.PASS, 0.15, "low"),
    outcome(7, "", Verdict.REJECT, 0.95, "high"),
)


def test_rates_and_f1_are_those_counted_by_hand():
    result = measure(run_of(*FRAMES))
    rates = result.rates
    assert (rates.false_pass.count, rates.false_pass.of) == (1, 3) and rates.false_pass.value == pytest.approx(1 / 3)
    assert (rates.false_reject.count, rates.false_reject.of) == (1, 4)
    assert (rates.good_uncertain.count, rates.defective_uncertain.count) == (1, 0)
    assert result.f1_reject.value == pytest.approx(2 * 2 / (3 + 3))  # 2 hits, 3 rejected, 3 defective
    assert result.f1_accept.value == pytest.approx(2 * 2 / (4 + 3))
    assert result.labelled == 7
    # Pairs of good and defective in which the defective one scores higher: 0.9 and 0.7 beat all 4, 0.15 beats one.
    assert result.figures.image_auroc.value == pytest.approx(9 / 12)
    low = next(row for row in result.by_condition if row.value == "low")
    assert (low.rates.false_pass.count, low.rates.false_pass.of) == (1, 2)


def test_intervals_hold_zero_errors_and_bracket_the_exact_ones():
    none = Rate.of_counts(0, 20)
    assert none.low == 0 and 0.1 < none.high < 0.2
    some = Rate.of_counts(3, 30)
    exact = beta.ppf([0.025, 0.975], [3, 4], [28, 27])
    assert some.low < 0.1 < some.high and np.allclose([some.low, some.high], exact, atol=0.03)
    assert not Rate.of_counts(0, 0).defined


def test_the_recorded_rate_counts_frames_that_got_no_verdict():
    stamps = [BEGIN + index * STEP for index in (0, 1, 2, 3, 2, 5)]
    run = run_of(FRAMES[0], FRAMES[3], played=tuple(("/image", index, stamp) for index, stamp in enumerate(stamps)))
    timing = measure(run).timing
    assert timing.bag_rate_hz == pytest.approx(10) and timing.backward_stamps == 1
    assert measure(run_of(FRAMES[0], FRAMES[3])).timing.bag_rate_hz == pytest.approx(10 / 3)


def test_frames_without_a_verdict_were_read_as_well():
    played = tuple(("/image", index, BEGIN + index * STEP) for index in range(6))
    assert run_of(FRAMES[0], FRAMES[3], played=played).read == played
    assert run_of(FRAMES[0], FRAMES[3]).read == (played[0], played[3])


def test_nothing_labelled_and_nothing_at_all_are_results_too():
    bare = measure(run_of(dataclasses.replace(FRAMES[0], label="")))
    assert not bare.figures.image_auroc.defined and not bare.rates.false_pass.defined
    empty = to_json(measure(run_of()))
    assert empty["counts"]["frames"] == 0 and json.dumps(empty, allow_nan=False)


def test_a_frame_without_a_score_is_uncertain_and_not_in_the_auroc():
    broken = outcome(9, "dent", Verdict.UNCERTAIN, math.nan, "high")
    result = measure(run_of(*FRAMES, broken))
    assert result.unscored == 1 and result.figures.image_auroc.value == pytest.approx(9 / 12)
    assert result.rates.defective_uncertain.count == 1


def test_jumps_are_found_where_they_are_and_noise_has_none():
    rng = np.random.default_rng(3)
    assert change_points(rng.normal(0, 1, 300)) == []
    values = np.concatenate([rng.normal(0, 1, 120), rng.normal(4, 1, 180)])
    assert change_points(values) == [120]
    series = make_series("brightness", np.arange(3000) / 10, np.repeat([0.5, 0.2], 1500) + rng.normal(0, 0.01, 3000))
    assert len(series.values) == 400 and len(series.changes) == 1
    change = series.changes[0]
    assert change.seconds == pytest.approx(150, abs=1) and change.before == pytest.approx(0.5, abs=0.01)
    assert change.after == pytest.approx(0.2, abs=0.01)


def result_file(path, *frames, **rest):
    path.write_text(json.dumps(to_json(measure(run_of(*frames, **rest)))))
    return load_result(path)


def test_a_result_compared_with_itself_is_equal(tmp_path):
    one = result_file(tmp_path / "a.json", *FRAMES)
    comparison = compare(one, one)
    assert comparison.changed == () and all(d.change == 0 and not d.significant for d in comparison.differences)
    assert comparison.by_part and comparison.units == 4


def test_a_clear_change_is_significant_and_a_slight_one_is_not(tmp_path):
    rng = np.random.default_rng(0)
    frames = [outcome(i, "dent" if i % 4 > 1 else "good", Verdict.PASS, float(rng.random())) for i in range(200)]
    cured = [dataclasses.replace(f, verdict=Verdict.REJECT, score=2.0, raw_score=2.0) if f.is_defective else f
             for f in frames]
    slight = [dataclasses.replace(f, verdict=Verdict.REJECT) if f.index == 2 else f for f in frames]
    before = result_file(tmp_path / "a.json", *frames)
    clear = {d.name: d for d in compare(before, result_file(tmp_path / "b.json", *cured)).differences}
    assert clear["false_pass"].change == -1 and clear["false_pass"].significant and clear["false_pass"].better
    assert clear["image_auroc"].significant and clear["image_auroc"].better
    comparison = compare(before, result_file(tmp_path / "c.json", *slight))
    little = {d.name: d for d in comparison.differences}
    assert little["false_pass"].change < 0 and not little["false_pass"].significant
    assert [frame.index for frame in comparison.changed] == [2]


def test_different_recordings_or_labels_are_not_compared(tmp_path):
    one = result_file(tmp_path / "a.json", *FRAMES)
    for change in ({"stamp_ns": 5}, {"label": "crack"}):
        frames = (*FRAMES[:4], dataclasses.replace(FRAMES[4], **change))
        with pytest.raises(InputError, match="frame 4 of /image"):
            compare(one, result_file(tmp_path / "b.json", *frames))
    with pytest.raises(InputError, match="no frame in common"):
        compare(one, result_file(tmp_path / "b.json", dataclasses.replace(FRAMES[0], topic="/other")))


@pytest.mark.parametrize(
    ("gate", "code"),
    [("false_pass>0.5", 0), ("false_pass>0.3", 1), ("delta:false_pass>0", 0), ("image_auroc<0.9", 1), ("uncertain>=0.2", 0)],
)
def test_gates_decide_the_exit_code(tmp_path, capsys, gate, code):
    result_file(tmp_path / "a.json", *FRAMES)
    path = str(tmp_path / "a.json")
    assert main(["compare", path, path, "--fail-if", gate, "--json", str(tmp_path / "c.json")]) == code
    assert ("FAILED" in capsys.readouterr().out) == bool(code)
    written = json.loads((tmp_path / "c.json").read_text())
    assert written["format"] == "hetnet-comparison-1" and written["failed"] == ([gate] if code else [])


def test_a_gate_on_what_is_not_defined_fails(tmp_path):
    good = result_file(tmp_path / "a.json", *FRAMES[:3])
    assert parse_gate("false_pass>0.5").fails(compare(good, good))


@pytest.mark.parametrize("text", ["false_pass", "nonsense>1", "false_pass=1", "false_pass>x", ""])
def test_a_gate_that_cannot_be_read_is_one_line(tmp_path, capsys, text):
    assert main(["compare", "a.json", "b.json", "--fail-if", text]) == 2
    assert "--fail-if" in capsys.readouterr().err


@pytest.mark.parametrize("text", ["", "{}", "[1]", '{"format": "hetnet-replay-1"}', '{"format": "hetnet-replay-1", "frames": [{}]}'])
def test_what_is_no_result_is_one_line(tmp_path, capsys, text):
    (tmp_path / "a.json").write_text(text)
    assert main(["compare", str(tmp_path / "a.json"), str(tmp_path / "a.json")]) == 2
    assert capsys.readouterr().err.count("\n") == 1


# ---- the command ---------------------------------------------------------------------------------------------------------


def test_the_command_measures_a_labelled_bag(labelled_bag, tiny_model, tmp_path, capsys):
    target, report = tmp_path / "r.json", tmp_path / "r.html"
    argv = ["replay", str(labelled_bag), "--model", str(tiny_model), "--json", str(target), "--report", str(report)]
    assert main([*argv, "--device", "cpu"]) == 0
    out = capsys.readouterr().out
    assert "24 frames, 24 labelled" in out and "false PASS" in out and "illumination high" in out
    result = json.loads(target.read_text())
    assert result["format"] == "hetnet-replay-1" and result["complete"] is True and result["mode"] == "offline"
    detection = result["detection"]
    assert detection["image_auroc"] > 0.9 and detection["pixel_auroc"] > 0.7 and 0 < detection["aupro"] <= 1
    assert detection["false_pass"]["of"] == 12 and detection["false_reject"]["of"] == 12
    assert {row["value"] for row in detection["by_condition"]} == {"high", "low"}
    assert [frame["index"] for frame in result["frames"]] == list(range(24))
    assert all(frame["milliseconds"]["inference"] > 0 for frame in result["frames"])
    assert report.read_text().count('class="card"') == 24


def test_the_pixel_figures_are_those_of_hetnet_evaluate(labelled_bag, tiny_model, tmp_path):
    """The same frames as image files give the same figures."""
    import cv2

    from hetnet_ros.evaluation.replay.label_files import read_labels

    labels = read_labels(labelled_bag.with_name("disc.labels.json"))
    for index in range(24):
        label = labels.find(index, 0)
        folder = tmp_path / "set" / "test" / label.label
        folder.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(folder / f"{index:03d}.png"), made_up_part(300 + index, label.is_defective)[:, :, ::-1])
        if label.is_defective:
            masks = tmp_path / "set" / "ground_truth" / label.label
            masks.mkdir(parents=True, exist_ok=True)
            shutil.copy(label.mask_path, masks / f"{index:03d}_mask.png")
    for name, argv in (("r", ["replay", str(labelled_bag), "--model", str(tiny_model)]),
                       ("e", ["evaluate", str(tiny_model), str(tmp_path / "set")])):
        assert main([*argv, "--device", "cpu", "--json", str(tmp_path / f"{name}.json")]) == 0
    replay, evaluation = (json.loads((tmp_path / f"{name}.json").read_text()) for name in "re")
    for figure in ("image_auroc", "pixel_auroc", "aupro"):
        assert replay["detection"][figure] == pytest.approx(evaluation[figure], abs=1e-9)


def test_ctrl_c_leaves_a_valid_partial_result(labelled_bag, tiny_model, tmp_path, capsys, monkeypatch):
    from hetnet_ros.evaluation.replay import offline

    def interrupted(bag, topics, real=offline.image_frames):
        for count, frame in enumerate(real(bag, topics)):
            if count == 5:
                raise KeyboardInterrupt
            yield frame

    monkeypatch.setattr(offline, "image_frames", interrupted)
    target, report = tmp_path / "r.json", tmp_path / "r.html"
    argv = ["replay", str(labelled_bag), "--model", str(tiny_model), "--json", str(target), "--report", str(report)]
    assert main(argv) == 130
    result = json.loads(target.read_text())
    assert result["complete"] is False and result["stopped"] == "interrupted after 5 frames"
    assert len(result["frames"]) == 5 and "Partial result" in report.read_text()
    assert "PARTIAL" in capsys.readouterr().out


def test_a_bag_without_labels_is_timed_and_without_frames_refused(tiny_model, tmp_path, capsys):
    write_bag(tmp_path / "plain", [made_up_part(0)] * 3, packed_images=True)
    assert main(["replay", str(tmp_path / "plain"), "--model", str(tiny_model)]) == 0
    assert "no labels: detection is not measured" in capsys.readouterr().out
    write_bag(tmp_path / "empty", [])
    assert main(["replay", str(tmp_path / "empty"), "--model", str(tiny_model)]) == 2
    assert "no frame of /camera/image_raw" in capsys.readouterr().err


def test_labels_that_reach_beyond_the_recording_are_a_warning(tiny_model, tmp_path, capsys):
    write_bag(tmp_path / "short", [made_up_part(i) for i in range(3)])
    (tmp_path / "short.labels.csv").write_text("frame,label\n0-1,good\n2-7,dent\n")
    assert main(["replay", str(tmp_path / "short"), "--model", str(tiny_model)]) == 0
    assert "warning: 1 of 2 labels" in (out := capsys.readouterr().out) and "such as frame 2-7" in out
    assert main(["replay", str(tmp_path / "short"), "--model", str(tiny_model), "--frames", "2"]) == 0
    assert "warning" not in capsys.readouterr().out


def test_several_cameras_are_an_axis_of_the_conditions(tiny_model, tmp_path, capsys):
    write_bag(tmp_path / "two", [made_up_part(i) for i in range(4)], topics=("/left/image", "/right/image"))
    write_label_file(tmp_path / "two.labels.json", ["good"] * 4)
    argv = ["replay", str(tmp_path / "two"), "--model", str(tiny_model), "--topic", "/left/image", "--topic", "/right/image"]
    assert main([*argv, "--json", str(tmp_path / "r.json")]) == 0
    result = json.loads((tmp_path / "r.json").read_text())
    assert len(result["frames"]) == 8 and {f["condition"]["topic"] for f in result["frames"]} == {"/left/image", "/right/image"}


def test_a_region_outside_the_image_and_a_damaged_frame_are_uncertain(tiny_model, tmp_path):
    write_bag(tmp_path / "b", [made_up_part(0), made_up_part(0)[:40, :40]])
    assert main(["replay", str(tmp_path / "b"), "--model", str(tiny_model), "--roi", "20", "20", "60", "60", "--json",
                 str(tmp_path / "r.json")]) == 0
    frames = json.loads((tmp_path / "r.json").read_text())["frames"]
    assert frames[0]["score"] is not None
    assert (frames[1]["verdict"], frames[1]["reason"]) == ("UNCERTAIN", "roi_outside_image")


def test_a_cut_bag_gives_a_result_that_says_what_was_lost(labelled_bag, tiny_model, tmp_path, capsys):
    from bag_fixtures import write_chunked_mcap

    path = write_chunked_mcap(tmp_path / "cut.mcap", [made_up_part(i) for i in range(20)])
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    assert main(["replay", str(path), "--model", str(tiny_model), "--json", str(tmp_path / "r.json")]) == 0
    losses = json.loads((tmp_path / "r.json").read_text())["bag"]["losses"]
    assert any("cut short" in loss for loss in losses) and "lost: " in capsys.readouterr().out


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--rate", "2"], "--rate belongs to --live"),
        (["--live", "--rate", "0"], "--rate is 0"),
        (["--frames", "0"], "--frames is 0"),
        (["--roi", "0", "0", "5", "5"], "--roi is 0 0 5 5"),
        (["--topic", "/none"], "/none is not in the bag"),
        (["--labels", "none.csv"], "does not exist"),
    ],
)
def test_mistakes_are_one_line(labelled_bag, tiny_model, capsys, flags, words):
    assert main(["replay", str(labelled_bag), "--model", str(tiny_model), *flags]) == 2
    said = capsys.readouterr().err
    assert words in said and said.count("\n") == 1
