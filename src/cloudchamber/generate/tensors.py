r"""Events as tensors, through which derivatives pass: from conditions and weights to momenta.

With the noise z fixed by the seed, the electron (Q2, y) is a function of z and the weights of its stage, and momenta
are a function of z, of the electron and of the weights of the cloud's stage,

    p = p(z, Q2, y, species; weights),

the solution of a differential equation in few steps, each of which is differentiable. Which particles there are is
discrete: species are drawn (as in generation, until they obey the laws) or given, and have no derivative; so are the
masses of broad resonances. Momenta are those before projection and decays, of the particles that the model knows.
"""

import math
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from cloudchamber.generate.pipeline import Pipeline
from cloudchamber.generate.species import Species
from cloudchamber.models.diffusion import Diffusion
from cloudchamber.represent.differentiable import (
    Inclusive,
    electron_scores,
    electron_variables,
    hadron_momenta,
    hadronic_mass,
    lab_electrons,
    species_context,
)
from cloudchamber.tensors.batch import Batch
from cloudchamber.tensors.rng import EventRng

__all__ = ["TensorEvents", "sample_tensors"]


class TensorEvents(NamedTuple):
    """Events of B scattered electrons and up to N other particles each.

    Attributes:
        Q2: GeV2, shape (B,).
        y: shape (B,).
        electron: lab four-momenta (E, px, py, pz) of the scattered electrons, shape (B, 4), GeV.
        momenta: lab four-momenta of the other particles, zero on padding, shape (B, N, 4), GeV.
        pdg_id: their PDG numbers, zero on padding, shape (B, N).
        mask: real particles, shape (B, N).
        species: what can be given to `sample_tensors` again.
    """

    Q2: Tensor
    y: Tensor
    electron: Tensor
    momenta: Tensor
    pdg_id: Tensor
    mask: Tensor
    species: Species


def sample_tensors(
    pipeline: Pipeline, n: int, seed: int, electron: Inclusive | None = None, species: Species | None = None
) -> TensorEvents:
    """Events of a seed; derivatives pass to the electrons, if they are given, and to all weights that require them.

    Args:
        pipeline: of the model; its solver says how the stages are sampled. The precision is that of the weights.
        n: number of events B.
        seed: names the random streams, which are those of generation.
        electron: scattered electrons; drawn by the model if there are none.
        species: which particles there are; drawn by the model if they are not given.
    """
    numbers = range(n)
    table, first = pipeline.representation, EventRng(seed, numbers, 0, pipeline.device)
    if electron is None:
        electron = electron_variables(_electron(pipeline, n, first), table)
    phi = 2 * math.pi * first.uniform().cpu().double() - math.pi
    scattered = lab_electrons(Inclusive(*(value.double() for value in electron)), phi, table.beams)
    if species is None:
        species = _species(pipeline, electron, EventRng(seed, numbers, 1, pipeline.device))
    cloud = _cloud(pipeline, electron, species, EventRng(seed, numbers, 2, pipeline.device))
    momenta = hadron_momenta(cloud, species.kinds, species.masses, scattered, table)
    pdg_id = table.species.pdg_ids[species.kinds] * species.mask
    return TensorEvents(*electron, scattered, momenta * species.mask[..., None], pdg_id, species.mask, species)


def _electron(pipeline: Pipeline, n: int, rng: EventRng) -> Tensor:
    """Scores of electrons, shape (B, 2); the few that generation would draw again are kept."""
    stage = _diffusion(pipeline, "electron")
    like = next(stage.parameters())
    given = Batch(like.new_zeros(n, pipeline.representation.electron.SIZE), like.new_ones(n))
    solver = pipeline.solver
    return stage.sample(given, rng, solver.calls_of("electron"), solver.sampler_of("electron")).cpu()


def _species(pipeline: Pipeline, electron: Inclusive, rng: EventRng) -> Species:
    with torch.no_grad():
        known = Inclusive(*(value.detach().double() for value in electron))
        W = hadronic_mass(known, pipeline.representation.beams).numpy()
        scores = electron_scores(known, pipeline.representation).float()
        return pipeline.species.draw(scores, np.asarray(W), rng).species


def _cloud(pipeline: Pipeline, electron: Inclusive, species: Species, rng: EventRng) -> Tensor:
    """Momentum scores, shape (B, N, 3)."""
    stage, solver = _diffusion(pipeline, "cloud"), pipeline.solver
    like = next(stage.parameters())
    context = species_context(Inclusive(*(v.cpu() for v in electron)), species.mask.sum(1), pipeline.representation)
    given = Batch(
        like.new_zeros(*species.mask.shape, 3),
        like.new_ones(len(context)),
        context.to(like),
        species.mask.to(like.device),
        species.kinds.to(like.device),
        species.scores[..., None].to(like),
    )
    return stage.sample(given, rng, solver.calls_of("cloud"), solver.sampler_of("cloud")).cpu()


def _diffusion(pipeline: Pipeline, name: str) -> Diffusion:
    stage = pipeline.model[name]
    assert isinstance(stage, Diffusion)
    return stage
