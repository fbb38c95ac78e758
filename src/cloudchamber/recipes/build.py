"""From a preset and a fitted representation to a model: `cascade`, `image`, or as OmniLearn is built."""

import torch
from torch import nn

from cloudchamber.events import Level
from cloudchamber.models.autoregressive import MultisetModel
from cloudchamber.models.cascade import Cascade
from cloudchamber.models.diffusion import Diffusion
from cloudchamber.models.raster import Rasterised
from cloudchamber.nets.mlp import VectorNet
from cloudchamber.nets.pet import EventNet, PointEdgeTransformer
from cloudchamber.nets.transformer import SetTransformer
from cloudchamber.nets.unet import UNet
from cloudchamber.physics.pdg import quantum_table
from cloudchamber.process.objective import PerElement
from cloudchamber.process.slab import Slab
from cloudchamber.process.spike_slab import Marginals
from cloudchamber.recipes.config import Preset, Process
from cloudchamber.recipes.process import (
    make_denoiser,
    make_objective,
    net_outputs,
    net_times,
    with_guess,
    with_marginals,
)
from cloudchamber.represent.cloud import CloudRepresentation
from cloudchamber.represent.image import EMPTY, ImageRepresentation
from cloudchamber.represent.pair_kinematics import PairKinematics
from cloudchamber.represent.published import PublishedRepresentation

__all__ = ["build_image", "build_model", "build_omnilearn", "conserved_columns"]

_PROTON = 2212
_RESOLUTION = 0.02
"""To which values of pixels are known; a finer one only adds the same constant of every empty pixel to L_0."""
_ROWS = 1
"""The dimension of the rows in a batch of images; along it lies a column."""


def conserved_columns(level: Level) -> tuple[int, ...]:
    """Columns of `physics.pdg.quantum_table` that every event conserves and that imply all others.

    At `primary` the net flavours of the hadrons are the proton's, which implies charge and baryon number; after weak
    decays only charge, baryon and lepton numbers are left.

    Args:
        level: which hadrons have decayed.
    """
    return (2, 3, 4, 5, 6, 7, 8, 9) if level is Level.PRIMARY else (0, 1, 2, 3, 4)


def build_model(preset: Preset, representation: CloudRepresentation) -> Cascade:
    """An untrained cascade: electron, species, cloud.

    Args:
        preset: sizes of the networks, and the level of the events.
        representation: fitted on events of that level.
    """
    columns = conserved_columns(preset.level)
    charges = torch.from_numpy(representation.species.charges(columns))
    total = torch.from_numpy(quantum_table([_PROTON])[0, list(columns)])
    context, features = representation.CONTEXT, 3
    electron, species, cloud = preset.electron, preset.species, preset.cloud
    size = representation.electron.SIZE
    electron_net = VectorNet(
        size,
        representation.electron.CONDITIONS,
        width=electron.width,
        depth=electron.depth,
        outputs=net_outputs(electron.process, size),
        times=net_times(electron.process),
    )
    cloud_net = SetTransformer(
        features,
        len(representation.species),
        context,
        token_context=1,
        width=cloud.width,
        depth=cloud.depth,
        heads=cloud.heads,
        expansion=cloud.expansion,
        outputs=net_outputs(cloud.process, features),
        times=net_times(cloud.process),
        pairs=PairKinematics(representation) if cloud.pairs else None,
        neighbours=cloud.neighbours,
    )
    return Cascade(
        {
            "electron": _diffusion(electron.process, electron_net, electron.repeats),
            "species": MultisetModel(charges, total, context - 1, width=species.width, depth=species.depth),
            "cloud": _diffusion(cloud.process, cloud_net),
        }
    )


def build_omnilearn(preset: Preset, representation: PublishedRepresentation) -> Cascade:
    """An untrained model as arXiv:2410.22421 builds it: event features, then particles.

    Its losses are those of the public code: the mean over event features, plus the squared errors of all particles over
    their number. The code draws one time for both stages of an event, here each draws its own: the expected gradient is
    the same.

    Args:
        preset: sizes of the networks.
        representation: fitted on events.
    """
    event, particles = preset.event, preset.particles
    event_net = EventNet(representation.EVENT, width=event.width, blocks=event.blocks)
    particle_net = PointEdgeTransformer(
        representation.features,
        representation.EVENT,
        points=representation.points,
        width=particles.width,
        body_blocks=particles.body_blocks,
        head_blocks=particles.head_blocks,
        heads=particles.heads,
        neighbours=particles.neighbours,
        padding=None if particles.hide_padding else representation.MOST,
    )
    per_particle = PerElement(make_objective(particles.process))
    return Cascade(
        {
            "event": _diffusion(event.process, event_net),
            "particles": Diffusion(make_denoiser(particles.process, particle_net), per_particle),
        }
    )


def build_image(preset: Preset, representation: ImageRepresentation) -> Cascade:
    """An untrained model of images as arXiv:2310.16308 builds it, a U-Net that is periodic in azimuth.

    Args:
        preset: sizes of the network.
        representation: fitted on events.
    """
    image, process = preset.image, preset.image.process
    rows, columns, channels = representation.shape
    alone = image.guess == "marginal"
    net: nn.Module = UNet(
        (rows, columns, (3 + image.rivals) * channels if alone else channels),
        net_outputs(process, channels) + ((1 + image.rivals) * channels if alone else 0),
        widths=image.widths,
        blocks=image.blocks,
        heads=image.heads,
        attention=image.attention,
        patch=image.patch,
        places=image.places,
        head=image.head,
    )
    if alone:
        column = _ROWS if image.rivals else None
        net = with_marginals(process, net, _marginals(representation), representation.deviation, rivals=column)
    elif image.guess == "linear":
        net = with_guess(process, net, EMPTY, representation.deviation)
    model = Diffusion(make_denoiser(process, net), make_objective(process, _RESOLUTION))
    return Cascade({"image": Rasterised(model, representation.shape, EMPTY)})


def _marginals(representation: ImageRepresentation) -> Marginals:
    """What single pixels hold; components are as wide as their intervals' distance allows without gaps between them."""
    rates, coarse, fine = representation.rates[..., None], representation.slab, representation.fine
    centres, fine_centres = representation.centres(coarse), representation.centres(fine)
    slab = Slab(
        fine_centres,
        float(fine_centres[1] - fine_centres[0]) / 2,
        fine[:, None].expand(*representation.shape, -1),
        representation.rescaling.window,
    )
    return Marginals(EMPTY, centres, float(centres[1] - centres[0]) / 2, rates * coarse[:, None], slab=slab)


def _diffusion(process: Process, net: nn.Module, repeats: int = 1) -> Diffusion:
    return Diffusion(make_denoiser(process, net), make_objective(process), repeats)
