"""A real model over a real data set on disk: the maps, the figures and the files that come of it agree."""

from __future__ import annotations

import json
import re
import shutil

import numpy as np
import pytest
from PIL import Image
from sklearn.metrics import roc_auc_score

from hetnet_ros.errors import InputError
from hetnet_ros.evaluation.condition_sources import find_conditions
from hetnet_ros.evaluation.condition_table import condition_table
from hetnet_ros.evaluation.datasets import open_dataset
from hetnet_ros.evaluation.evaluator import evaluate
from hetnet_ros.evaluation.gallery import worst_false_alarms, worst_misses
from hetnet_ros.evaluation.json_file import to_json, write_json
from hetnet_ros.evaluation.report import report_html
from hetnet_ros.evaluation.table import remarks, text_table
from hetnet_ros.inspection.image_files import read_mask
from hetnet_ros.inspection.part_inspector import PartInspector
from hetnet_ros.inspection.result import Verdict


@pytest.fixture(scope="module")
def inspector(tiny_model) -> PartInspector:
    return PartInspector.load(tiny_model, device="cpu")


@pytest.fixture(scope="module")
def evaluation(inspector, tiny_data, tmp_path_factory):
    """The result, the data set and the folder of maps."""
    maps = tmp_path_factory.mktemp("maps")
    dataset = open_dataset(tiny_data)
    return evaluate(inspector, dataset, maps_folder=maps), dataset, maps


def test_maps_are_raw_float32_at_the_stored_size_one_per_image(evaluation):
    result, dataset, maps = evaluation
    assert sorted(file.relative_to(maps).as_posix() for file in maps.rglob("*.npy")) == sorted(
        f"{image.name}.npy" for image in dataset.images
    )
    for image, outcome in zip(dataset.images, result.images):
        raw = np.load(maps / f"{image.name}.npy", allow_pickle=False)
        assert raw.dtype == np.float32 and raw.shape == Image.open(image.path).size[::-1]
        # Not normalised per image: the peak is the raw score, but for the resampling to the image's size.
        assert raw.max() == pytest.approx(outcome.raw_score, rel=0.05)


def test_the_figures_are_those_of_the_maps_written(evaluation):
    result, dataset, maps = evaluation
    raw = [np.load(maps / f"{image.name}.npy") for image in dataset.images]
    masks = [
        read_mask(image.mask_paths[0]) if image.mask_paths else np.zeros(values.shape, bool)
        for image, values in zip(dataset.images, raw)
    ]
    expected = roc_auc_score(np.concatenate([m.ravel() for m in masks]), np.concatenate([m.ravel() for m in raw]))
    assert result.total.pixel_auroc.value == pytest.approx(expected, abs=1e-4)
    scores = [outcome.raw_score for outcome in result.images]
    expected = roc_auc_score([image.is_defective for image in dataset.images], scores)
    assert result.total.image_auroc.value == pytest.approx(expected)
    assert result.total.regions == 6  # one cross on each of the six defective images
    assert 0 < result.total.aupro.value <= 1


def test_verdicts_are_counted_by_truth(evaluation):
    result, _, _ = evaluation
    assert (result.total.good.total, result.total.defective.total) == (6, 6)
    rejected = sum(outcome.verdict is Verdict.REJECT for outcome in result.images if outcome.is_defective)
    assert result.total.defective.rejected == rejected
    (cross,) = result.types
    assert cross.name == "cross" and cross.defective == result.total.defective and cross.aupro == result.total.aupro


def test_json_holds_every_figure_and_reads_back(evaluation, tmp_path):
    result, _, _ = evaluation
    write_json(tmp_path / "out.json", result)
    document = json.loads((tmp_path / "out.json").read_text())
    for key, metric in (
        ("image_auroc", result.total.image_auroc),
        ("pixel_auroc", result.total.pixel_auroc),
        ("aupro", result.total.aupro),
    ):
        assert document[key] == metric.value and 0 <= document[key] <= 1
        assert set(document["types"]) == {"cross"} and 0 <= document["types"]["cross"][key] <= 1
    counts = document["counts"]
    assert (counts["images"], counts["good"], counts["defective"], counts["regions"]) == (12, 6, 6, 6)
    assert sum(counts["good_verdicts"].values()) == 6 and sum(counts["defective_verdicts"].values()) == 6
    assert document["seconds"] > 0 and document["seconds_per_image"] > 0
    assert [image["name"] for image in document["images"]] == [outcome.name for outcome in result.images]
    assert document["format"] == "hetnet-evaluation-1" and document["model"]["id"] == result.model_id


def test_without_masks_pixel_figures_are_null_with_a_reason(inspector, tiny_data, tmp_path):
    data = tmp_path / "disc"
    shutil.copytree(tiny_data / "test", data / "test")
    for file in list((data / "test").rglob("*.png")):
        if file.stem not in ("000", "001"):
            file.unlink()
    result = evaluate(inspector, open_dataset(data))
    document = json.loads(json.dumps(to_json(result), allow_nan=False))
    assert document["image_auroc"] is not None
    assert document["aupro"] is None and document["pixel_auroc"] is None
    assert "no defect region" in document["undefined"]["aupro"]
    assert remarks(result) == ["P-AUROC, AUPRO not defined: there is no defect region in the ground truth"]


def test_good_images_alone_still_give_verdicts(inspector, tiny_data, tmp_path):
    data = tmp_path / "disc"
    shutil.copytree(tiny_data / "test" / "good", data / "test" / "good")
    result = evaluate(inspector, open_dataset(data))
    assert result.total.good.total == 6 and result.types == ()
    assert remarks(result)[0] == "I-AUROC not defined: there is no defective image"
    assert to_json(result)["image_auroc"] is None


def test_a_mask_of_another_size_is_named(inspector, tiny_data, tmp_path):
    data = tmp_path / "disc"
    shutil.copytree(tiny_data, data)
    Image.new("L", (10, 10), 255).save(data / "ground_truth" / "cross" / "000_mask.png")
    with pytest.raises(InputError, match=r"000_mask\.png is 10x10 but its image 000\.png is 128x96"):
        evaluate(inspector, open_dataset(data))


def test_conditions_reach_the_json_and_the_report(inspector, tiny_data, tmp_path):
    data = tmp_path / "disc"
    for folder in ("test/good", "test/cross", "ground_truth/cross"):
        for index in range(4):
            light = ("high", "low")[index // 2]
            suffix = "_mask" if folder.startswith("ground") else ""
            (data / folder).mkdir(parents=True, exist_ok=True)
            source = tiny_data / folder / f"{index:03d}{suffix}.png"
            shutil.copy(source, data / folder / f"front_{light}_300_{index:04d}{suffix}.png")
    dataset = open_dataset(data)
    result = evaluate(inspector, dataset, conditions=find_conditions(dataset))
    document = json.loads(json.dumps(to_json(result), allow_nan=False))
    rows = {(row["axis"], row["value"]): row for row in document["conditions"]}
    lights = [("illumination", "high"), ("illumination", "low")]
    assert list(rows) == [("resolution", "300"), *lights, ("surface", "front")]
    for value in ("high", "low"):
        row = rows["illumination", value]
        assert (row["images"], row["good"], row["defective"]) == (4, 2, 2)
        chosen = [image for image in document["images"] if image["condition"]["illumination"] == value]
        expected = roc_auc_score([image["defective"] for image in chosen], [image["raw_score"] for image in chosen])
        assert row["image_auroc"] == pytest.approx(expected)
    assert rows["surface", "front"]["aupro"] == document["aupro"]  # one value: the row is the whole set
    means = [rows["illumination", value]["pixel_auroc"] for value in ("high", "low")]
    assert document["condition_means"]["illumination"]["pixel_auroc"] == pytest.approx(sum(means) / 2)
    assert document["condition_cells"]["cells"] == 2
    html = report_html(result, dataset, inspector)
    for line in condition_table(result.conditions).splitlines():
        if line.startswith("illumination"):
            cells = re.split(r"  +", line.strip())
            assert "".join(f"<td>{cell}</td>" for cell in cells[:7]) in html.replace("<td></td>", "")


def test_without_conditions_there_is_no_word_of_them(evaluation, inspector):
    result, dataset, _ = evaluation
    assert find_conditions(dataset) is None and result.conditions is None
    assert to_json(result)["conditions"] == [] and "By condition" not in report_html(result, dataset, inspector)


def test_the_table_lists_types_good_and_total_in_line(evaluation):
    result, _, _ = evaluation
    lines = text_table(result).splitlines()
    assert [line.split()[0] for line in lines if not line.startswith("-")] == ["type", "cross", "good", "total"]
    assert len({len(line) for line in lines}) == 1
    assert f"{100 * result.total.aupro.value:.2f}" in lines[-1]


def test_the_gallery_puts_what_went_wrong_first(evaluation):
    result, _, _ = evaluation
    misses, alarms = worst_misses(result, 4), worst_false_alarms(result, 4)
    assert len(misses) == len(alarms) == 4
    assert all(image.is_defective for image in misses) and not any(image.is_defective for image in alarms)
    right = [image.verdict is Verdict.REJECT for image in misses]
    assert right == sorted(right)
    lowest = min((image for image in result.images if image.is_defective), key=lambda image: image.raw_score)
    assert misses[0].name == lowest.name
    highest = max((image for image in result.images if not image.is_defective), key=lambda image: image.raw_score)
    assert alarms[0].name == highest.name


def test_the_report_stands_alone_and_shows_the_figures(evaluation, inspector):
    result, dataset, _ = evaluation
    html = report_html(result, dataset, inspector)
    assert f"{100 * result.total.aupro.value:.2f}" in html
    sources = re.findall(r'src="([^"]{0,30})', html)
    assert len(sources) == 3 * 12 and all(source.startswith("data:image/jpeg;base64,") for source in sources)
    assert not re.search(r"https?://|<script|@import", html)
    assert html.count("<circle") == 12  # a dot for each image


def test_names_cannot_break_the_report(evaluation, inspector, tiny_data, tmp_path):
    data = tmp_path / "<b>disc&"
    shutil.copytree(tiny_data / "test" / "good", data / "test" / "good")
    shutil.copytree(tiny_data / "test" / "cross", data / "test" / "<i>cross")
    dataset = open_dataset(data)
    html = report_html(evaluate(inspector, dataset), dataset, inspector)
    assert "<i>" not in html and "&lt;i&gt;cross" in html and "&lt;b&gt;disc&amp;" in html
