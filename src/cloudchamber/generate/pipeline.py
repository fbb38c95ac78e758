r"""One block of events from a cascade: electron, species, masses, momenta, exact conservation, unfolding, decays.

A block is 256 consecutive event numbers. It is always made whole and in the same way, so an event depends on the
model, the seed and its number, never on how many events were asked for, in what batches, or by how many workers. Each
event draws from streams of its own (one for each stage); decays draw from one stream per block. Where scattered
electrons are given, the rest of each event is drawn for its electron, which is left as it is.

Quantum numbers are exact because the species are drawn again, at the same electron, until they carry the proton's and
leave room for their masses below W. Four-momentum is exact by projection.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cloudchamber.events import Events, RunInfo
from cloudchamber.generate.electrons import Electrons
from cloudchamber.generate.project import project
from cloudchamber.generate.region import Region, Trial, draw_electrons, try_electrons
from cloudchamber.generate.species import Species, SpeciesStage
from cloudchamber.models.cascade import Cascade
from cloudchamber.models.diffusion import Diffusion
from cloudchamber.physics.dis import ELECTRON_MASS, dis_variables
from cloudchamber.represent.cloud import CloudRepresentation, to_lab
from cloudchamber.tensors.batch import Batch
from cloudchamber.tensors.rng import EventRng, Rng

__all__ = ["BLOCK", "Block", "Finisher", "Pipeline", "Solver", "Tally", "assemble", "similar"]

BLOCK = 256
"""Event numbers in a block."""
_GROWTH = 1.6
"""Most particles of an event over fewest in the groups that share a call of the cloud's network."""
_ATTEMPTS = 1_000

Array = NDArray[np.float64]


class Finished(Protocol):
    """Events after decays, and the rows whose decays are impossible."""

    @property
    def events(self) -> Events:
        """Final states."""
        ...

    @property
    def failed(self) -> NDArray[np.int64]:
        """Rows to draw again."""
        ...


class Finisher(Protocol):
    """Whatever finishes undecayed events."""

    def decay(self, events: Events, *, seed: int, block: int, attempt: int, history: bool) -> Finished:
        """Decay all short-lived particles of a block."""
        ...


@dataclass
class Tally:
    """Counts over the events made so far, for the report of a run."""

    events: int = 0
    species_draws: int = 0
    decay_redraws: int = 0
    rescaled: int = 0
    redrawn_images: int = 0

    def __iadd__(self, other: "Tally") -> "Tally":
        self.events += other.events
        self.species_draws += other.species_draws
        self.decay_redraws += other.decay_redraws
        self.rescaled += other.rescaled
        self.redrawn_images += other.redrawn_images
        return self

    @property
    def acceptance(self) -> float:
        """Share of the drawn species lists that obeyed every law."""
        return self.events / self.species_draws if self.species_draws else 1.0

    def __str__(self) -> str:
        told = [f"species lists accepted {self.acceptance:.1%}"] if self.species_draws else []
        counted = {"decays": self.decay_redraws, "images without an electron": self.redrawn_images}
        return ", ".join(told + [f"{what} redrawn {number:,}" for what, number in counted.items() if number])


@dataclass(frozen=True)
class Solver:
    """How the diffusion stages are sampled.

    Attributes:
        calls: network calls of each stage.
        sampler: a name in `process.sampler.SAMPLERS`.
        project: make four-momentum exact; off only for studies.
        precision: of the matrix products of the cloud's network, which is nearly all of the work.
        stage_calls: network calls of stages that take another number.
        stage_samplers: samplers of stages that take another one.
    """

    calls: int = 16
    sampler: str = "adams-bashforth"
    project: bool = True
    precision: Literal["float32", "bfloat16"] = "float32"
    stage_calls: Mapping[str, int] = field(default_factory=dict)
    stage_samplers: Mapping[str, str] = field(default_factory=dict)

    def calls_of(self, stage: str) -> int:
        """Network calls of a stage.

        Args:
            stage: its name.
        """
        return self.stage_calls.get(stage, self.calls)

    def sampler_of(self, stage: str) -> str:
        """Sampler of a stage.

        Args:
            stage: its name.
        """
        return self.stage_samplers.get(stage, self.sampler)


class Block(NamedTuple):
    """Events of one block, and what it took to make them."""

    events: Events
    tally: Tally


class _Electrons(NamedTuple):
    """Scores (B, 2), lab four-momenta (B, 4) and masses (B,) of scattered electrons."""

    scores: Tensor
    scattered: Array
    mass: Array

    def select(self, rows: NDArray[np.int64]) -> "_Electrons":
        return _Electrons(self.scores[torch.from_numpy(rows)], self.scattered[rows], self.mass[rows])


class _Streams(NamedTuple):
    """Random streams of the stages after the electron."""

    species: EventRng
    cloud: EventRng
    unfolding: EventRng

    def select(self, rows: NDArray[np.int64]) -> "_Streams":
        chosen = rows.tolist()
        return _Streams(*(stream.select(chosen) for stream in self))


_Decay = Callable[[Events, int], Finished]
"""Decays events of one block in a numbered attempt."""


class Pipeline:
    """Makes blocks of events.

    Args:
        representation: events <-> tensors; it is taken at the beams of the run.
        model: a cascade with the stages electron, species and cloud.
        run: metadata of the events before decays.
        finisher: decays what the model leaves undecayed; None to leave it so.
        solver: how the diffusion stages are sampled.
        device: where the networks run.
        region: where electrons may be; by default wherever the model puts them.
    """

    def __init__(
        self,
        representation: CloudRepresentation,
        model: Cascade,
        run: RunInfo,
        finisher: Finisher | None,
        *,
        solver: Solver | None = None,
        device: torch.device | str = "cpu",
        region: Region | None = None,
    ) -> None:
        self.region = region or Region()
        self.representation = representation if run.beams is None else representation.at(run.beams)
        self.model, self.run, self.finisher = model.to(device), run, finisher
        self.solver, self.device = solver or Solver(), device
        self.species = SpeciesStage(self.representation, self.model["species"], device)

    @torch.no_grad()
    def block(self, number: int, seed: int, history: bool = False, electrons: Electrons | None = None) -> Block:
        """All events of a block.

        Args:
            number: the block's number; its events are 256 `number` to 256 `number` + 255.
            seed: the user's seed.
            history: keep decayed particles.
            electrons: 256 scattered electrons to complete; drawn by the model if there are none.
        """
        numbers = range(number * BLOCK, (number + 1) * BLOCK)
        tally = Tally(events=BLOCK)
        if electrons is None:
            given = self._electrons(EventRng(seed, numbers, 0, self.device))
        else:
            given = _Electrons(
                self.representation.electron.encode(electrons.momenta), electrons.momenta, electrons.mass
            )
        streams = _Streams(*(EventRng(seed, numbers, stage, self.device) for stage in (1, 2, 3)))
        if (finisher := self.finisher) is None:
            return Block(self._hadronise(given, streams, tally), tally)

        def decay(events: Events, attempt: int) -> Finished:
            return finisher.decay(events, seed=seed, block=number, attempt=attempt, history=history)

        return Block(self._finish(given, streams, decay, tally), tally)

    def _finish(self, electrons: _Electrons, streams: _Streams, decay: _Decay, tally: Tally) -> Events:
        """Finished events; those whose decays are impossible get new hadrons at the same electron."""
        done = decay(self._hadronise(electrons, streams, tally), 0)
        finished, failed = done.events, done.failed
        for attempt in range(1, _ATTEMPTS):
            if not len(failed):
                return finished
            tally.decay_redraws += len(failed)
            done = decay(self._hadronise(electrons.select(failed), streams.select(failed), tally), attempt)
            good = np.setdiff1d(np.arange(len(failed)), done.failed)
            finished = _replace(finished, failed[good], done.events[good])
            failed = failed[done.failed]
        raise RuntimeError(f"the decays of {len(failed)} events fail again and again")

    def _electrons(self, rng: EventRng) -> _Electrons:
        """Scattered electrons; unphysical ones are drawn again."""
        drawn = draw_electrons(self._draw, self.representation, self.region, rng, BLOCK)
        return _Electrons(drawn.scores, drawn.momenta, np.full(BLOCK, ELECTRON_MASS))

    def _draw(self, given: Batch, streams: Rng) -> Tensor:
        """Scores of electrons."""
        electron, calls = self.model["electron"], self.solver.calls_of("electron")
        assert isinstance(electron, Diffusion)
        return electron.sample(given.to(self.device), streams, calls, self.solver.sampler_of("electron")).cpu()

    @torch.no_grad()
    def try_electrons(self, numbers: range) -> Trial:
        """How many electrons the region keeps, of one for each number; the numbers name random streams of their own.

        Args:
            numbers: not those of events.
        """
        rng = EventRng(0, numbers, 4, self.device)
        return try_electrons(self._draw, self.representation, self.region.cuts, rng)

    def _hadronise(self, electrons: _Electrons, streams: _Streams, tally: Tally) -> Events:
        """Hadrons for given electrons, with exact quantum numbers and four-momentum."""
        scores, scattered, mass = electrons
        W = np.sqrt(dis_variables(scattered, self.representation.beams).W2)
        species, draws = self.species.draw(scores, W, streams.species)
        tally.species_draws += draws
        cloud = self._clouds(scores, species, streams.cloud)
        momentum, event = self.representation.decode(cloud, species.kinds, species.masses, species.mask, scattered)
        masses = species.masses[species.mask].numpy()
        if self.solver.project:
            projected = project(momentum, masses, event, W)
            momentum = projected.momentum
            tally.rescaled += int(projected.rescaled.sum())
        lab = to_lab(momentum, event, scattered, self.representation.beams)
        pdg_ids = self.representation.species.pdg_ids[species.kinds[species.mask]].numpy()
        hadrons = {"pdg_id": pdg_ids, "px": lab[:, 1], "py": lab[:, 2], "pz": lab[:, 3], "mass": masses}
        return self.representation.unfold(assemble(scattered, hadrons, event, self.run, mass), streams.unfolding)

    def _clouds(self, scores: Tensor, species: Species, rng: EventRng) -> Tensor:
        """Momentum scores of all particles, in groups of events of similar multiplicity."""
        counts = species.mask.sum(1)
        context = self.representation.context(scores, counts)
        cloud = torch.zeros(*species.mask.shape, 3)
        rounded = self.solver.precision == "bfloat16"
        with torch.autocast(torch.device(self.device).type, torch.bfloat16, enabled=rounded):
            for rows in similar(counts):
                longest = int(counts[rows].max())
                cloud[rows, :longest] = self._cloud(context[rows], species.select(rows, longest), rng, rows)
        return cloud

    def _cloud(self, context: Tensor, species: Species, rng: EventRng, rows: Tensor) -> Tensor:
        """Momentum scores of some events, shape (b, N, 3)."""
        stage = self.model["cloud"]
        assert isinstance(stage, Diffusion)
        given = Batch(
            torch.zeros(*species.mask.shape, 3),
            torch.ones(len(rows)),
            context,
            species.mask,
            species.kinds,
            species.scores[..., None].float(),
        )
        calls, sampler = self.solver.calls_of("cloud"), self.solver.sampler_of("cloud")
        return stage.sample(given.to(self.device), rng.select(rows.tolist()), calls, sampler).cpu().float()


def assemble(
    scattered: Array, hadrons: Mapping[str, NDArray[Any]], event: NDArray[np.int64], run: RunInfo, mass: Array
) -> Events:
    """Events with the scattered electron first, in float64.

    Args:
        scattered: four-momenta (E, px, py, pz) of the electrons, shape (B, 4), GeV.
        hadrons: columns pdg_id, px, py, pz and mass of the other particles, each of shape (n,), GeV.
        event: event number of each, in rising order, shape (n,).
        run: metadata.
        mass: of the electrons, shape (B,), GeV.
    """
    counts = np.bincount(event, minlength=len(scattered)) + 1
    first = np.concatenate([[0], np.cumsum(counts)[:-1]])
    is_hadron = np.ones(int(counts.sum()), dtype=bool)
    is_hadron[first] = False
    n = len(scattered)
    electrons = {
        "pdg_id": np.full(n, 11),
        "px": scattered[:, 1],
        "py": scattered[:, 2],
        "pz": scattered[:, 3],
        "mass": mass,
    }
    columns: dict[str, NDArray[Any]] = {}
    for name, values in hadrons.items():
        column = np.empty(len(is_hadron), dtype=np.int32 if name == "pdg_id" else np.float64)
        column[first], column[is_hadron] = electrons[name], values
        columns[name] = column
    return Events.from_flat(counts, columns, run=run)


def similar(counts: Tensor) -> Iterator[Tensor]:
    """Rows of events in groups of similar multiplicity, so that a group needs little padding.

    Args:
        counts: particles of each event, shape (B,).

    Yields:
        Row numbers, each once.
    """
    order = torch.argsort(counts, stable=True)
    lengths = counts[order].tolist()
    start = 0
    for row, length in enumerate([*lengths, float("inf")]):
        if length > max(_GROWTH * lengths[start], lengths[start] + 2):
            yield order[start:row]
            start = row


def _replace(events: Events, rows: NDArray[np.int64], new: Events) -> Events:
    """The same events with some rows exchanged."""
    if not len(rows):
        return events
    order = np.arange(len(events))
    order[rows] = len(events) + np.arange(len(rows))
    return Events.concatenate([events, new.with_run(events.run)])[order]
