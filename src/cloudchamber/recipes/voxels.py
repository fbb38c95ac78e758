"""The family calo-voxels: from a preset to models of showers as voxels."""

from collections.abc import Sequence

from torch import nn

from cloudchamber.events import Merging, Showers
from cloudchamber.models.cascade import Cascade
from cloudchamber.models.diffusion import Diffusion
from cloudchamber.nets.layer_net import LayerNet
from cloudchamber.nets.mlp import VectorNet
from cloudchamber.nets.patches import PatchTransformer
from cloudchamber.nets.score_unet import ScoreUNet
from cloudchamber.nets.unet3d import UNet3d
from cloudchamber.process.objective import Varied
from cloudchamber.recipes.config import Preset
from cloudchamber.recipes.process import make_denoiser, make_objective, net_times
from cloudchamber.recipes.voxel_config import LayerStage, VoxelStage
from cloudchamber.represent.voxels import VoxelsRepresentation

__all__ = ["build_voxels", "fit_voxels"]


def fit_voxels(preset: Preset, samples: Sequence[Showers]) -> VoxelsRepresentation:
    """The representation of a preset.

    Args:
        preset: of the family calo-voxels.
        samples: of one calorimeter.
    """
    how = preset.voxels
    return VoxelsRepresentation.fit(
        Showers.concatenate(samples),
        Merging(*how.merge),
        with_layers=how.with_layers,
        scaled=how.scaled,
        noise=how.noise,
    )


def build_voxels(preset: Preset, representation: VoxelsRepresentation) -> Cascade:
    """An untrained model: energies of layers, if they come first, then voxels.

    Args:
        preset: of the family calo-voxels.
        representation: fitted on showers.
    """
    layers, voxels = preset.voxels.layers, preset.voxels.voxels
    vary = representation.mirrored if voxels.mirrored else representation.dense
    objective = Varied(make_objective(voxels.process), vary)
    stages: dict[str, nn.Module] = {}
    if representation.layers is not None:
        net = _layer_net(layers, len(representation.geometry.layers))
        stages["layers"] = Diffusion(make_denoiser(layers.process, net), make_objective(layers.process), layers.repeats)
    stages["voxels"] = Diffusion(make_denoiser(voxels.process, _voxel_net(voxels, representation)), objective)
    return Cascade(stages)


def _layer_net(stage: LayerStage, layers: int) -> nn.Module:
    if stage.net == "plain":
        return VectorNet(layers, 1, width=stage.width, depth=stage.blocks, times=net_times(stage.process))
    return LayerNet(layers, 1, width=stage.width, blocks=stage.blocks)


def _voxel_net(stage: VoxelStage, representation: VoxelsRepresentation) -> nn.Module:
    shape, told = representation.shape, [representation.context - 1, 1]
    sizes = [size for size in told if size]
    if stage.net == "unet":
        return UNet3d(
            shape, sizes[::-1], inputs=stage.inputs, widths=stage.widths, blocks=stage.blocks, embed=stage.embed
        )
    if stage.net == "score-unet":
        return ScoreUNet(shape, representation.context, widths=stage.widths, embed=stage.embed)
    return PatchTransformer(
        shape,
        stage.patch,
        representation.context,
        width=stage.width,
        depth=stage.depth,
        heads=stage.heads,
        expansion=stage.expansion,
        times=net_times(stage.process),
    )
