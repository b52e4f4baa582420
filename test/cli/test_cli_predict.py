"""``hetnet predict``: pictures and verdicts for files and folders, and what becomes of the bad ones among them."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
from PIL import Image

from hetnet_ros.cli.main import main


@pytest.fixture
def predict(tiny_model, tmp_path, capsys):
    """Runs the command; returns its exit code, stdout lines, stderr lines, the output folder and the JSON document."""

    def run(*arguments):
        output, json_file = tmp_path / "out", tmp_path / "out.json"
        argv = ["predict", tiny_model, *arguments, "-o", output, "--json", json_file, "--device", "cpu"]
        code = main([str(part) for part in argv])
        out, err = capsys.readouterr()
        return code, out.splitlines(), err.splitlines(), output, json.loads(json_file.read_text())

    return run


def test_each_image_gets_an_overlay_a_mask_a_line_and_an_entry(predict, tiny_data):
    images = [tiny_data / "test" / "good" / "000.png", tiny_data / "test" / "cross" / "001.png"]
    code, out, err, output, document = predict(*images)
    assert code == 0 and err == []
    assert sorted(path.name for path in output.iterdir()) == [
        ".hetnet-files",
        "000_mask.png",
        "000_overlay.png",
        "001_mask.png",
        "001_overlay.png",
    ]
    for path, line, entry in zip(images, out, document["images"]):
        assert entry["image"] == str(path) and str(path) in line and line.startswith(entry["verdict"])
        assert f"score {entry['score']:.3f}" in line and f"p {entry['p_value']:.3f}" in line
        assert (entry["width"], entry["height"]) == (128, 96) and 0 <= entry["score"] <= 1
        mask = np.asarray(Image.open(entry["files"]["mask"]))
        overlay = np.asarray(Image.open(entry["files"]["overlay"]))
        assert mask.shape == (96, 128) and set(np.unique(mask)) <= {0, 255}
        assert overlay.shape == (96, 128, 3)
        for defect in entry["defects"]:  # a defect is where the mask is
            box = defect["box"]
            assert mask[box["y"] : box["y"] + box["height"], box["x"] : box["x"] + box["width"]].any()
        assert bool(entry["defects"]) == bool(mask.any())
    verdicts = [entry["verdict"] for entry in document["images"]]
    assert all(f"{verdicts.count(name)} {name}" in out[-1] for name in ("PASS", "UNCERTAIN", "REJECT"))


def test_maps_are_written_on_request(predict, tiny_data):
    *_, output, document = predict(tiny_data / "test" / "cross" / "000.png", "--maps")
    raw = np.load(output / "000_map.npy")
    assert raw.dtype == np.float32 and raw.shape == (96, 128)
    assert raw.max() == pytest.approx(document["images"][0]["raw_score"], rel=0.05)


def test_an_image_with_the_longest_name_gets_its_pictures(tmp_path, tiny_model, tiny_data):
    image = tmp_path / ("ß" * 125 + ".png")  # 254 of the 255 bytes that a name may have
    image.write_bytes(next((tiny_data / "test" / "good").glob("*.png")).read_bytes())
    assert main(["predict", str(tiny_model), str(image), "-o", str(tmp_path / "out")]) == 0
    assert sorted(path.name.lstrip("ß") for path in (tmp_path / "out").glob("ß*")) == ["_mask.png", "_overlay.png"]


def test_a_file_name_cannot_forge_a_line(predict, tiny_data, tmp_path):
    images = tmp_path / "images"
    images.mkdir()
    shutil.copy(tiny_data / "test" / "good" / "000.png", images / "a\nREJECT     score 1.000\x1b[2J.png")
    code, lines, *_ = predict(images)
    assert code == 0 and len(lines) == 2 and "\x1b" not in lines[0]


def test_a_folder_stands_for_its_images(predict, tiny_data):
    code, out, _, output, document = predict(tiny_data / "test" / "cross")
    assert code == 0 and len(document["images"]) == 6 and len(out) == 7
    assert len(list(output.glob("*_overlay.png"))) == 6


def test_images_of_one_name_do_not_overwrite_each_other(predict, tiny_data, tmp_path):
    shutil.copy(tiny_data / "test" / "good" / "000.png", tmp_path / "000.png")
    other = tmp_path / "000.bmp"
    Image.open(tmp_path / "000.png").save(other)
    folders = [tiny_data / "test" / kind / "000.png" for kind in ("good", "cross")]
    code, _, _, output, document = predict(*folders, tmp_path / "000.png", other)
    assert code == 0
    overlays = [entry["files"]["overlay"] for entry in document["images"]]
    assert len(set(overlays)) == 4 == len(list(output.glob("*_overlay.png")))
    assert (output / "good_000_overlay.png").exists() and (output / "cross_000_overlay.png").exists()


def test_bad_files_are_reported_and_the_others_still_inspected(predict, tiny_data, tmp_path):
    bad = tmp_path / "bad.png"
    bad.write_text("no image")
    empty = tmp_path / "empty"
    empty.mkdir()
    good = tiny_data / "test" / "good" / "000.png"
    code, out, err, output, document = predict(bad, tmp_path / "absent.png", empty, good)
    assert code == 2
    assert len(err) == 3 and all(line.startswith("hetnet: error: ") for line in err)
    assert all(any(name in line for line in err) for name in ("bad.png", "absent.png", "empty"))
    assert (output / "000_overlay.png").exists() and len(out) == 2 and "3 not inspected" in out[-1]
    by_name = {entry["image"]: entry for entry in document["images"]}
    assert by_name[str(good)]["reason"] != "bad_image"
    for path in (bad, tmp_path / "absent.png", empty):
        assert by_name[str(path)]["verdict"] == "UNCERTAIN" and by_name[str(path)]["reason"] == "bad_image"


def test_an_unusable_model_or_output_is_one_line(tiny_model, tiny_data, tmp_path, capsys):
    image = str(tiny_data / "test" / "good" / "000.png")
    (tmp_path / "file").write_text("")
    for model, output in ((tmp_path / "absent.safetensors", tmp_path / "out"), (tiny_model, tmp_path / "file")):
        assert main(["predict", str(model), image, "-o", str(output)]) == 2
        out, err = capsys.readouterr()
        assert out == "" and err.count("\n") == 1 and err.startswith("hetnet: error: ")
