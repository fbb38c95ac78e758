"""What this machine can do, and how much of it a process takes."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

import torch

__all__ = ["default_workers", "multiplies_bfloat16", "one_thread"]


@contextmanager
def one_thread() -> Iterator[None]:
    """Compute with one thread, as worker processes do, so that the numbers are the same."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def default_workers() -> int:
    """Worker processes that this machine can feed."""
    return len(os.sched_getaffinity(0))


def multiplies_bfloat16(device: str) -> bool:
    """Whether a device has instructions for products of bfloat16, without which they are slower than float32.

    Args:
        device: `cpu` or `cuda`.
    """
    if torch.device(device).type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    able = torch.cpu.get_capabilities()
    return bool(able.get("avx512_bf16") or able.get("amx_bf16"))
