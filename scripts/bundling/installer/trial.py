"""Loads what was just installed, in the environment that users will have: ``python -c`` of this file, expectations as JSON.

The imports also leave bytecode behind, which other users may not be allowed to write.
"""

import importlib
import json
import os
import sys

expected = json.loads(sys.argv[1])
modules = ["numpy", "torch", "torchvision", "timm", "cv2", "safetensors.torch", "sklearn.metrics", "scipy.stats", "PIL.Image", "yaml",
           "tqdm", "rosbags", "mcap", "zstandard", "onnx", "onnxruntime", "openvino", "hetnet_ros.cli.main"]
if expected["ros"]:
    modules += ["rclpy", "sensor_msgs.msg", "hetnet_ros.msg", "hetnet_ros.nodes.inspector"]
for name in modules:
    try:
        # Some runtimes would leave an id of the machine in the home folder of whoever installs, and report it.
        quiet = importlib.import_module("hetnet_ros.inspection.backends.quiet_import")
        (quiet.quiet_import if name in quiet.REPORTING else importlib.import_module)(name)
    except Exception as error:
        sys.exit(f"error: {name} does not import: {(str(error).strip().splitlines() or [type(error).__name__])[0]}")

import numpy  # noqa: E402
import torch  # noqa: E402

import hetnet_ros  # noqa: E402
from hetnet_ros.network.weights import resolve_weights  # noqa: E402

try:
    torch.from_numpy(numpy.zeros(1))
except RuntimeError as error:
    sys.exit(f"error: torch {torch.__version__} does not work with numpy {numpy.__version__}: {error}")
if not os.path.realpath(hetnet_ros.__file__).startswith(os.path.realpath(expected["prefix"]) + os.sep):
    sys.exit(f"error: another hetnet_ros comes first: {hetnet_ros.__file__} (PYTHONPATH?)")
if expected["ros"]:
    from hetnet_ros.msg import Inspection

    type(Inspection).__import_type_support__()
for model, facts in expected["models"].items():
    found = resolve_weights(model, allow_hub=False)
    if found.sha256 != facts["sha256"]:
        sys.exit(f"error: the weights of {model} are not those of the bundle: {found.source} comes first")
