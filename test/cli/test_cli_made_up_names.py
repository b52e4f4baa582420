"""Names that a command makes up never replace a file of the user's, and never land among the images that it reads."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from bag_fixtures import write_bag
from model_fixtures import made_up_part, write_images
from PIL import Image

from hetnet_ros.cli.main import main
from hetnet_ros.errors import InputError
from hetnet_ros.inspection.exported import check_exported_place


def hetnet(*words) -> int:
    return main([str(word) for word in words])


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


@pytest.fixture
def flat(tmp_path):
    """A flat folder as users keep them: two pictures, and masks of their own beside them."""
    folder = write_images(tmp_path / "flat", [made_up_part(900), made_up_part(901, defect=True)])
    for image in sorted(folder.iterdir()):
        Image.fromarray(np.full((96, 128), 7, np.uint8)).save(folder / f"{image.stem}_mask.png")
    return folder


def one_line(capsys) -> str:
    out, err = capsys.readouterr()
    assert err.startswith("hetnet: error: ") and err.count("\n") == 1 and out == ""
    return err


@pytest.mark.parametrize("spelling", ["{}", "{}/", "{}/.", "{}/../flat", "{}_link"])
def test_predict_into_the_images_own_folder_is_refused_before_anything_is_written(flat, tiny_model, capsys, spelling):
    Path(f"{flat}_link").symlink_to(flat)
    before = contents(flat)
    for given in (flat / "000.png", flat):
        assert hetnet("predict", tiny_model, given, "-o", spelling.format(flat), "--device", "cpu") == 2
        assert "which is read" in (said := one_line(capsys)) or "that are read" in said
        assert contents(flat) == before


def test_predict_into_or_around_a_folder_that_it_reads_is_refused(flat, tiny_model, capsys):
    for output in (flat / "out" / "deep", flat.parent):
        assert hetnet("predict", tiny_model, flat, "-o", output, "--device", "cpu") == 2
        assert "give a folder apart from it" in one_line(capsys)
    assert not (flat / "out").exists()


def test_predict_of_a_file_into_a_folder_beside_it_works(flat, tiny_model, monkeypatch):
    monkeypatch.chdir(flat)
    assert hetnet("predict", tiny_model, "000.png", "-o", "out", "--device", "cpu") == 0
    assert hetnet("predict", tiny_model, "000.png", "-o", "out", "--device", "cpu") == 0


def test_predict_replaces_what_it_wrote_and_refuses_what_it_did_not(flat, tiny_model, tmp_path, capsys):
    out = tmp_path / "out"
    argv = ("predict", tiny_model, flat / "000.png", "-o", out, "--maps", "--device", "cpu")
    out.mkdir()
    (out / "notes.txt").write_text("mine")
    assert hetnet(*argv) == 0
    first = contents(out)
    assert hetnet(*argv) == 0 and contents(out).keys() == first.keys()
    capsys.readouterr()
    for name in ("000_mask.png", "000_overlay.png", "000_map.npy"):
        with Image.open(flat / "001.png") as painted:
            painted.save(out / name, "PNG")
        before = contents(out)
        assert hetnet(*argv) == 2
        assert name in (said := one_line(capsys)) and "did not write it" in said
        assert contents(out) == before, "refused before the work"
        (out / name).write_bytes(first[name])
    (out / "000_mask.png").unlink()
    (out / "000_mask.png").symlink_to(flat / "000_mask.png")
    before = contents(flat)
    assert hetnet(*argv) == 2 and "000_mask.png" in one_line(capsys)
    assert (out / "000_mask.png").is_symlink() and contents(flat) == before
    assert (out / "notes.txt").read_text() == "mine"


def test_a_file_kept_by_a_hard_link_stays_as_it_was(flat, tiny_model, tmp_path):
    out = tmp_path / "out"
    assert hetnet("predict", tiny_model, flat / "000.png", "-o", out, "--device", "cpu") == 0
    os.link(out / "000_mask.png", tmp_path / "kept.png")
    before = (tmp_path / "kept.png").read_bytes()
    shutil.copy(flat / "001.png", flat / "000.png")
    assert hetnet("predict", tiny_model, flat / "000.png", "-o", out, "--device", "cpu") == 0
    assert (tmp_path / "kept.png").read_bytes() == before


def test_names_that_differ_only_in_case_get_outputs_that_differ_in_more(flat, tiny_model, tmp_path):
    shutil.copy(flat / "001.png", flat / "Part.png")
    shutil.copy(flat / "000.png", flat / "part.png")
    out = tmp_path / "out"
    assert hetnet("predict", tiny_model, flat / "Part.png", flat / "part.png", "-o", out, "--device", "cpu") == 0
    names = [path.name.lower() for path in out.glob("*_mask.png")]
    assert len(names) == len(set(names)) == 2


def test_pictures_that_hetnet_drew_are_not_inspected_or_taught(flat, tiny_model, tmp_path, capsys):
    out = tmp_path / "out"
    assert hetnet("predict", tiny_model, flat / "000.png", "-o", out, "--device", "cpu") == 0
    shutil.copy(flat / "001.png", out / "mine.png")
    capsys.readouterr()
    assert hetnet("predict", tiny_model, out, "-o", tmp_path / "again", "--device", "cpu") == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2 and "mine.png" in lines[0]
    with Image.open(flat / "001.png") as painted:
        painted.save(out / "000_overlay.png")  # it is the user's from now on
    assert hetnet("predict", tiny_model, out, "-o", tmp_path / "again", "--device", "cpu") == 0
    assert "000_overlay.png" in capsys.readouterr().out


def test_evaluate_keeps_maps_apart_from_the_data_and_from_foreign_files(tiny_model, tiny_data, tmp_path, capsys):
    data = tmp_path / "disc"
    shutil.copytree(tiny_data, data)
    for maps in (data, data / "test", data / "maps", tmp_path):
        assert hetnet("evaluate", tiny_model, data, "--maps", maps, "--device", "cpu") == 2
        assert "give a folder apart from it" in one_line(capsys)
    assert not (data / "maps").exists() and not list(data.rglob("*.npy"))
    maps = tmp_path / "maps"
    (maps / "cross").mkdir(parents=True)
    (maps / "cross" / "003.npy").write_bytes(b"months of work")
    assert hetnet("evaluate", tiny_model, data, "--maps", maps, "--device", "cpu") == 2
    assert "003.npy" in one_line(capsys) and (maps / "cross" / "003.npy").read_bytes() == b"months of work"
    assert not (maps / "good").exists(), "refused before the work"
    (maps / "cross" / "003.npy").unlink()
    for _ in range(2):
        assert hetnet("evaluate", tiny_model, data, "--maps", maps, "--device", "cpu") == 0


def test_label_keeps_extracted_frames_and_drawn_masks_from_foreign_files(tmp_path, capsys):
    bag = write_bag(tmp_path / "bag", [made_up_part(index) for index in range(3)])
    frames, labels = tmp_path / "frames", tmp_path / "bag.labels.json"
    frames.mkdir()
    (frames / "frame_000002.png").write_bytes(b"touched up by hand")
    assert hetnet("label", bag, "--extract", frames) == 2
    assert "frame_000002.png" in one_line(capsys) and len(contents(frames)) == 1
    (frames / "frame_000002.png").unlink()
    for _ in range(2):
        assert hetnet("label", bag, "--extract", frames) == 0
    coco = tmp_path / "coco.json"
    coco.write_text("""{"images": [{"id": 1, "file_name": "frame_000001.png", "width": 128, "height": 96}],
        "categories": [{"id": 1, "name": "dent"}], "annotations": [{"id": 1, "image_id": 1, "category_id": 1,
        "bbox": [1, 1, 9, 9], "segmentation": [[1, 1, 10, 1, 10, 10, 1, 10]]}]}""")
    masks = tmp_path / "bag_masks"
    masks.mkdir()
    (masks / "000001.png").write_bytes(b"drawn by hand")
    capsys.readouterr()
    assert hetnet("label", bag, "--import", coco, "-o", labels) == 2
    assert "000001.png" in one_line(capsys) and contents(masks) == {"000001.png": b"drawn by hand"}
    (masks / "000001.png").unlink()
    for _ in range(2):
        assert hetnet("label", bag, "--import", coco, "-o", labels, "--force") == 0


def test_export_keeps_what_it_writes_beside_the_xml_from_foreign_files(tiny_model, tmp_path, capsys):
    pytest.importorskip("openvino", reason="the backend is not installed")
    pytest.importorskip("onnx", reason="the export needs it")
    target, results = tmp_path / "part.xml", tmp_path / "part.json"
    results.write_text('{"format": "hetnet-predict-1"}')
    argv = ("export", tiny_model, "--format", "openvino", "-o", target)
    assert hetnet(*argv) == 2
    assert "part.json" in one_line(capsys) and results.read_text() == '{"format": "hetnet-predict-1"}' and not target.exists()
    results.unlink()
    assert hetnet(*argv) == 0
    check_exported_place(target)  # so it may be repeated
    (tmp_path / ".hetnet-files").unlink()
    check_exported_place(target)  # as of an export that was moved here: it describes itself
    (tmp_path / ".hetnet-files").unlink()
    (tmp_path / "part.bin").write_bytes(b"of another network")
    with pytest.raises(InputError, match="part.bin is there already"):
        check_exported_place(target)


def test_train_keeps_its_checkpoint_from_a_model_of_that_name(tiny_model, tiny_data, tiny_preset, tmp_path, capsys):
    mine = tmp_path / "part.checkpoint.safetensors"  # as of hetnet train -o part.checkpoint.safetensors
    shutil.copy(tiny_model, mine)
    before = mine.read_bytes()
    assert hetnet("train", tiny_data, "-o", tmp_path / "part.safetensors", "--preset", tiny_preset, "--steps", "1", "--device", "cpu") == 2
    assert "part.checkpoint.safetensors" in one_line(capsys) and mine.read_bytes() == before
    (tmp_path / ".part.safetensors.probe").write_text("mine")
    mine.unlink()
    assert hetnet("train", tiny_data, "-o", tmp_path / "part.safetensors", "--preset", tiny_preset, "--steps", "1", "--device", "cpu") == 0
    assert (tmp_path / ".part.safetensors.probe").read_text() == "mine"


def test_an_output_that_is_read_by_the_same_command_is_refused(tiny_model, tiny_data, tiny_preset, weights_cache, tmp_path, capsys):
    model, data = tmp_path / "m.safetensors", tmp_path / "disc"
    shutil.copy(tiny_model, model)
    shutil.copytree(tiny_data, data)
    bag = write_bag(tmp_path / "run", [made_up_part(index) for index in range(3)])
    storage = next(path for path in bag.iterdir() if path.name != "metadata.yaml")
    labels = tmp_path / "run.labels.json"
    labels.write_text('{"format": "hetnet-labels-1", "frames": [{"frame": 0, "label": "good"}]}')
    (tmp_path / "link").symlink_to(storage)
    image, mask = data / "test/cross/000.png", data / "ground_truth/cross/000_mask.png"
    marked = tmp_path / "marked.json"
    marked.write_text(json.dumps({"format": "hetnet-labels-1", "frames": [{"frame": 0, "label": "cross", "mask": str(mask)}]}))
    weights, exported, signature = tmp_path / "lite0.safetensors", tmp_path / "part.xml", tmp_path / "m.safetensors.sig"
    shutil.copy(weights_cache / "weights" / "tf_efficientnet_lite0.safetensors", weights)
    assert hetnet("export", model, "--format", "openvino", "-o", exported) == 0
    signature.write_text("a signature")
    capsys.readouterr()
    before = {path: path.read_bytes() for path in (model, storage, labels, image, mask, weights, signature,
                                                   *(exported.with_suffix(suffix) for suffix in (".xml", ".bin", ".json")))}
    for words in (("predict", model, image, "-o", tmp_path / "out", "--json", image),
                  ("predict", model, image, "-o", tmp_path / "out", "--json", model),
                  ("evaluate", model, data, "--json", mask),
                  ("evaluate", model, data, "--report", image),
                  ("replay", bag, "--model", model, "--json", storage),
                  ("replay", bag, "--model", model, "--report", tmp_path / "link"),
                  ("replay", bag, "--model", model, "--json", labels),
                  ("label", bag, "--import", labels, "-o", labels, "--force"),
                  ("compare", labels, labels, "--json", labels),
                  ("bench", model, "--json", model),
                  ("calibrate", model, "--false-reject", "0.2", "-o", model),
                  ("train", data, "-o", weights, "--weights", f"tf_efficientnet_lite0={weights}", "--preset", tiny_preset),
                  ("predict", exported, image, "-o", tmp_path / "out", "--json", exported.with_suffix(".json")),
                  ("evaluate", exported, data, "--report", exported.with_suffix(".bin")),
                  ("replay", bag, "--model", exported, "--json", exported.with_suffix(".json")),
                  ("replay", bag, "--model", model, "--labels", marked, "--json", mask),
                  ("predict", model, image, "-o", tmp_path / "out", "--json", signature)):
        assert hetnet(*words) == 2
        assert "read by this command" in one_line(capsys)
    assert hetnet("evaluate", model, data, "--json", tmp_path / "a", "--report", tmp_path / "x" / ".." / "a") == 2
    assert "are both" in one_line(capsys)
    assert {path: path.read_bytes() for path in before} == before


def test_two_outputs_of_the_gpu_check_are_two_files(tmp_path, capsys):
    assert hetnet("gpu-check", "--device", "cpu", "--json", tmp_path / "a", "--markdown", tmp_path / "x" / ".." / "a") == 2
    assert "are both" in one_line(capsys)


def test_sign_keeps_another_programs_signature(tiny_model, tmp_path, capsys):
    """GnuPG, too, puts its detached signature of ``part.safetensors`` into ``part.safetensors.sig``."""
    models = [tmp_path / name for name in ("a.safetensors", "b.safetensors")]
    for model in models:
        shutil.copy(tiny_model, model)
    assert hetnet("sign", "--new-key", tmp_path / "line.key") == 0
    theirs = tmp_path / "b.safetensors.sig"
    theirs.write_bytes(b"\x88\x75 of GnuPG")
    capsys.readouterr()
    assert hetnet("sign", *models, "--key", tmp_path / "line.key") == 2
    assert "b.safetensors.sig is there already and is no signature of hetnet sign" in one_line(capsys)
    assert theirs.read_bytes() == b"\x88\x75 of GnuPG" and not (tmp_path / "a.safetensors.sig").exists()
    theirs.unlink()
    for _ in range(2):  # its own it replaces
        assert hetnet("sign", *models, "--key", tmp_path / "line.key") == 0
