"""What the grid's benchmarks add to the evaluation: averages over models, JSON, the ablation's rows."""

from __future__ import annotations

import argparse
import dataclasses
import json

import cv2
import numpy as np
import pytest

from hetnet_ros.cell.dataset import Recipe, parse_conditions, write
from hetnet_ros.errors import InputError
from hetnet_ros.evaluation.condition_report import report_conditions
from hetnet_ros.evaluation.conditions import Conditions
from hetnet_ros.evaluation.datasets import open_dataset
from hetnet_ros.evaluation.msc_ad_grid import AXES, condition_of_stem
from hetnet_ros.evaluation.pixel_counts import count_pixels
from hetnet_ros.inspection.crop import Crop
from hetnet_ros.learning.preset import load_preset


@pytest.fixture
def benchmark(monkeypatch, source_root):
    """Imports a module of benchmarks/ by name, as a script there would."""
    folder = source_root / "benchmarks"
    if not folder.is_dir():
        pytest.skip("installed without the benchmarks")
    monkeypatch.syspath_prepend(str(folder))
    return __import__


def of_one_surface(surface: str, scale: float, swapped: bool):
    """A good and a defective image at each of two widths; where ``swapped``, the good one of width 150 scores higher."""
    scores, defective, counts, conditions = [], [], [], []
    for width in (150, 600):
        for bad in (False, True):
            mask = np.zeros((8, 8), bool)
            mask[2:4, 2:4] = bad
            conditions.append(condition_of_stem(f"{surface}_high_{width}_0000"))
            scores.append(scale * (2 - bad if swapped and width == 150 else 1 + bad))
            defective.append(bad)
            counts.append(count_pixels(scale * (1 + mask.astype(np.float32)), mask))
    return report_conditions(Conditions(AXES, tuple(conditions), "names"), scores, defective, counts)


def test_figures_of_several_models_are_averaged_and_never_pooled(benchmark):
    """The second model's scores are a hundred times the first one's: pooled, they would order the images by model."""
    grid = benchmark("grid")
    whole = grid.average([of_one_surface("front", 1.0, False), of_one_surface("back", 100.0, True)])
    values = grid.report_values(whole)
    assert list(values["rows"]) == ["resolution/150", "resolution/600", "illumination/high", "surface/front", "surface/back"]
    found = {name: row["image_auroc"] for name, row in values["rows"].items()}
    assert found["resolution/150"] == 0.5 and found["resolution/600"] == 1.0  # (1 + 0) / 2, (1 + 1) / 2
    assert found["surface/front"] == 1.0 and found["surface/back"] == 0.5  # 2 of back's 4 pairs, two ties counting half
    assert values["total"] == {"image_auroc": 0.75, "pixel_auroc": 1.0, "aupro": 1.0}
    assert {f"{row.axis}/{row.value}" for row in whole.rows if row.worst} == {"resolution/150", "surface/back"}
    assert [row.images for row in whole.rows] == [4, 4, 8, 4, 4] and whole.cell_count == 4
    json.dumps(values, allow_nan=False)


def test_conditions_prints_a_table_for_each_detector_and_says_when_peers_are_left_out(benchmark):
    conditions, report = benchmark("conditions"), of_one_surface("front", 1.0, True)
    costs = {"teach_s": 3.0, "peak_memory_mb": 900.0}
    results = {"preset": "edge", "image_size": 320, "steps": 5, "seeds": 1, "crop": "part", "models": "a model for each surface",
               "taught": ["high_200"],
               "counts": {"train": 1, "good": 1, "defects": 1}, "hetnet": costs, "patchcore": costs}
    alone = "\n".join(conditions.lines(results, {"hetnet": report}))
    assert "resolution 150" in alone and "worst" in alone and "peers left out: give --peers-python" in alone
    both = conditions.lines(results, {"patchcore": report, "hetnet": report})
    assert both.index("hetnet") < both.index("patchcore") and "left out" not in "\n".join(both)
    assert [line.split()[0] for line in both[-2:]] == ["hetnet", "patchcore"]
    assert "cropped to the part" in alone and "whole images" in conditions.lines({**results, "crop": "none"}, {"hetnet": report})[0]


def test_every_row_of_the_ablation_is_a_network_and_rows_in_both_tables_are_the_same(benchmark):
    ablation, preset = benchmark("ablation"), load_preset("edge")
    rows = {name: ablation.changed(preset, variant) for name, variant in (*ablation.MODULES.items(), *ablation.NOISE.items())}
    assert rows["full + memory"].network == preset.network and rows["full + memory"].training == preset.training
    assert rows["full"].network == dataclasses.replace(preset.network, place_memory=0, cnn_memory=0.0)
    assert [name for name, row in rows.items() if row.network.place_memory] == ["full + memory"]
    assert rows["lmgn"] == rows["full"] and rows["none"] == rows["+ ALGF"]
    assert len({repr(row) for row in rows.values()}) == 8
    assert not rows["Transformer only"].network.local_targets and not rows["CNN only"].network.global_target


def test_ablation_gives_mean_and_deviation_over_seeds_and_null_where_nothing_is_defined(benchmark):
    ablation = benchmark("ablation")
    report = of_one_surface("front", 1.0, False).total, of_one_surface("front", 1.0, True).total
    row = ablation.spread(list(report))
    assert row["mean"] == {"image_auroc": 0.75, "pixel_auroc": 1.0, "aupro": 1.0}
    assert row["std"] == {"image_auroc": 0.25, "pixel_auroc": 0.0, "aupro": 0.0}
    no_masks = ablation.Figures(report[0].image_auroc, *[type(report[0].aupro).undefined("no masks")] * 2)
    row = ablation.spread([no_masks])
    assert row["mean"]["aupro"] is None and row["std"]["aupro"] is None and row["mean"]["image_auroc"] == 1.0
    results = {"preset": "edge", "image_size": 320, "steps": 5, "seeds": 1, "data": "x", "crop": "none", "peak_memory_mb": 1.0,
               "modules": {"both": row}, "noise": {}}
    assert [line.split() for line in ablation.lines(results)][-1] == ["both", "100.00", "±", "0.00", "-", "-"]


@pytest.mark.parametrize("change, word", [({"faces": ["lid"]}, "'lid' is unknown"), ({"good": 3}, "multiple of the 7 kinds"),
                                          ({"train": 0}, "at least 1"), ({"taught": ["dusk"]}, "'dusk' is unknown")])
def test_a_grid_that_cannot_be_is_refused_before_anything_is_written(benchmark, tmp_path, change, word):
    args = argparse.Namespace(**{"faces": ["all"], "taught": ["mid_150"], "train": 1, "good": 2, "defects": 4, **change})
    with pytest.raises(InputError, match=word):
        benchmark("grid").write_grid(args, tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_peers_maps_are_raised_to_the_images_and_scored_against_their_masks(benchmark, tmp_path):
    """Maps that are the masks, shrunk to the peer's square, and scores that are the truth: nothing can be better."""
    for _ in write(Recipe(("front",), parse_conditions(["150"]), 0, 1, 1, size_scale=2.0), tmp_path / "set"):
        pass
    dataset, files, crop = open_dataset(tmp_path / "set"), [], Crop(0.1, 0.1, 0.8, 0.8)
    for index, image in enumerate(dataset.images):
        mask = image.mask((112, 150))
        small = (np.zeros((128, 128), np.float32) if mask is None
                 else cv2.resize(mask[11:101, 15:135].astype(np.float32), (128, 128)))
        files.append(tmp_path / f"{index}.npy")
        np.save(files[-1], small)
    report = benchmark("peer_evaluation").report_maps(dataset, [float(i.is_defective) for i in dataset.images], files, crop)
    assert [row.value for row in report.rows_on("illumination")] == ["high", "mid", "low"]
    assert report.total.image_auroc.value == 1.0 and report.total.pixel_auroc.value > 0.99 and report.total.aupro.value > 0.95
    assert not any(path.exists() for path in files)
