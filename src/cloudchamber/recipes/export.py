r"""The networks of a model as ONNX files, for samplers in other languages.

    electron.onnx  (x, t)                                            -> velocity
    species.onnx   (kinds, levels, context)                          -> logits of what follows each kind
    cloud.onnx     (x, t, context, mask, kinds, mass_scores)         -> velocity

The velocities are dx/dt of the probability flow from noise at t = 1 to data at t = 0 (arXiv:2011.13456, Eq. 13); batch
and length are dynamic. What the inputs mean is said in `represent.cloud` and `models.autoregressive`; the metadata of
each file name the model, its digest, its schedule and its times.
"""

import logging
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from cloudchamber.errors import InputError
from cloudchamber.formats.atomic import atomic_path, explain_os_error
from cloudchamber.models.autoregressive import MultisetModel
from cloudchamber.models.diffusion import Diffusion
from cloudchamber.process.denoise import Denoiser
from cloudchamber.process.step import Field
from cloudchamber.recipes.store import TrainedModel, load_model
from cloudchamber.represent.cloud import CloudRepresentation
from cloudchamber.tensors.batch import Batch

__all__ = ["export"]

_OPSET = 18
_B, _N = 3, 5


@dataclass(frozen=True)
class _Network:
    """One file: a module, examples of its inputs by name, their dynamic dimensions, and the name of its output."""

    module: nn.Module
    inputs: Mapping[str, Tensor]
    dynamic: Mapping[str, Mapping[int, str]]
    output: str


def export(model: str, out: Path) -> list[Path]:
    """Write the sampling networks of a model as ONNX files.

    Args:
        model: a shipped model, a run's folder or a weights' file.
        out: folder for the files; made where it does not exist.

    Returns:
        The files.

    Raises:
        InputError: if the model cannot be exported, a package is missing, or the folder cannot be written.
    """
    try:
        import onnx  # noqa: F401
        import onnxscript  # noqa: F401
    except ImportError:
        raise InputError(
            "export needs the packages onnx and onnxscript; in a checkout, pip install '.[onnx]' brings them."
        ) from None
    trained = load_model(model)
    networks = _networks(trained)
    try:
        out.mkdir(parents=True, exist_ok=True)
        return [_write(name, network, trained, out) for name, network in networks.items()]
    except OSError as error:
        raise explain_os_error(error, out) from error


def _networks(trained: TrainedModel) -> dict[str, _Network]:
    representation = trained.representation
    if not isinstance(representation, CloudRepresentation):
        raise InputError("only models of the family cascade can be exported.")
    electron, species, cloud = (trained.model[name] for name in ("electron", "species", "cloud"))
    assert isinstance(electron, Diffusion)
    assert isinstance(species, MultisetModel)
    assert isinstance(cloud, Diffusion)
    for stage in (electron, cloud):
        if stage.denoiser.calls != 1 or type(stage.denoiser) is not Denoiser:
            raise InputError("this model cannot be exported: its stages have no velocity of one network call.")
    rows, sets = {0: "batch"}, {0: "batch", 1: "particles"}
    context = representation.CONTEXT
    told = representation.electron.CONDITIONS
    inputs = {"x": torch.randn(_B, representation.electron.SIZE), "t": torch.rand(_B)}
    inputs |= {"context": torch.randn(_B, told)} if told else {}
    return {
        "electron": _Network(_Velocity(electron.denoiser), inputs, dict.fromkeys(inputs, rows), "velocity"),
        "species": _Network(
            species.net,
            {
                "kinds": torch.randint(0, species.end, (_B, _N)),
                "levels": torch.randint(0, 5, (_B, _N, species.charges.shape[1])),
                "context": torch.randn(_B, context - 1),
            },
            {"kinds": {0: "batch", 1: "steps"}, "levels": {0: "batch", 1: "steps"}, "context": rows},
            "logits",
        ),
        "cloud": _Network(
            _CloudVelocity(cloud.denoiser),
            {
                "x": torch.randn(_B, _N, 3),
                "t": torch.rand(_B),
                "context": torch.randn(_B, context),
                "mask": torch.arange(_N) < torch.tensor([[5], [3], [2]]),
                "kinds": torch.randint(0, len(representation.species), (_B, _N)),
                "mass_scores": torch.randn(_B, _N, 1),
            },
            {"x": sets, "t": rows, "context": rows, "mask": sets, "kinds": sets, "mass_scores": sets},
            "velocity",
        ),
    }


class _Velocity(nn.Module):
    """A denoiser's velocity for rows at times of their own."""

    def __init__(self, denoiser: Denoiser) -> None:
        super().__init__()
        self.denoiser = denoiser

    def forward(self, x: Tensor, t: Tensor, context: Tensor | None = None) -> Tensor:
        given = Batch(x, t, context)
        return _velocity(self.denoiser, x, t, given)


class _CloudVelocity(nn.Module):
    """A cloud denoiser's velocity, zero on padding."""

    def __init__(self, denoiser: Denoiser) -> None:
        super().__init__()
        self.denoiser = denoiser

    def forward(  # noqa: PLR0917  an ONNX file takes its inputs one by one
        self, x: Tensor, t: Tensor, context: Tensor, mask: Tensor, kinds: Tensor, mass_scores: Tensor
    ) -> Tensor:
        given = Batch(x, t, context, mask, kinds, mass_scores)
        return Field(self.denoiser, given).real(_velocity(self.denoiser, x, t, given))


def _velocity(denoiser: Denoiser, x: Tensor, t: Tensor, given: Batch) -> Tensor:
    at = denoiser.schedule(t.view(-1, *[1] * (x.dim() - 1)))
    return denoiser.predict(x, t, given).velocity(at)


def _write(name: str, network: _Network, trained: TrainedModel, out: Path) -> Path:
    path = out / f"{name}.onnx"
    shapes = [dict.fromkeys(axes, torch.export.Dim.DYNAMIC) for axes in network.dynamic.values()]
    with atomic_path(path) as temporary, _quiet():
        program = torch.onnx.export(
            network.module.eval(), tuple(network.inputs.values()), dynamo=True, opset_version=_OPSET, verbose=False,
            input_names=list(network.inputs), output_names=[network.output], dynamic_shapes=tuple(shapes),
        )  # fmt: skip
        assert program is not None
        _name_dimensions(program.model.graph, network)
        program.model.metadata_props.update(_description(name, trained))
        program.save(temporary)
    return path


def _name_dimensions(graph: Any, network: _Network) -> None:  # noqa: ANN401
    """Give the dynamic dimensions the names that they have in `network` instead of the exporter's."""
    given = {
        str(value.shape[axis]): name for value in graph.inputs for axis, name in network.dynamic[value.name].items()
    }
    for value in (*graph.inputs, *graph.outputs):
        value.shape = type(value.shape)([given.get(str(d), d) if not isinstance(d, int) else d for d in value.shape])


def _description(name: str, trained: TrainedModel) -> dict[str, str]:
    preset, stage = trained.card.preset, trained.model[name]
    told = {"model": preset.name, "model_sha256": trained.digest, "stage": name}
    if isinstance(stage, Diffusion):
        span = stage.denoiser.span
        told |= {
            "schedule": getattr(preset, name).process.schedule,
            "times": f"{span.high} to {span.low}",
            "calls": str(preset.sampling.calls),
            "sampler": preset.sampling.sampler,
        }
    return told


@contextmanager
def _quiet() -> Iterator[None]:
    """No warnings and no log of the exporter, which speaks of its own workings."""
    loggers = [logging.getLogger(name) for name in ("torch.onnx", "onnxscript", "onnx_ir")]
    before = [logger.level for logger in loggers]
    try:
        for logger in loggers:
            logger.setLevel(logging.ERROR)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in zip(loggers, before, strict=True):
            logger.setLevel(level)
