"""One block of muons and jets from a model of vectors.

As in `generate.pipeline` a block is 256 consecutive event numbers, made whole and in the same way, and each event draws
from streams of its own: one for the number of jets and the azimuth of the muon, one for each stage. Nothing is
conserved. Numbers that no proton beam can give are drawn again, and so are, where that is asked for, events outside of
the cuts on jets; no cut is applied otherwise.
"""

from typing import Any, NamedTuple, cast

import torch
from torch import Tensor

from cloudchamber.errors import InputError
from cloudchamber.events import RunInfo
from cloudchamber.generate.electrons import Electrons
from cloudchamber.generate.maker import BlockMaker
from cloudchamber.generate.pipeline import BLOCK, Block, Solver, Tally
from cloudchamber.models.base import Samplable
from cloudchamber.models.cascade import Cascade
from cloudchamber.models.diffusion import Diffusion
from cloudchamber.physics.zjets import MOST_JETS, faults
from cloudchamber.represent.vector import EVENT, STAGES, VectorRepresentation, VectorValues
from cloudchamber.represent.vector_map import JET_SIZE, MUONS_SIZE, jet_columns
from cloudchamber.tensors.batch import Batch
from cloudchamber.tensors.rng import EventRng

__all__ = ["JetRegion", "VectorPipeline"]

_ATTEMPTS = 100


class JetRegion(NamedTuple):
    """What is asked for.

    Attributes:
        jets: jets of every event; None for the numbers of the training sample.
        inside: whether events with faults, such as jets nearer than Delta R = 0.4, are drawn again.
    """

    jets: int | None
    inside: bool = False


class VectorPipeline(BlockMaker[VectorRepresentation]):
    """Makes blocks of events.

    Args:
        representation: events <-> vectors.
        model: a cascade with the stages of the representation's layout.
        run: metadata of the events.
        solver: how diffusion stages are sampled.
        device: where the networks run.
        region: how many jets, and whether events outside of the cuts are drawn again.
    """

    def __init__(
        self,
        representation: VectorRepresentation,
        model: Cascade,
        run: RunInfo,
        *,
        solver: Solver,
        device: torch.device | str = "cpu",
        region: JetRegion | None = None,
    ) -> None:
        super().__init__(representation, model, run, solver=solver, device=device)
        self.region = region or JetRegion(None)

    @torch.no_grad()
    def block(self, number: int, seed: int, history: bool = False, electrons: Electrons | None = None) -> Block:
        """All events of a block.

        Args:
            number: the block's number; its events are 256 `number` to 256 `number` + 255.
            seed: the user's seed.
            history: not used, since nothing decays.
            electrons: must be None; there are none.
        """
        assert electrons is None
        numbers = range(number * BLOCK, (number + 1) * BLOCK)
        draws = EventRng(seed, numbers).uniform(2).double()
        phi, jets = 2 * torch.pi * draws[:, 0] - torch.pi, self._numbers(draws[:, 1])
        values = torch.empty(BLOCK, MUONS_SIZE + JET_SIZE * MOST_JETS, dtype=torch.float64)
        streams = [EventRng(seed, numbers, 1 + stage, self.device) for stage in range(MOST_JETS)]
        rows = torch.arange(BLOCK)
        for _ in range(_ATTEMPTS):
            found = self._draw(jets[rows], [stream.select(rows.tolist()) for stream in streams])
            values[rows] = found.values
            rows = rows[~self._good(found, phi[rows])]
            if not len(rows):
                events = self.representation.decode(VectorValues(values, jets), phi, self.run)
                return Block(events, Tally(events=BLOCK))
        if self.region.inside:
            raise InputError(
                f"the model made nothing inside of the cuts in {_ATTEMPTS} attempts; train it longer, or leave "
                "--inside-cuts out."
            )
        raise RuntimeError("the model draws impossible events again and again; its weights must be wrong")

    def _numbers(self, draws: Tensor) -> Tensor:
        """Jets of each event."""
        if self.region.jets is not None:
            return torch.full((len(draws),), self.region.jets)
        borders = self.representation.shares.cumsum(0)[:-1]
        return 1 + torch.bucketize(draws.contiguous(), borders, right=True)

    def _draw(self, jets: Tensor, streams: list[EventRng]) -> VectorValues:
        """Values of some events."""
        representation = self.representation
        if representation.layout == "sequence":
            return representation.values([self._sequence(jets, streams[0])], jets)
        scores: list[Tensor] = []
        for stage, (name, size) in enumerate(zip(STAGES, representation.sizes, strict=True)):
            context, mask = representation.context(jets, scores), (jets > stage)[:, None]
            given = Batch(torch.zeros(len(jets), size), torch.ones(len(jets)), context, mask)
            scores.append(self._sample(name, given, streams[stage]))
        return representation.values(scores, jets)

    def _sequence(self, jets: Tensor, rng: EventRng) -> Tensor:
        """Scores of a model that draws all numbers of an event one after the other."""
        mask = self.representation.exists(jets)
        given = Batch(mask[..., None].float(), torch.ones(len(jets)), self.representation.conditions(jets), mask)
        return self._sample(EVENT, given, rng)[..., 0]

    def _sample(self, name: str, given: Batch, rng: EventRng) -> Tensor:
        stage, how = self.model[name], dict[str, Any]()
        if any(isinstance(module, Diffusion) for module in stage.modules()):
            how = {"calls": self.solver.calls_of(name), "sampler": self.solver.sampler_of(name)}
        return cast(Samplable[Batch, Tensor], stage).sample(given.to(self.device), rng, **how).cpu()

    def _good(self, found: VectorValues, phi: Tensor) -> Tensor:
        """Which events need not be drawn again."""
        good = self._possible(found)
        if self.region.inside:
            rows = good.nonzero()[:, 0]
            part = VectorValues(found.values[rows], found.jets[rows])
            good[rows] = torch.from_numpy(faults(self.representation.decode(part, phi[rows], self.run)) == 0)
        return good

    def _possible(self, found: VectorValues) -> Tensor:
        """Which events two beams could make: finite, and no particle above the energy of a beam."""
        assert self.run.protons is not None
        v, good = found.values, found.values.isfinite().all(1)
        particles = [(0, 1, 0), (2, 3, 0), *((pt, eta, k + 1) for k, (pt, eta, _, _) in enumerate(jet_columns(v)))]
        for pt, eta, needed in particles:
            energy = v[:, pt] * torch.cosh(v[:, eta])
            good &= (energy < self.run.protons.energy) | (found.jets < needed)
        return good
