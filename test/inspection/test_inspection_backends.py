"""Backends give torch's answers, and nothing else is let through."""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from model_fixtures import made_up_part, write_images

from hetnet_ros.errors import InputError
from hetnet_ros.inspection import export
from hetnet_ros.inspection.artifact import EXAMPLES, load_artifact
from hetnet_ros.inspection.backends.interface import BACKENDS, Graph, NetworkOutput
from hetnet_ros.inspection.export import export_model
from hetnet_ros.inspection.exported import read_exported
from hetnet_ros.inspection.onnx_description import taken_apart
from hetnet_ros.inspection.parity import EXACT_TOLERANCE, compare, run_in_batches, shifted, trial_images
from hetnet_ros.inspection.part_inspector import PartInspector
from hetnet_ros.inspection.preprocessing import resize
from hetnet_ros.inspection.result import Verdict
from hetnet_ros.learning.preset import load_preset
from hetnet_ros.learning.teach import teach

ROOT = Path(__file__).resolve().parents[2]
SIZE = 64
EXACT = ("onnx", "openvino")


def images() -> dict[str, np.ndarray]:
    return {"random": np.random.default_rng(3).integers(0, 256, (SIZE, SIZE, 3), np.uint8),
            "black": np.zeros((SIZE, SIZE, 3), np.uint8), "white": np.full((SIZE, SIZE, 3), 255, np.uint8),
            "good": resize(made_up_part(900), SIZE), "defect": resize(made_up_part(901, defect=True), SIZE)}


@pytest.fixture(scope="module")
def exported(tiny_model, tmp_path_factory) -> dict[str, Path]:
    """The tiny model exported for each backend, by name."""
    folder = tmp_path_factory.mktemp("exported")
    paths = {name: folder / f"{name}{BACKENDS[name].suffix}" for name in (*EXACT, "openvino-bf16")}
    for name, path in paths.items():
        export_model(tiny_model, path, name)
    return paths


@pytest.fixture(scope="module")
def looser_model(tiny_preset, weights_cache, tmp_path_factory) -> Path:
    """A model of parts that lie less surely: its good scores vary by more than 8 bits change them.  The tiny model's do not,
    and its export to int8 is refused.  Moved by up to 3 px, maps differ by two thirds of what is allowed; by up to 2 px they
    differ by just about all of it, and processors round differently."""
    folder = tmp_path_factory.mktemp("looser")
    write_images(folder / "train" / "good", [made_up_part(i, move=3) for i in range(16)])
    teach(folder, folder / "part.safetensors", load_preset(str(tiny_preset)), device="cpu", progress=False)
    return folder / "part.safetensors"


@pytest.fixture(scope="module")
def quantised(looser_model, tmp_path_factory) -> Path:
    """That model in 8-bit integers."""
    path = tmp_path_factory.mktemp("quantised") / "part.xml"
    export_model(looser_model, path, "openvino-int8")
    return path


@pytest.fixture(scope="module")
def reference(tiny_model) -> PartInspector:
    return PartInspector.load(tiny_model, "cpu")


@pytest.mark.parametrize("name", EXACT)
@pytest.mark.parametrize("kind", ["random", "black", "white", "good", "defect"])
def test_exact_backends_agree_with_torch_on_any_image(exported, reference, name, kind):
    batch = images()[kind][None]
    wanted, got = reference.runner(batch), PartInspector.load(exported[name]).runner(batch)
    calibration = reference.calibration
    assert np.abs(got.maps - wanted.maps).max() <= EXACT_TOLERANCE * max(calibration.pixel, wanted.maps.max())
    assert np.abs(got.scores - wanted.scores).max() <= EXACT_TOLERANCE * max(calibration.score_reject, wanted.scores.max())
    assert np.abs(got.descriptors - wanted.descriptors).max() < 1e-4


def agree_on_verdicts(path: Path, reference: PartInspector) -> None:
    inspector = PartInspector.load(path)
    for kind, image in images().items():
        wanted, got = reference.inspect(image), inspector.inspect(image)
        assert {wanted.verdict, got.verdict} != {Verdict.PASS, Verdict.REJECT}, kind
        assert got.verdict is not Verdict.PASS or kind in ("good", "defect")
    parity = read_exported(path).parity
    assert parity.verdicts_flipped == 0 and parity.images > 8


def test_bfloat16_gives_torchs_verdicts(exported, reference):
    agree_on_verdicts(exported["openvino-bf16"], reference)


def test_int8_gives_torchs_verdicts_with_thresholds_of_its_own(quantised, looser_model):
    reference = PartInspector.load(looser_model, "cpu")
    agree_on_verdicts(quantised, reference)
    description = read_exported(quantised)
    fitted, taught = description.card.calibration, reference.calibration
    assert fitted.score_reject == pytest.approx(taught.score_reject * description.parity.score_shift)
    assert fitted != taught


@pytest.mark.parametrize("name", ["onnx", "openvino"])
def test_a_batch_is_inspected_like_its_images_one_by_one(exported, name):
    backend = PartInspector.load(exported[name]).runner
    batch = np.stack(list(images().values()))
    together, alone = backend(batch), run_in_batches(backend, batch)
    assert np.allclose(together.maps, alone.maps, atol=1e-4) and np.allclose(together.scores, alone.scores, atol=1e-4)


def test_an_export_carries_card_thresholds_and_references(exported, tiny_model):
    artifact = load_artifact(tiny_model)
    description = read_exported(exported["onnx"])
    assert description.model_id == artifact.model_id and description.card == artifact.card
    assert EXAMPLES not in description.arrays and description.arrays["domain.references"].dtype == np.float16


def test_a_region_and_another_size_are_inspected_alike(exported, reference):
    image = made_up_part(77, defect=True)
    wanted, got = reference.inspect(image), PartInspector.load(exported["onnx"]).inspect(image)
    assert got.verdict is wanted.verdict and [d.box for d in got.defects] == [d.box for d in wanted.defects]
    assert got.score == pytest.approx(wanted.score, abs=1e-3)


def test_a_graph_that_is_not_the_cards_is_refused(exported, tmp_path):
    for file in exported["openvino"].parent.glob("openvino.*"):
        (tmp_path / file.name).write_bytes(file.read_bytes())
    weights = bytearray((tmp_path / "openvino.bin").read_bytes())
    weights[100] ^= 1
    (tmp_path / "openvino.bin").write_bytes(weights)
    with pytest.raises(InputError, match="not the one its card describes"):
        PartInspector.load(tmp_path / "openvino.xml")
    (tmp_path / "openvino.bin").write_bytes(exported["openvino"].with_suffix(".bin").read_bytes())
    assert PartInspector.load(tmp_path / "openvino.xml").backend == "openvino"
    beside = json.loads(exported["openvino"].with_suffix(".json").read_text())
    (tmp_path / "openvino.json").write_text(json.dumps({**beside, "digest": "0" * 64}, sort_keys=True))
    with pytest.raises(InputError, match="not the one its card describes"):
        PartInspector.load(tmp_path / "openvino.xml")
    (tmp_path / "openvino.json").unlink()
    with pytest.raises(InputError, match="openvino.json does not exist: keep the .xml, .bin and .json"):
        PartInspector.load(tmp_path / "openvino.xml")


def test_a_damaged_or_foreign_onnx_is_refused(exported, tmp_path):
    data = exported["onnx"].read_bytes()
    graph, _ = taken_apart(data)
    foreign, damaged, short = tmp_path / "foreign.onnx", tmp_path / "damaged.onnx", tmp_path / "short.onnx"
    foreign.write_bytes(graph)
    with pytest.raises(InputError, match="has no card"):
        PartInspector.load(foreign)
    changed = bytearray(data)
    changed[len(graph) // 2] ^= 1  # in the middle of the weights, where it would still load
    damaged.write_bytes(changed)
    with pytest.raises(InputError, match="not the one its card describes"):
        PartInspector.load(damaged)
    short.write_bytes(data[:1000])
    with pytest.raises(InputError, match="not a readable ONNX"):
        PartInspector.load(short)


def test_a_backend_that_the_thresholds_do_not_belong_to_is_refused(exported):
    with pytest.raises(InputError, match="made and calibrated for backend openvino, not openvino-bf16"):
        PartInspector.load(exported["openvino"], backend="openvino-bf16")
    with pytest.raises(InputError, match="not onnx"):
        PartInspector.load(exported["openvino"], backend="onnx")
    assert PartInspector.load(exported["openvino"], backend="openvino").backend == "openvino"


def test_the_gate_refuses_other_answers(tiny_model, tmp_path, monkeypatch):
    """A graph whose scores are off, by a fault in the exporter: nothing is written."""
    true = export.open_graph

    def faulty(graph, kind):
        backend = true(graph, kind)
        return lambda images: dataclasses.replace(backend(images), scores=backend(images).scores * 1.01)

    monkeypatch.setattr(export, "open_graph", faulty)
    with pytest.raises(InputError, match="scores differ by .* Use another backend"):
        export_model(tiny_model, tmp_path / "part.onnx", "onnx")
    assert not list(tmp_path.iterdir())


def test_the_gate_judges_lower_precision_by_verdicts_and_order(reference):
    trial = trial_images(np.stack([resize(made_up_part(i), SIZE) for i in range(6)]))
    torch = run_in_batches(reference.runner, trial.images)
    kind, calibration = BACKENDS["openvino-int8"], reference.calibration
    scaled = NetworkOutput(torch.maps * 1.2, torch.scores * 1.2, torch.descriptors)
    parity, fitted = compare(kind, trial, torch, scaled, calibration)
    assert parity.score_shift == pytest.approx(1.2) and parity.score_difference < 1e-3 and parity.verdicts_moved == 0
    assert fitted.score_accept == pytest.approx(calibration.score_accept * 1.2)
    assert fitted.pixel == pytest.approx(calibration.pixel * 1.2)
    with pytest.raises(InputError, match="scores differ by"):
        compare(BACKENDS["onnx"], trial, torch, scaled, calibration)
    mixed = NetworkOutput(torch.maps, np.where(trial.defective, torch.scores.min(), torch.scores), torch.descriptors)
    with pytest.raises(InputError, match="AUROC is lower by"):
        compare(kind, trial, torch, mixed, calibration)
    broken = dataclasses.replace(torch, maps=torch.maps * np.nan)
    with pytest.raises(InputError, match="not finite"):
        compare(kind, trial, torch, broken, calibration)


def test_rounding_at_a_threshold_moves_no_verdict(reference):
    trial = trial_images(np.stack([resize(made_up_part(i), SIZE) for i in range(6)]))
    torch = run_in_batches(reference.runner, trial.images)
    at = float(torch.scores[2])
    calibration = dataclasses.replace(reference.calibration, score_accept=at, score_reject=at)
    rounded = dataclasses.replace(torch, scores=torch.scores * np.float32(1 - 1e-5))
    parity, _ = compare(BACKENDS["onnx"], trial, torch, rounded, calibration)
    assert (parity.verdicts_moved, parity.verdicts_flipped) == (0, 0)
    lower = dataclasses.replace(torch, scores=np.where(np.arange(len(torch.scores)) == 2, at * 0.95, torch.scores))
    with pytest.raises(InputError, match="that flipped"):
        compare(BACKENDS["openvino-bf16"], trial, torch, lower, calibration)
    beyond = dataclasses.replace(reference.calibration, score_accept=at * 1.015, score_reject=at * 1.015)
    moved = dataclasses.replace(torch, scores=np.where(np.arange(len(torch.scores)) == 2, at * 1.02, torch.scores))
    with pytest.raises(InputError, match="that flipped"):
        compare(BACKENDS["openvino-bf16"], trial, torch, moved, beyond)


def test_shifted_thresholds_give_the_same_calibrated_values(reference):
    calibration = reference.calibration
    other = shifted(calibration, 2.0, 3.0)
    assert other.calibrated_score(2 * 0.3) == pytest.approx(calibration.calibrated_score(0.3))
    assert other.p_value(2 * 0.3) == calibration.p_value(0.3)
    assert np.allclose(other.calibrated_map(np.float32([0.6])), calibration.calibrated_map(np.float32([0.2])))


@pytest.mark.parametrize("name, output, said", [
    ("torch", "a.safetensors", "runs the model file itself"), ("onnx", "a.xml", "must end in .onnx"),
    ("tensorflow", "a.pb", "backend is 'tensorflow': use file, auto")])
def test_what_cannot_be_exported_is_refused(tiny_model, tmp_path, name, output, said):
    with pytest.raises(InputError, match=said):
        export_model(tiny_model, tmp_path / output, name)


def test_without_good_images_nothing_is_exported(tiny_model, tmp_path):
    with pytest.raises(InputError, match="only 2 good images"):
        export_model(tiny_model, tmp_path / "a.onnx", "onnx", np.zeros((2, SIZE, SIZE, 3), np.uint8))


def test_torch_in_bfloat16_gives_the_same_verdicts(tiny_model, reference):
    inspector = PartInspector.load(tiny_model, "cpu", backend="torch-bf16")
    for image in images().values():
        assert {reference.inspect(image).verdict, inspector.inspect(image).verdict} != {Verdict.PASS, Verdict.REJECT}
    with pytest.raises(InputError, match="torch-fp16 needs a CUDA device"):
        PartInspector.load(tiny_model, "cpu", backend="torch-fp16")


@pytest.mark.parametrize("name", ["torch", "torch-graph"])
def test_cuda_gives_the_cpus_answers(tiny_model, reference, name):
    torch = pytest.importorskip("torch")
    if not torch.cuda.is_available():
        pytest.skip("needs a CUDA device: torch in float16, as it is and as a CUDA graph, is held against the CPU")
    trial = trial_images(np.stack([resize(made_up_part(i), SIZE) for i in range(6)]))
    wanted = run_in_batches(reference.runner, trial.images)
    got = run_in_batches(PartInspector.load(tiny_model, "cuda", backend=name).runner, trial.images)
    compare(BACKENDS["torch-fp16"], trial, wanted, got, reference.calibration)


@pytest.mark.parametrize("name, device, said", [
    ("onnx-tensorrt", "auto", "needs TensorrtExecutionProvider"), ("onnx", "cuda", "needs CUDAExecutionProvider"),
    ("openvino", "cuda", "runs on the CPU, not on cuda"), ("onnx", "tpu", "device is 'tpu'")])
def test_devices_that_are_not_there_are_said(exported, name, device, said):
    from hetnet_ros.inspection.backends.opening import open_graph

    onnxruntime = pytest.importorskip("onnxruntime")
    if "CUDAExecutionProvider" in onnxruntime.get_available_providers() and "Provider" in said:
        pytest.skip("this onnxruntime has the CUDA provider whose absence is tested")
    with pytest.raises(InputError, match=said):
        open_graph(Graph.read(exported["openvino" if name == "openvino" else "onnx"]), BACKENDS[name], device)


@pytest.mark.filterwarnings("ignore:Specified provider")
def test_a_provider_that_is_listed_and_does_not_load_is_not_taken_for_a_gpu(exported, monkeypatch):
    """As where onnxruntime-gpu finds no CUDA libraries: it lists its providers, and goes on with the CPU without a word."""
    from hetnet_ros.inspection.backends.opening import open_graph

    onnxruntime = pytest.importorskip("onnxruntime")
    if "CUDAExecutionProvider" in onnxruntime.get_available_providers():
        pytest.skip("this onnxruntime has the CUDA provider, which would load")
    listed = ["TensorrtExecutionProvider", "CUDAExecutionProvider", "CPUExecutionProvider"]
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: listed)
    for name, device in (("onnx", "cuda"), ("onnx", "cuda:1"), ("onnx-tensorrt", "auto"), ("onnx-tensorrt", "cuda")):
        with pytest.raises(InputError, match="did not load"):
            open_graph(Graph.read(exported["onnx"]), BACKENDS[name], device)
    assert open_graph(Graph.read(exported["onnx"]), BACKENDS["onnx"], "auto").device == "cpu"


def test_a_machine_without_torch_inspects_with_onnx_runtime(exported, tmp_path):
    """In a fresh process in which torch, timm, torchvision and safetensors do not import."""
    from PIL import Image

    Image.fromarray(made_up_part(5, defect=True)).save(tmp_path / "part.png")
    script = tmp_path / "without_torch.py"
    script.write_text(f"""
import sys

class Without:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("torch", "torchvision", "timm", "safetensors", "openvino", "sklearn"):
            raise ModuleNotFoundError(f"No module named {{name!r}} (this test has none)", name=name)

sys.meta_path.insert(0, Without())
from hetnet_ros.cli.main import main
code = main(["predict", {str(exported["onnx"])!r}, {str(tmp_path / "part.png")!r}, "-o", {str(tmp_path / "out")!r},
             "--backend", "onnx", "--json", {str(tmp_path / "out.json")!r}])
assert not {{"torch", "timm", "openvino"}} & set(sys.modules)
sys.exit(code)
""")
    environment = dict(os.environ, PYTHONPATH=os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]))
    done = subprocess.run([sys.executable, str(script)], env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    result = json.loads((tmp_path / "out.json").read_text())
    assert result["model"]["backend"] == "onnx" and result["images"][0]["verdict"] != "PASS"
    assert (tmp_path / "out" / "part_overlay.png").is_file()


def test_auto_measures_once_and_says_why(tiny_model, monkeypatch):
    from hetnet_ros.inspection import choice

    first = PartInspector.load(tiny_model, "cpu", backend="auto")
    assert first.backend in choice.candidates("cpu") and first.choice.startswith(f"{first.backend} is the fastest here: ")
    monkeypatch.setattr(choice, "_measure", lambda *arguments: pytest.fail("measured again"))
    assert PartInspector.load(tiny_model, "cpu", backend="auto").choice == first.choice
