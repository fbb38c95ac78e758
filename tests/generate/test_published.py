"""Blocks of the published chain: what the stages draw comes out, and an electron without direction does not."""

import awkward as ak
import numpy as np
import pytest
import torch
from torch import Tensor, nn

from cloudchamber.events import Events, RunInfo
from cloudchamber.generate.pipeline import BLOCK, Solver
from cloudchamber.generate.published import PublishedPipeline
from cloudchamber.models.cascade import Cascade
from cloudchamber.models.diffusion import Diffusion
from cloudchamber.physics.kinematics import azimuth_difference
from cloudchamber.process.denoise import Denoiser
from cloudchamber.process.schedule import CosineLogSNR
from cloudchamber.process.step import Sampler
from cloudchamber.represent.published import ACCEPTANCE, AZIMUTHS, PublishedRepresentation
from cloudchamber.tensors.batch import Batch
from cloudchamber.tensors.rng import Rng


class Recites(Diffusion):
    """Draws what it was given, in the order of its rows."""

    def __init__(self, x: Tensor, spoilt: int = 0) -> None:
        super().__init__(Denoiser(nn.Identity(), CosineLogSNR(), "v"))
        self.x, self.spoilt, self.calls = x, spoilt, list[int]()

    def sample(self, given: Batch, rng: Rng, calls: int = 16, sampler: str | Sampler = "heun") -> Tensor:
        self.calls.append(calls)
        rows, self.x = self.x[: len(given)].clone(), self.x[len(given) - self.spoilt :]
        rows[len(rows) - self.spoilt :, 0] = -99.0
        self.spoilt = 0
        return rows if given.mask is None else rows[:, : given.mask.shape[1]]


@pytest.fixture(scope="module")
def kept(stable_events: Events) -> Events:
    """Events inside the acceptance with 1 to 49 particles beside the electron, in the order of falling pT."""
    inside = ACCEPTANCE.apply(stable_events)
    inside = inside[(inside.counts > 1) & (inside.counts <= 50)][:BLOCK]
    falling = inside.hadronic[ak.argsort(inside.hadronic.pt, axis=1, ascending=False)]
    return Events(ak.concatenate([inside.particles[:, :1], falling], axis=1), inside.weight, inside.run)


@pytest.fixture(scope="module", params=AZIMUTHS)
def representation(request: pytest.FixtureRequest, stable_events: Events) -> PublishedRepresentation:
    return PublishedRepresentation.fit(stable_events, AZIMUTHS[request.param])


def pipeline(representation: PublishedRepresentation, kept: Events, spoilt: int = 0) -> PublishedPipeline:
    rows = representation.encode(kept)
    model = Cascade({"event": Recites(rows["event"].x, spoilt), "particles": Recites(rows["particles"].x)})
    solver = Solver(calls=1000, stage_calls={"event": 1024})
    return PublishedPipeline(representation, model, RunInfo(process="it"), solver=solver)


@pytest.mark.parametrize("spoilt", [0, 40])
def test_a_block_is_what_the_stages_draw(representation: PublishedRepresentation, kept: Events, spoilt: int) -> None:
    """Up to a turn of each event round the beams; electrons without direction are drawn again."""
    maker = pipeline(representation, kept, spoilt)
    events, tally = maker.block(0, seed=1)
    assert (len(events), tally.events, events.run.process) == (BLOCK, BLOCK, "it")
    assert np.array_equal(events.counts, kept.counts)
    for name in ("pdg_id", "pt", "eta"):
        expected = kept.flat(name)
        if name == "pdg_id":
            expected = np.where(np.isin(np.abs(expected), (14, 16)), 12 * np.sign(expected), expected)
        np.testing.assert_allclose(events.flat(name), expected, rtol=1e-3, atol=1e-3)
    turned = azimuth_difference(events.flat("phi"), kept.flat("phi").astype(np.float64))
    of_electron = np.repeat(turned[kept.offsets[:-1]], kept.counts)
    np.testing.assert_allclose(azimuth_difference(turned, of_electron), 0, atol=1e-3)
    drawn = maker.model["event"].calls
    assert drawn == [1024] * (2 if spoilt else 1)
    assert maker.model["particles"].calls == [1000]


def test_the_azimuth_of_the_electron_is_uniform(representation: PublishedRepresentation, kept: Events) -> None:
    phi = ak.to_numpy(pipeline(representation, kept).block(0, seed=1).events.electron.phi)
    assert abs(np.exp(1j * phi).mean()) < 4 / BLOCK**0.5
    assert abs(np.exp(2j * phi).mean()) < 4 / BLOCK**0.5
    assert phi.std() > 1.5


def test_weights_that_draw_nothing_physical_are_named(representation: PublishedRepresentation, kept: Events) -> None:
    maker = pipeline(representation, kept)
    maker.model["event"].sample = lambda given, *_: torch.full((len(given), 3), -99.0)  # type: ignore[method-assign]
    with pytest.raises(RuntimeError, match="only electrons without a direction"):
        maker.block(0, seed=1)
