"""Checkpoints: all that a run needs to continue exactly, in tensors and plain containers.

Nothing in them is executed when they are read. A file is written under a temporary name and renamed, so that
an interruption leaves the last whole one.
"""

import io
import os
from collections.abc import Mapping
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import safetensors.torch
import torch
from safetensors import SafetensorError
from torch import Tensor

from cloudchamber.errors import InputError

__all__ = ["averaged_weights", "read_checkpoint", "write_checkpoint", "write_weights"]

_KEYS = {"model", "ema", "optimizer", "stream", "step", "elapsed", "random", "precision", "optimizer_name"}


def write_checkpoint(path: Path, state: Mapping[str, Any]) -> None:
    """Write the state of a run.

    Args:
        path: the file to make.
        state: tensors, numbers and strings in dictionaries and lists.

    Raises:
        InputError: if the operating system refuses.
    """
    buffer = io.BytesIO()
    torch.save(dict(state), buffer)
    _write(path, buffer.getvalue())


def read_checkpoint(path: Path) -> dict[str, Any]:
    """Read the state of a run onto the CPU; nothing in the file is executed.

    Args:
        path: a file that `write_checkpoint` made.

    Raises:
        InputError: if there is none, or it is damaged.
    """
    if not path.exists():
        raise InputError(f"there is no checkpoint '{path}' to continue from; start without --resume.")
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except (RuntimeError, UnpicklingError, EOFError, OSError, KeyError) as error:
        raise InputError(f"the checkpoint '{path}' is damaged; restore it or start a new run.") from error
    if not isinstance(state, dict) or not state.keys() >= _KEYS:
        raise InputError(f"'{path}' is not a training checkpoint; give the last.pt of a run.")
    return state


def write_weights(path: Path, weights: Mapping[str, Tensor], metadata: Mapping[str, str]) -> None:
    """Write weights as safetensors.

    Args:
        path: the file to make.
        weights: by name.
        metadata: stored in the header.
    """
    tensors = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in weights.items()}
    _write(path, safetensors.torch.save(tensors, dict(metadata)))


def averaged_weights(path: Path) -> dict[str, Tensor]:
    """The state of a model with averaged parameters, for `load_state_dict`.

    Args:
        path: a checkpoint `last.pt` or a snapshot `ema-*.safetensors`.

    Raises:
        InputError: if there is no such file, or it is damaged.
    """
    if path.suffix != ".safetensors":
        state = read_checkpoint(path)
        return {**state["model"], **state["ema"]["averages"]}
    try:
        return safetensors.torch.load_file(path)
    except FileNotFoundError:
        raise InputError(f"there is no file '{path}'; check the path.") from None
    except (SafetensorError, OSError) as error:
        raise InputError(f"the weights '{path}' are damaged; restore the file.") from error


def _write(path: Path, content: bytes) -> None:
    temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        temporary.write_bytes(content)
        os.replace(temporary, path)
    except OSError as error:
        raise InputError(f"cannot write '{path}' ({error.strerror}); free space or choose another --out.") from error
    finally:
        temporary.unlink(missing_ok=True)
