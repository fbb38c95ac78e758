"""From a preset and a fitted representation to an untrained model of showers."""

from torch import nn

from cloudchamber.models.cascade import Cascade
from cloudchamber.models.counts import CountsModel
from cloudchamber.models.diffusion import Diffusion
from cloudchamber.nets.mlp import VectorNet
from cloudchamber.nets.transformer import SetTransformer
from cloudchamber.process.objective import Varied
from cloudchamber.recipes.config import Preset
from cloudchamber.recipes.process import make_denoiser, make_objective, net_times
from cloudchamber.recipes.shower_config import SetStage
from cloudchamber.represent.hits import HitsRepresentation

__all__ = ["build_showers"]


def build_showers(preset: Preset, representation: HitsRepresentation) -> Cascade:
    """An untrained cascade: visible energy, counts, layers, hits.

    Args:
        preset: sizes of the networks.
        representation: fitted on showers.
    """
    stages, layers = preset.shower, len(representation.geometry.layers)
    visible, counts, hits = stages.visible, stages.counts, stages.hits
    visible_net = VectorNet(
        1, representation.VISIBLE_CONTEXT, width=visible.width, depth=visible.depth, times=net_times(visible.process)
    )
    layers_net = _set_net(1, layers, representation.CONTEXT, representation.LAYER_CONTEXT, stages.layers)
    hits_net = _set_net(3, layers, representation.CONTEXT, representation.HIT_CONTEXT, hits)
    objective = Varied(make_objective(hits.process), representation.vary)
    return Cascade({
        "visible": Diffusion(
            make_denoiser(visible.process, visible_net), make_objective(visible.process), visible.repeats
        ),
        "counts": CountsModel(
            layers, representation.most, representation.COUNTS_CONTEXT, width=counts.width, depth=counts.depth
        ),
        "layers": Diffusion(make_denoiser(stages.layers.process, layers_net), make_objective(stages.layers.process)),
        "hits": Diffusion(make_denoiser(hits.process, hits_net), objective),
    })  # fmt: skip


def _set_net(features: int, tokens: int, context: int, token_context: int, stage: SetStage) -> nn.Module:
    return SetTransformer(
        features,
        tokens,
        context,
        token_context=token_context,
        width=stage.width,
        depth=stage.depth,
        heads=stage.heads,
        expansion=stage.expansion,
        times=net_times(stage.process),
    )
