"""Parts whose defects cover areas: taught by name, scored by the image as a whole too, also where a region is looked at or exported."""

import dataclasses

import numpy as np
import pytest
from model_fixtures import made_up_part, write_images

from hetnet_ros.cli.main import main
from hetnet_ros.inspection.artifact import load_artifact, save_artifact
from hetnet_ros.inspection.part_inspector import PartInspector
from hetnet_ros.inspection.region_of_interest import Region

SECTION = """
large_defects:
  network: {cnn: {indices: [1, 2, 3, 4]}, local_targets: 0, cnn_memory: 1.0, image_memory: 0.5}
"""


@pytest.fixture(scope="module")
def model(tmp_path_factory, tiny_preset, weights_cache):
    folder = tmp_path_factory.mktemp("large")
    (folder / "mine.yaml").write_text(tiny_preset.read_text() + SECTION)
    images = write_images(folder / "good", [made_up_part(i) for i in range(16)])
    assert main(["train", str(images), "-o", str(folder / "m.safetensors"), "--preset", str(folder / "mine.yaml"), "--large-defects",
                 "--device", "cpu"]) == 0
    return folder / "m.safetensors"


def test_a_paler_part_scores_higher_by_the_whole_of_it(model):
    artifact = load_artifact(model)
    network = artifact.card.network
    assert (network.local_targets, network.cnn.indices, network.image_memory) == (0, (1, 2, 3, 4), 0.5)
    plain = dataclasses.replace(network, image_memory=0.0)
    tensors = {name: values for name, values in artifact.tensors.items() if not name.startswith("image_memory")}
    for name in ("anomaly_map.levels", "anomaly_map.offsets"):
        tensors[name] = tensors[name][:-1]
    save_artifact(model.with_name("plain.safetensors"), dataclasses.replace(artifact.card, network=plain), tensors)
    both = [PartInspector.load(path, "cpu") for path in (model, model.with_name("plain.safetensors"))]
    good, pale = made_up_part(300), np.clip(made_up_part(301).astype(int) // 2 + 90, 0, 255).astype(np.uint8)
    (raised, score), (usual, other) = ([one.inspect(image).raw_score for one in both] for image in (pale, good))
    assert raised / score > 1.2 * usual / other
    np.testing.assert_allclose(both[0].inspect(pale).anomaly_map, both[1].inspect(pale).anomaly_map, rtol=1e-5)


def test_a_region_keeps_what_the_whole_image_says(model):
    inspector = PartInspector.load(model, "cpu")
    image = made_up_part(302, defect=True)
    whole = inspector.inspect(image)
    everything = inspector.inspect(image, region=Region(mask=np.ones(image.shape[:2], bool)))
    assert everything.raw_score == pytest.approx(whole.raw_score, rel=1e-5)


def test_an_export_scores_alike(model, tmp_path):
    folder = write_images(tmp_path / "good", [made_up_part(i) for i in range(600, 606)])
    assert main(["export", str(model), "--format", "onnx", "--images", str(folder), "-o", str(tmp_path / "m.onnx")]) == 0
    image = made_up_part(501, defect=True)
    exported, torch = (PartInspector.load(path, "cpu").inspect(image) for path in (tmp_path / "m.onnx", model))
    assert exported.raw_score == pytest.approx(torch.raw_score, rel=2e-3)


@pytest.mark.parametrize("words, said", [(["--rotation", "30"], "--large-defects is for parts that lie still"),
                                         ([], "preset tiny has no section large_defects")])
def test_what_cannot_be_taught_so_is_refused_in_one_line(words, said, tmp_path, tiny_preset, capsys):
    assert main(["train", str(tmp_path), "-o", str(tmp_path / "m.safetensors"), "--preset", str(tiny_preset), "--large-defects", *words]) == 2
    heard = capsys.readouterr().err
    assert said in heard and heard.count("\n") == 1
