"""The planner's state machine: where parts end, and that no fault at any step ends in the good bin."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from hetnet_ros.inspection.keep_out import KeepOutBox
from hetnet_ros.inspection.result import Verdict
from hetnet_ros.planning.cell_config import ArmConfig, CameraView, CellConfig, Policy, Recipe, Stations, Target
from hetnet_ros.planning.hand import Hand
from hetnet_ros.planning.interfaces import InspectionFailed, KeepOut, MotionFailed, MustHalt, PartVerdict, ViewVerdict
from hetnet_ros.planning.outcome import Destination
from hetnet_ros.planning.part_cycle import PartCycle, State

ZONE = KeepOut("camera", KeepOutBox(np.zeros(3), np.eye(3), np.ones(3) / 100))


def cell(**policy) -> CellConfig:
    view = Target(view=CameraView())
    return CellConfig(
        ArmConfig("virtual_cell"),
        {"top": view, "side": view},
        Stations(*(Target(named=name) for name in ("pick", "good", "reject", "reinspect"))),
        {"lid": Recipe(("top", "side"), "lid")},
        policy=Policy(**policy),
    )


PASS, REJECT, UNCERTAIN = Verdict.PASS, Verdict.REJECT, Verdict.UNCERTAIN


def verdict(kind=PASS, reason="", views=("top", "side"), models="mm", zones=()) -> PartVerdict:
    return PartVerdict(kind, reason, "", tuple(ViewVerdict(v, PASS, "", m) for v, m in zip(views, models)), zones)


class Bench:
    """An arm and an inspector that note what they are asked; ``break_at`` makes calls number so and so fail.

    answer: the verdict, or what is raised in its place; over: the view after which no further one is needed.
    """

    def __init__(self, config, break_at=(), error=MotionFailed("motion_failed"), answer=None, over=""):
        self.config, self.break_at, self.error = config, set(break_at), error
        self.answer, self.over = answer or verdict(), over
        self.calls, self.places, self.states, self.zones = [], [], [], []
        self.held = config.policy.pick == "before_inspection"
        self.at = ""

    def run(self, number=0):
        cycle = PartCycle(
            self.config, self.config.recipe("lid"), self, self, lambda s: self.note("settle"), lambda s, _: self.states.append(s)
        )
        return cycle.run(number)

    def note(self, name):
        self.calls.append(name)
        if len(self.calls) - 1 in self.break_at:
            raise self.error

    def begin_part(self, number, timeout):
        self.abandoned = False
        self.note("begin")

    def move(self, target, timeout):
        self.note(f"move {target.named}")
        self.at = target.named

    def grasp(self, timeout):
        self.note("grasp")

    def release(self, timeout):
        self.note("release")
        self.places.append(self.at)

    def keep_out(self, zones, timeout):
        self.note("keep_out")
        self.zones = list(zones)

    def begin(self, part_id, viewpoints, stop_on_reject, limit):
        self.note("inspect")
        assert (part_id, tuple(viewpoints), stop_on_reject) == ("lid", ("top", "side"), self.config.policy.stop_on_reject)
        return self

    def look(self, viewpoint, timeout):
        self.note(f"look {viewpoint}")
        return viewpoint == self.over

    def verdict(self, timeout):
        self.note("verdict")
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer

    def abandon(self):
        self.abandoned = True


def test_a_part_that_passes_every_view_goes_to_the_good_bin():
    bench = Bench(cell())
    outcome = bench.run()
    assert outcome.destination is Destination.GOOD and bench.places == ["good"] and not outcome.fault
    assert bench.calls == ["begin", "inspect", "move ", "settle", "look top", "move ", "settle", "look side",
                           "verdict", "move pick", "grasp", "move good", "release"]
    assert bench.states[-1] is State.DONE


def test_with_the_part_in_the_gripper_it_is_picked_first():
    bench = Bench(cell(pick="before_inspection"))
    assert bench.run().destination is Destination.GOOD
    assert bench.calls[:3] == ["begin", "move pick", "grasp"] and bench.calls.count("grasp") == 1


def test_a_reject_ends_the_inspection_and_its_zones_are_kept_clear_of():
    bench = Bench(cell(), answer=verdict(REJECT, "anomaly", ("top",), zones=(ZONE,)), over="top")
    outcome = bench.run()
    assert outcome.destination is Destination.REJECT and outcome.decision.reason == "anomaly"
    assert "look side" not in bench.calls and bench.zones == [ZONE]
    assert bench.calls.index("keep_out") < bench.calls.index("move pick")


def test_zones_stay_out_of_the_scene_where_the_policy_says_so():
    bench = Bench(cell(keep_out=False), answer=verdict(REJECT, "anomaly", zones=(ZONE,)))
    assert bench.run().destination is Destination.REJECT and "keep_out" not in bench.calls


@pytest.mark.parametrize("side", ["reject", "reinspect"])
def test_uncertain_goes_to_the_side_of_the_policy(side):
    bench = Bench(cell(uncertain=side), answer=verdict(UNCERTAIN, "borderline"))
    outcome = bench.run()
    assert bench.places == [side] and outcome.decision.reason == "borderline"


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (InspectionFailed("inspector_lost"), "inspector_lost"),
        (InspectionFailed("inspection_timeout"), "inspection_timeout"),
        (InspectionFailed("malformed_result"), "malformed_result"),
        (verdict(views=("top",)), "view_missing"),
        (verdict(views=()), "view_missing"),
        (ValueError("a defect in a driver"), "planner_failed"),
    ],
)
def test_what_is_no_verdict_never_reads_as_a_pass(answer, reason):
    bench = Bench(cell(inspection_failed="reject"), answer=answer)
    outcome = bench.run()
    assert outcome.decision.reason == reason and bench.places and "good" not in bench.places
    assert isinstance(answer, PartVerdict) or bench.abandoned


@pytest.mark.parametrize(("models", "reason"), [("ww", ""), ("wm", "wrong_model"), ("mm", "wrong_model")])
def test_verdicts_of_another_model_than_the_recipes_do_not_count(models, reason):
    config = cell()
    recipe = Recipe(("top", "side"), "lid", model_id="w")
    config = CellConfig(config.arm, config.viewpoints, config.stations, {"lid": recipe})
    assert Bench(config, answer=verdict(models=models)).run().decision.reason == reason


FAULTS = [MotionFailed("motion_failed"), MotionFailed("motion_timeout"), InspectionFailed("inspector_lost"),
          RuntimeError("a defect in a driver")]
ALL_CALLS = len(["begin", "inspect", *["move", "settle", "look"] * 2, "verdict", "move", "grasp", "move", "release"])


@pytest.mark.parametrize("error", FAULTS, ids=str)
@pytest.mark.parametrize("order", ["after_inspection", "before_inspection"])
@pytest.mark.parametrize("count", [1, 2, 3])
def test_a_fault_at_any_step_keeps_a_perfect_part_out_of_the_good_bin(error, order, count):
    """Every step, alone and together with those after it; also a fault while a fault is being dealt with."""
    for first in range(ALL_CALLS):
        for others in itertools.combinations(range(first + 1, ALL_CALLS + 3), count - 1):
            bench = Bench(cell(pick=order), break_at=(first, *others), error=error)
            outcome = bench.run()
            assert "good" not in bench.places, (first, others, bench.calls)
            assert outcome.destination is not Destination.GOOD
            assert outcome.decision.reason or outcome.fault
            placed = {"reject": Destination.REJECT, "reinspect": Destination.REINSPECT}
            expected = placed[bench.places[-1]] if bench.places else Destination.NOT_PLACED
            assert outcome.destination is expected
            assert (bench.states[-1] is State.HALTED) == outcome.halted


def test_a_good_bin_out_of_reach_means_the_reinspect_fixture():
    bench = Bench(cell(), break_at=[11])
    outcome = bench.run()
    assert outcome.decision.destination is Destination.GOOD
    assert outcome.destination is Destination.REINSPECT and "motion_failed" in outcome.fault


def test_no_side_in_reach_halts_with_the_part_in_the_gripper():
    bench = Bench(cell(), break_at=[11, 12, 13])
    outcome = bench.run()
    assert outcome.halted and bench.calls[-3:] == ["move good", "move reinspect", "move reject"] and not bench.places


@pytest.mark.parametrize("order", ["after_inspection", "before_inspection"])
@pytest.mark.parametrize("answer", [verdict(), verdict(REJECT, "anomaly", zones=(ZONE,)), verdict(UNCERTAIN, "borderline")])
def test_where_two_would_act_or_answer_nothing_is_moved_any_more(answer, order):
    """At any step: the step itself is the last one, the part is nowhere, and a PASS from one of two counts for nothing."""
    plain = Bench(cell(pick=order), answer=answer)
    plain.run()
    for step in range(len(plain.calls)):
        bench = Bench(cell(pick=order), break_at=[step], error=MustHalt("two_servers", "2 servers"), answer=answer)
        outcome = bench.run()
        assert outcome.halted and bench.states[-1] is State.HALTED and not bench.places and len(bench.calls) == step + 1
        assert "2 servers" in outcome.fault and outcome.decision.destination is not Destination.GOOD
        if "verdict" in bench.calls[:-1] and answer.verdict is REJECT:
            assert outcome.decision.destination is Destination.REJECT  # whoever said so, it is the safe side


@pytest.mark.parametrize("allowed", [0, 1, 2])
def test_the_guard_stands_before_the_part_and_before_the_good_bin(allowed):
    """It is asked three times: before the part is begun, before the way to the good bin, and before the gripper opens."""
    asked = []

    def guard():
        asked.append(None)
        if len(asked) > allowed:
            raise MustHalt("two_planners")

    bench = Bench(cell())
    cycle = PartCycle(bench.config, bench.config.recipe("lid"), bench, bench, lambda s: None, lambda s, _: None, guard)
    outcome = cycle.run(0)
    assert outcome.halted and not bench.places and outcome.decision.reason == "two_planners"
    assert bench.calls[-1:] == [[], ["grasp"], ["move good"]][allowed]


class Arm(Bench):
    """holds: what it tells of its hand, or what it raises."""

    def __init__(self, holds, **options):
        super().__init__(cell(), **options)
        self.holds = holds

    def holding(self, timeout):
        if isinstance(self.holds, Exception):
            raise self.holds
        return self.holds


@pytest.mark.parametrize("holds", [True, None, MustHalt("two_servers"), MotionFailed("motion_failed"), ValueError("driver")])
def test_only_an_arm_that_says_so_holds_nothing(holds):
    arm = Arm(holds)
    assert Hand(arm, arm.config).doubt()
    assert not Hand(Arm(False), arm.config).doubt()
    assert Hand(Bench(cell()), arm.config).doubt()  # a driver from before the question


def test_a_part_in_hand_is_put_to_the_reinspect_side_or_stays_there():
    arm = Arm(True)
    assert not Hand(arm, arm.config).put_away() and arm.places == ["reinspect"]
    for step in (0, 1):
        arm = Arm(True, break_at=[step])
        assert "motion_failed" in Hand(arm, arm.config).put_away() and not (step == 0 and arm.places)
