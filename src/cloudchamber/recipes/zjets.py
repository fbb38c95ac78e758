"""The family zjets: from a preset to models of muons and jets, and to what makes their blocks."""

from collections.abc import Sequence

from torch import nn

from cloudchamber.errors import InputError
from cloudchamber.events import Events, RunInfo
from cloudchamber.generate.pipeline import Finisher, Solver
from cloudchamber.generate.vector import JetRegion, VectorPipeline
from cloudchamber.models.cascade import Cascade
from cloudchamber.models.diffusion import Diffusion
from cloudchamber.models.flow import SplineFlow
from cloudchamber.models.jetgpt import JetGPT
from cloudchamber.models.present import Present
from cloudchamber.nets.mlp import VectorNet
from cloudchamber.recipes.config import Preset
from cloudchamber.recipes.process import make_denoiser, make_objective, net_outputs, net_times
from cloudchamber.represent.vector import EVENT, STAGES, VectorRepresentation

__all__ = ["build_zjets", "fit_zjets", "zjets_pipeline"]


def fit_zjets(preset: Preset, samples: Sequence[Events]) -> VectorRepresentation:
    """The representation of a preset.

    Args:
        preset: of the family zjets.
        samples: one.

    Raises:
        InputError: if the events are not muons and jets inside of the cuts, or of several beams.
    """
    if len(samples) > 1:
        raise InputError("the events are of several beams, but a model of jets learns those of one; train on one part.")
    vector = preset.vector
    return VectorRepresentation.fit(
        samples[0], azimuth=vector.azimuth, ordered=vector.ordered, muons=vector.muons, threshold=vector.threshold,
        layout="sequence" if vector.model == "jetgpt" else "chain",
    )  # fmt: skip


def build_zjets(preset: Preset, representation: VectorRepresentation) -> Cascade:
    """An untrained model.

    Args:
        preset: of the family zjets.
        representation: fitted on events.
    """
    vector = preset.vector
    if vector.model == "jetgpt":
        model = JetGPT(
            representation.rules(), representation.CONDITIONS, components=vector.components, near=vector.near,
            width=vector.width, depth=vector.depth, heads=vector.heads, dropout=vector.dropout,
        )  # fmt: skip
        return Cascade({EVENT: model})
    sizes = enumerate(zip(STAGES, representation.sizes, strict=True))
    return Cascade({name: Present(_stage(preset, size, representation.context_size(k))) for k, (name, size) in sizes})


def _stage(preset: Preset, size: int, context: int) -> nn.Module:
    vector = preset.vector
    if vector.model == "flow":
        return SplineFlow(size, context, couplings=vector.couplings, width=vector.width, depth=vector.depth,
                          bins=vector.bins)  # fmt: skip
    process = vector.process
    net = VectorNet(size, context, width=vector.width, depth=vector.depth, outputs=net_outputs(process, size),
                    times=net_times(process))  # fmt: skip
    return Diffusion(make_denoiser(process, net), make_objective(process))


def zjets_pipeline(
    representation: VectorRepresentation,
    model: Cascade,
    run: RunInfo,
    finisher: Finisher | None,
    *,
    solver: Solver,
    device: str,
    region: JetRegion | None,
) -> VectorPipeline:
    """What makes blocks of events.

    Args:
        representation: of the model.
        model: trained.
        run: metadata.
        finisher: none, since jets do not decay.
        solver: how diffusion stages are sampled.
        device: where the networks run.
        region: how many jets, and whether events outside of the cuts are drawn again.
    """
    assert finisher is None
    return VectorPipeline(representation, model, run, solver=solver, device=device, region=region)
