"""Half precision where the processor multiplies it faster than single precision."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext

import torch


def fast_autocast(device: torch.device) -> AbstractContextManager:
    """bfloat16 autocast on GPUs and CPUs with instructions for it, elsewhere nothing: without them it is slower."""
    return torch.autocast(device.type, torch.bfloat16) if multiplies_bfloat16(device) else nullcontext()


def multiplies_bfloat16(device: torch.device) -> bool:
    """Whether ``device`` has instructions for products of bfloat16."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    if device.type != "cpu" or not hasattr(torch.cpu, "get_capabilities"):
        return False
    found = torch.cpu.get_capabilities()
    return bool(found.get("avx512_bf16") or found.get("amx_bf16"))
