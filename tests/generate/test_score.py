"""Densities against integrals that know nothing of the model, and events that have no finite density."""

from typing import NamedTuple

import awkward as ak
import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import nn

from cloudchamber.events import Beams, Cuts, Events, RunInfo
from cloudchamber.generate.acceptance import AcceptanceModel
from cloudchamber.generate.pipeline import Pipeline, Solver, assemble
from cloudchamber.generate.score import Scorer, Scores, ScoreSolver
from cloudchamber.generate.species import SpeciesStage
from cloudchamber.models.autoregressive import MultisetModel
from cloudchamber.models.cascade import Cascade
from cloudchamber.models.diffusion import Diffusion
from cloudchamber.nets.mlp import VectorNet
from cloudchamber.nets.transformer import SetTransformer
from cloudchamber.physics.dis import ELECTRON_MASS, dis_variables, electron_momentum
from cloudchamber.process.denoise import Denoiser
from cloudchamber.process.likelihood import ExactTrace
from cloudchamber.process.schedule import Rectified
from cloudchamber.represent.cloud import CloudRepresentation, four_momenta, to_lab

Array = NDArray[np.float64]
BEAMS = Beams(electron=10, hadron=275)
RUN = RunInfo(beams=BEAMS, cuts=Cuts(q2_min=25.0))
PION = 0.13957
LOW, HIGH = np.array([np.log(25.0), 0.3]), np.array([np.log(200.0), 0.9])
"""Of ln Q2 and b = 1 - ln y / ln(Q2 / s)."""


class Drawn(NamedTuple):
    """Events of an electron and two pi+, and the logarithm of the density that they were drawn from."""

    events: Events
    log_q: Array


def two_pions(n: int, seed: int, *, margin: float = 0.0, wider: float = 1.0) -> Drawn:
    """ln Q2, b and azimuth uniform; transverse momenta and rapidities of the pions normal in the hadronic frame."""
    rng = np.random.default_rng(seed)
    low, high = LOW - margin, HIGH + margin
    (a, b), phi = rng.uniform(low, high, (n, 2)).T, rng.uniform(-np.pi, np.pi, n)
    lowest = a - np.log(4 * BEAMS.electron * BEAMS.hadron)  # of ln y, where x = 1
    scattered = electron_momentum(np.exp(a), np.exp(lowest * (1 - b)), phi, BEAMS)
    spread, height = 0.5 * wider, 1.0 * wider
    px, py = rng.normal(0, spread, (2, 2 * n))
    Y = rng.normal(0, height, 2 * n)
    mt = np.sqrt(PION**2 + px**2 + py**2)
    inside = np.stack([mt * np.cosh(Y), px, py, mt * np.sinh(Y)], axis=-1)
    event = np.repeat(np.arange(n), 2)
    lab = to_lab(inside, event, scattered, BEAMS)
    each = -(px**2 + py**2) / (2 * spread**2) - Y**2 / (2 * height**2)
    each -= np.log(2 * np.pi * spread**2) + np.log(2 * np.pi) / 2 + np.log(height)
    log_q = each.reshape(n, 2).sum(1) + np.log(2.0) - np.log(high - low).sum() - np.log(-lowest) - np.log(2 * np.pi)
    columns = {"pdg_id": np.full(2 * n, 211), "px": lab[:, 1], "py": lab[:, 2], "pz": lab[:, 3]}
    mass = np.full(n, ELECTRON_MASS)
    return Drawn(assemble(scattered, columns | {"mass": np.full(2 * n, PION)}, event, RUN, mass), log_q)


class Toy(NamedTuple):
    representation: CloudRepresentation
    model: Cascade
    scorer: Scorer


@pytest.fixture(scope="module")
def toy() -> Toy:
    """A cascade of random networks, whose only lawful list is pi+ pi+."""
    representation = CloudRepresentation.fit(two_pions(4_000, 1).events)
    with torch.random.fork_rng():
        torch.manual_seed(7)
        electron = VectorNet(2, width=12, depth=1)
        cloud = SetTransformer(3, 1, 4, token_context=1, width=12, depth=1, heads=2, expansion=1)
        species = MultisetModel(torch.ones(1, 1).long(), torch.tensor([2]), 3, width=8, depth=1, longest=8)
        for net, spread in ((electron.outputs, 0.05), (cloud.outputs, 0.1)):
            nn.init.normal_(net.weight, std=spread)
    stages = {
        "electron": Diffusion(Denoiser(electron, Rectified())),
        "species": species,
        "cloud": Diffusion(Denoiser(cloud, Rectified())),
    }
    model = Cascade(stages).eval().requires_grad_(False)
    acceptance = AcceptanceModel.fit(SpeciesStage(representation, species, "cpu"), 4_000, 1)
    solver = ScoreSolver(lambda rng: ExactTrace(), ExactTrace, 8, 1.0)
    return Toy(representation, model, Scorer(representation, model, acceptance, solver))


@pytest.fixture(scope="module")
def proposed() -> Drawn:
    return two_pions(2_500, 5, margin=0.02, wider=1.15)


@pytest.fixture(scope="module")
def scored(toy: Toy, proposed: Drawn) -> Scores:
    return toy.scorer.score(proposed.events)


def test_the_density_integrates_to_one(proposed: Drawn, scored: Scores) -> None:
    """Over the electron and two identical particles: nine dimensions in lab momenta, from points of known density."""
    weight = np.exp(scored.log_density - proposed.log_q)
    error = weight.std() / np.sqrt(len(weight))
    assert error < 0.04
    assert abs(weight.mean() - 1) < 4 * error


def test_integrals_of_the_density_are_shares_of_what_the_model_draws(toy: Toy, proposed: Drawn, scored: Scores) -> None:
    """Of Q2, y, pT and rapidities, and not of the proposal, nor what maps without networks would give."""
    pipeline = Pipeline(toy.representation, toy.model, RUN, None, solver=Solver(32, "rk4", project=False))
    drawn = Events.concatenate([pipeline.block(number, 3).events for number in range(6)])
    weight = np.exp(scored.log_density - proposed.log_q)
    for number, (made, other) in enumerate(zip(observed(drawn), observed(proposed.events), strict=True)):
        for cut in np.quantile(made, [0.15, 0.5, 0.85]):
            share, inside = (made < cut).mean(), other < cut
            integral = (weight * inside).mean()
            error = np.hypot((weight * inside).std() / np.sqrt(len(weight)), np.sqrt(share * (1 - share) / len(made)))
            assert abs(integral - share) < 4 * error, (number, cut)
    assert np.abs(weight - weight.mean()).mean() > 0.2


def observed(events: Events) -> list[Array]:
    v = dis_variables(four_momenta(events.electron), BEAMS)
    pt, rapidity = (ak.to_numpy(getattr(events.hadronic, name)) for name in ("pt", "eta"))
    return [np.log(v.Q2), v.y, pt.max(1), np.abs(rapidity[:, 0] - rapidity[:, 1])]


def test_redrawing_is_corrected_for(scored: Scores) -> None:
    """The one lawful list has probability one after redrawing, however seldom it is drawn."""
    finite = np.isfinite(scored.log_density)
    assert scored.species[finite].mean() < -0.5
    pull = (scored.species + scored.conservation)[finite] / scored.conservation_error[finite]
    assert np.abs(pull).max() < 5
    assert np.quantile(scored.conservation_error[finite], 0.9) < 0.3


def edited(events: Events, row: int, particle: int, **values: float) -> Events:
    columns = {name: events.flat(name).copy() for name in events.columns}
    for name, value in values.items():
        columns[name][events.offsets[row] + particle] = value
    return Events.from_flat(events.counts, columns, events.weight, events.run)


def test_odd_events_lose_no_others(toy: Toy, proposed: Drawn) -> None:
    events = proposed.events[:40]
    before = toy.scorer.score(events, 100)
    odd = edited(events, 3, 1, pdg_id=5332)
    odd = edited(odd, 5, 2, px=np.nan)
    odd = edited(odd, 8, 0, pdg_id=211)
    odd = edited(odd, 9, 0, pz=300.0)
    odd = Events(ak.concatenate([odd.particles[:12], odd.particles[12:13, :2], odd.particles[13:]]), odd.weight, RUN)
    after = toy.scorer.score(odd, 100)
    assert np.array_equal(after.event, np.arange(100, 140))
    assert np.flatnonzero(np.isnan(after.log_density)).tolist() == [5, 8]
    assert np.flatnonzero(np.isneginf(after.log_density) & ~np.isneginf(before.log_density)).tolist() == [3, 9, 12]
    assert np.isfinite(after.species[12])
    assert np.isneginf(after.conservation[12])
    left = np.setdiff1d(np.arange(40), [3, 5, 8, 9, 12])
    np.testing.assert_allclose(after.log_density[left], before.log_density[left], atol=1e-4)


def test_the_order_of_particles_does_not_matter(toy: Toy, proposed: Drawn) -> None:
    events = proposed.events[:20]
    turned = Events(events.particles[:, [0, 2, 1]], events.weight, events.run)
    one, other = toy.scorer.score(events), toy.scorer.score(turned)
    np.testing.assert_allclose(one.log_density, other.log_density, atol=1e-3)


def test_the_acceptance_is_recovered_within_its_error() -> None:
    u = torch.randn(20_000, 2, generator=torch.Generator().manual_seed(1))
    truth = torch.sigmoid(1.5 + 0.6 * u[:, 0] - 0.4 * u[:, 1] * u[:, 0])
    lawful = torch.rand(len(u), generator=torch.Generator().manual_seed(2)) < truth
    fitted = AcceptanceModel.of(u, lawful).log_prob(u[:500])
    pull = (fitted.value - truth[:500].double().log()) / fitted.error
    assert 0.3 < pull.square().mean().sqrt() < 2
    assert fitted.error.mean() < 0.02
    certain = AcceptanceModel.of(u, torch.ones(len(u), dtype=torch.bool)).log_prob(u[:5])
    assert certain.value.abs().max() < 0.01
