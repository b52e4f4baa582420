"""What ``--backend`` means, in the words of every command that has it."""

from __future__ import annotations

from hetnet_ros.inspection.backends.interface import BACKENDS

BACKEND_HELP = (
    f"file (torch, or what the model was exported for), auto (the fastest here), or {', '.join(BACKENDS)} (default: file)"
)
