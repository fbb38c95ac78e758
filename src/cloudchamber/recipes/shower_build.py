"""From a preset to a representation of showers, and with it to an untrained model."""

from torch import Tensor, nn

from cloudchamber.events import Showers
from cloudchamber.models.cascade import Cascade
from cloudchamber.models.cell_hits import AMOUNTS
from cloudchamber.models.cell_hits import NUMBERS as OF_HITS
from cloudchamber.models.cell_maps import CHANNELS
from cloudchamber.models.cells import CellsModel
from cloudchamber.models.counts import CountsModel
from cloudchamber.models.diffusion import Diffusion
from cloudchamber.models.quantile_bins import QuantileBins
from cloudchamber.models.shares import NUMBERS as OF_SHARES
from cloudchamber.models.shares import SharesModel
from cloudchamber.nets.cells import CellNet
from cloudchamber.nets.mlp import VectorNet
from cloudchamber.nets.steps import StepNet
from cloudchamber.nets.transformer import SetTransformer
from cloudchamber.process.objective import Varied
from cloudchamber.recipes.config import Preset
from cloudchamber.recipes.process import make_denoiser, make_objective, net_times
from cloudchamber.recipes.shower_config import CellStage, SetStage, ShareStage
from cloudchamber.represent.cell_hits import CellsRepresentation
from cloudchamber.represent.hits import HitsRepresentation

__all__ = ["build_showers", "fit_showers", "restore_showers"]

ShowerRepresentation = HitsRepresentation | CellsRepresentation


def fit_showers(preset: Preset, showers: Showers) -> ShowerRepresentation:
    """The representation that a preset wants.

    Args:
        preset: of the family calo.
        showers: to fit it to.
    """
    return (HitsRepresentation if preset.shower.cells is None else CellsRepresentation).fit(showers)


def restore_showers(state: dict[str, Tensor]) -> ShowerRepresentation:
    """The representation that a state came from.

    Args:
        state: tensors by name.
    """
    return (CellsRepresentation if "prior" in state else HitsRepresentation).from_state(state)


def build_showers(preset: Preset, representation: ShowerRepresentation) -> Cascade:
    """An untrained cascade: visible energy, counts, layers, hits.

    Args:
        preset: sizes of the networks.
        representation: fitted on showers.
    """
    stages, layers = preset.shower, len(representation.geometry.layers)
    visible, counts = stages.visible, stages.counts
    net = VectorNet(
        1, representation.VISIBLE_CONTEXT, width=visible.width, depth=visible.depth, times=net_times(visible.process)
    )
    denoiser = make_denoiser(visible.process, net)
    first: dict[str, nn.Module] = {
        "visible": Diffusion(denoiser, make_objective(visible.process), visible.repeats),
        "counts": CountsModel(
            layers, representation.most, representation.COUNTS_CONTEXT, width=counts.width, depth=counts.depth,
            dropout=counts.dropout,
        ),
    }  # fmt: skip
    if isinstance(representation, HitsRepresentation):
        return Cascade({**first, **_diffusion_stages(preset, representation)})
    assert stages.shares is not None
    assert stages.cells is not None
    return Cascade({
        **first,
        "layers": _shares_model(stages.shares, representation),
        "hits": _cells_model(stages.cells, representation),
    })  # fmt: skip


def _diffusion_stages(preset: Preset, representation: HitsRepresentation) -> dict[str, nn.Module]:
    stages, layers = preset.shower, len(representation.geometry.layers)
    layers_net = _set_net(1, layers, representation.CONTEXT, representation.LAYER_CONTEXT, stages.layers)
    hits_net = _set_net(3, layers, representation.CONTEXT, representation.HIT_CONTEXT, stages.hits)
    objective = Varied(make_objective(stages.hits.process), representation.vary)
    return {
        "layers": Diffusion(make_denoiser(stages.layers.process, layers_net), make_objective(stages.layers.process)),
        "hits": Diffusion(make_denoiser(stages.hits.process, hits_net), objective),
    }


def _shares_model(stage: ShareStage, representation: CellsRepresentation) -> SharesModel:
    layers = len(representation.geometry.layers)
    net = StepNet(
        layers, OF_SHARES, representation.CONTEXT + layers, stage.bins,
        width=stage.width, depth=stage.depth, heads=stage.heads, dropout=stage.dropout,
    )  # fmt: skip
    return SharesModel(net, QuantileBins(representation.layers_map, stage.bins), stage.smoothing)


def _cells_model(stage: CellStage, representation: CellsRepresentation) -> CellsModel:
    layers, first, second = representation.prior.shape
    net = CellNet(
        layers=layers,
        shape=(first, second),
        context=representation.CONTEXT + representation.PROFILE * layers,
        profile=representation.PROFILE,
        numbers=OF_HITS,
        amounts=AMOUNTS,
        channels=CHANNELS,
        bins=stage.bins,
        width=stage.width,
        depth=stage.depth,
        heads=stage.heads,
        hidden=stage.hidden,
    )
    bins = QuantileBins(representation.shares_map, stage.bins)
    return CellsModel(net, bins, representation.prior, representation.PROFILE, representation.vary)


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
