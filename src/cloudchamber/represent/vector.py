"""Z + jets events as vectors for a chain of models, or as a sequence of numbers for one.

The chain learns muon, antimuon and first jet (9 numbers), then the second jet (4) given these, then the third (4) given
all before, each where it exists, with the number of jets as a one-hot condition (arXiv:2305.10475, Sec. 3). Coordinates
are those of `vector_map`; each stage of a chain is whitened, a sequence has every number shifted and scaled alone, but
for azimuths on the circle, which stay angles.
"""

import math
from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cloudchamber.errors import InputError
from cloudchamber.events import Events, RunInfo
from cloudchamber.physics.zjets import (
    JET,
    MOST_JETS,
    MUON,
    MUON_MASS,
    PT_MIN,
    PT_ROUNDING,
    R_MIN,
    JetEvents,
    faults,
    readable,
)
from cloudchamber.represent.rules import JetRules
from cloudchamber.represent.vector_map import (
    AZIMUTHS,
    JET_SIZE,
    MUONS,
    MUONS_SIZE,
    THRESHOLDS,
    Azimuth,
    Muons,
    Threshold,
    VectorMap,
    is_azimuth,
    jet_columns,
)
from cloudchamber.tensors.batch import Batch, Bundle
from cloudchamber.tensors.bijections import Affine
from cloudchamber.tensors.named import named, part

__all__ = ["EVENT", "STAGES", "Layout", "VectorRepresentation", "VectorValues", "require_learnable"]

Layout = Literal["chain", "sequence"]
LAYOUTS: tuple[Layout, ...] = ("chain", "sequence")
STAGES = ("first", "second", "third")
"""Stages of a chain; the stage of that place exists where there are as many jets."""
EVENT = "event"
"""The only part of a sequence."""
_SIZE = MUONS_SIZE + JET_SIZE * MOST_JETS
_HARMLESS = (30.0, 0.0, 30.0, 0.0, 0.0, 80.0, 0.0, 5.0, 0.0, 60.0, 0.0, 5.0, 1.0, 40.0, 0.0, 5.0, -1.0)
"""Values that stand where there is no jet; nothing depends on them."""


class VectorValues(NamedTuple):
    """Physical values of events, see `vector_map`.

    Attributes:
        values: shape (n, 17), float64; what an event does not have is anything.
        jets: number of jets of each event, shape (n,).
    """

    values: Tensor
    jets: Tensor


class VectorRepresentation:
    """Events of muons and jets <-> vectors.

    Args:
        vector_map: values <-> coordinates.
        layout: chain of stages, or sequence of numbers.
        affine: coordinates <-> scores of each stage of a chain, or of the sequence.
        shares: of events with one, two and three jets.
    """

    CONDITIONS = MOST_JETS

    def __init__(self, vector_map: VectorMap, layout: Layout, affine: Sequence[Affine], shares: Tensor) -> None:
        self.map, self.layout, self.affine, self.shares = vector_map, layout, list(affine), shares

    @classmethod
    def fit(
        cls, events: Events, *, azimuth: Azimuth, ordered: bool, layout: Layout, muons: Muons = "pt",
        threshold: Threshold = "logarithm",
    ) -> "VectorRepresentation":  # fmt: skip
        """The representation of a sample.

        Args:
            events: with some of each number of jets that is to be learnt.
            azimuth: see `vector_map`.
            ordered: see `vector_map`.
            layout: chain of stages, or sequence of numbers.
            muons: see `vector_map`.
            threshold: see `vector_map`.

        Raises:
            InputError: if the events are not muons and jets inside of the cuts, or there are too few.
        """
        require_learnable(events)
        values, jets = values_of(events)
        vector_map = VectorMap(azimuth, ordered, muons, threshold)
        coordinates = vector_map.forward(values)
        shares = torch.bincount(jets - 1, minlength=MOST_JETS).double()
        fitted = _whitened(coordinates, jets) if layout == "chain" else [_standardised(coordinates, jets, azimuth)]
        return cls(vector_map, layout, fitted, shares / shares.sum())

    @property
    def sizes(self) -> tuple[int, ...]:
        """Numbers of each stage of a chain."""
        return tuple(stop - start for start, stop in map(_columns, range(MOST_JETS)))

    def encode(self, events: Events) -> Bundle:
        """What models are trained on.

        Args:
            events: muons and jets.

        Raises:
            InputError: if they are something else.
        """
        found = values_of(events)
        weight = torch.tensor(events.weight, dtype=torch.float32)
        scores = self.scores(found)
        if self.layout == "sequence":
            mask = self.exists(found.jets)
            x = (scores[0] * mask)[..., None].float()
            return Bundle({EVENT: Batch(x, weight, self.conditions(found.jets), mask)})
        return Bundle({name: self._part(k, scores, found.jets, weight) for k, name in enumerate(STAGES)})

    def _part(self, stage: int, scores: Sequence[Tensor], jets: Tensor, weight: Tensor) -> Batch:
        exists = (jets > stage)[:, None]
        return Batch((scores[stage] * exists).float(), weight, self.context(jets, scores[:stage]), exists)

    def conditions(self, jets: Tensor) -> Tensor:
        """The number of jets as one-hot columns, shape (n, 3).

        Args:
            jets: shape (n,).
        """
        return torch.nn.functional.one_hot(jets - 1, MOST_JETS).float()

    def exists(self, jets: Tensor) -> Tensor:
        """Which numbers of a sequence there are, shape (n, 17).

        Args:
            jets: shape (n,).
        """
        return torch.arange(_SIZE) < MUONS_SIZE + JET_SIZE * jets[:, None]

    def context(self, jets: Tensor, earlier: Sequence[Tensor]) -> Tensor:
        """What a stage of a chain is told.

        Args:
            jets: number of jets, shape (n,).
            earlier: scores of the stages before it; those that an event does not have are not looked at.
        """
        told = [(z * (jets > k)[:, None]).float() for k, z in enumerate(earlier)]
        return torch.cat([self.conditions(jets), *told], dim=1)

    def context_size(self, stage: int) -> int:
        """Numbers that a stage of a chain is told.

        Args:
            stage: its place.
        """
        return self.CONDITIONS + sum(self.sizes[:stage])

    def scores(self, found: VectorValues) -> list[Tensor]:
        """Scores of each stage of a chain, or of the sequence, in float64.

        Args:
            found: values.
        """
        coordinates = self.map.forward(found.values)
        if self.layout == "sequence":
            return [self.affine[0].forward(coordinates)]
        return [affine.forward(coordinates[:, slice(*_columns(k))]) for k, affine in enumerate(self.affine)]

    def values(self, scores: Sequence[Tensor], jets: Tensor) -> VectorValues:
        """Values of scores: the inverse of `scores`.

        Args:
            scores: of each stage of a chain, or of the sequence.
            jets: number of jets, shape (n,).
        """
        parts = [affine.inverse(z.double()) for affine, z in zip(self.affine, scores, strict=True)]
        return VectorValues(self.map.inverse(torch.cat(parts, dim=1)), jets)

    def log_det(self, found: VectorValues) -> Tensor:
        """Ln |det d(scores)/d(values)| of what each event has, shape (n,).

        Args:
            found: values.
        """
        total = torch.zeros(len(found.values), dtype=torch.float64)
        slopes = self.map.log_slopes(found.values)
        diagonal = self.affine[0].matrix.diagonal() if self.layout == "sequence" else None
        for k in range(MOST_JETS):
            columns = slice(*_columns(k))
            gained = slopes[:, columns].sum(1)
            if diagonal is None:
                gained = gained + self.affine[k].log_det(found.values)
            else:
                gained = gained + diagonal[columns].abs().log().sum()
            total = total + torch.where(found.jets > k, gained, 0.0)
        return total

    def possible(self, found: VectorValues) -> Tensor:
        """Which events a model may make: every jet above the threshold and with a mass, in order; shape (n,).

        Args:
            found: values.
        """
        good, before = torch.ones(len(found.values), dtype=torch.bool), torch.tensor(torch.inf)
        for k, (pt, _, mass, _) in enumerate(jet_columns(found.values)):
            own = found.values[:, pt]
            fine = (own > PT_MIN - PT_ROUNDING) & (found.values[:, mass] > 0) & (own <= before + PT_ROUNDING)
            good &= fine | (found.jets <= k)
            before = own
        return good

    def rules(self) -> JetRules:
        """What is known of each number of a sequence before it is drawn."""
        return JetRules(self.map, self.affine[0])

    def decode(self, found: VectorValues, phi: Tensor, run: RunInfo) -> Events:
        """Events in float64: muon, antimuon, jets in falling pT.

        Args:
            found: values.
            phi: azimuth of the muon, shape (n,).
            run: metadata.
        """
        v, jets = found.values, found.jets
        columns = jet_columns(v)
        zero = torch.zeros_like(phi)
        mass = torch.full_like(phi, MUON_MASS)
        of_jets = [[v[:, jet[place]] for jet in columns] for place in range(JET_SIZE)]
        arrays = (
            torch.stack([v[:, 0], v[:, 2], *of_jets[0]], dim=1),
            torch.stack([v[:, 1], v[:, 3], *of_jets[1]], dim=1),
            torch.stack([zero, v[:, 4], *of_jets[3]], dim=1) + phi[:, None],
            torch.stack([mass, mass, *of_jets[2]], dim=1),
        )
        particles = _in_order(JetEvents(*(array.numpy() for array in arrays)), jets.numpy())
        exists = np.arange(2 + MOST_JETS) < (2 + jets.numpy())[:, None]
        momenta = particles.momenta()[exists]
        kinds = np.broadcast_to(np.array([MUON, -MUON, *[JET] * MOST_JETS], dtype=np.int32), exists.shape)[exists]
        flat: dict[str, NDArray[Any]] = {"pdg_id": kinds, "px": momenta[:, 0], "py": momenta[:, 1], "pz": momenta[:, 2],
                "mass": particles.mass[exists]}  # fmt: skip
        return Events.from_flat(2 + jets.numpy(), flat, run=run)

    def state(self) -> dict[str, Tensor]:
        """All fitted tensors, by name."""
        choices = [AZIMUTHS.index(self.map.azimuth), int(self.map.ordered), LAYOUTS.index(self.layout),
                   MUONS.index(self.map.muons), THRESHOLDS.index(self.map.threshold)]  # fmt: skip
        tensors = {"choices": torch.tensor(choices), "shares": self.shares}
        for k, affine in enumerate(self.affine):
            tensors |= named(f"affine{k}", {"mean": affine.mean, "matrix": affine.matrix})
        return tensors

    @classmethod
    def from_state(cls, state: dict[str, Tensor]) -> "VectorRepresentation":
        """The representation that `state` came from.

        Args:
            state: tensors by name.
        """
        azimuth, ordered, layout, muons, threshold = state["choices"].tolist()
        number = len(STAGES) if LAYOUTS[layout] == "chain" else 1
        affine = [Affine(**part(state, f"affine{k}")) for k in range(number)]
        vector_map = VectorMap(AZIMUTHS[azimuth], bool(ordered), MUONS[muons], THRESHOLDS[threshold])
        return cls(vector_map, LAYOUTS[layout], affine, state["shares"])


def values_of(events: Events) -> VectorValues:
    """Physical values of events of muons and jets.

    Args:
        events: a sample.

    Raises:
        InputError: if they are something else.
    """
    counts = events.counts
    starts = events.offsets[:-1]
    kinds = events.flat("pdg_id")
    if not len(events) or counts.min() < 3 or counts.max() > 2 + MOST_JETS or (kinds[starts] != MUON).any() \
            or (kinds[starts + 1] != -MUON).any():  # fmt: skip
        raise InputError("these events are not a muon, an antimuon and one to three jets; see 'simulate zjets'.")
    values = np.tile(np.array(_HARMLESS), (len(events), 1))
    for size in np.unique(counts):
        rows = np.flatnonzero(counts == size)
        found = JetEvents.of(events[rows])
        phi = np.remainder(found.phi - found.phi[:, :1] + math.pi, 2 * math.pi) - math.pi
        values[rows, 0], values[rows, 1] = found.pt[:, 0], found.eta[:, 0]
        values[rows, 2], values[rows, 3], values[rows, 4] = found.pt[:, 1], found.eta[:, 1], phi[:, 1]
        for k in range(size - 2):
            start, jet = MUONS_SIZE + JET_SIZE * k, 2 + k
            of_jet = (found.pt[:, jet], found.eta[:, jet], found.mass[:, jet], phi[:, jet])
            values[rows, start : start + JET_SIZE] = np.stack(of_jet, axis=-1)
    return VectorValues(torch.from_numpy(values), torch.from_numpy(counts - 2))


def require_learnable(events: Events) -> None:
    """Refuse events that no model can be trained on.

    Args:
        events: a sample.

    Raises:
        InputError: if they are not muons and jets, or one is not finite or is outside of the cuts.
    """
    values_of(events)
    if not readable(events).all():
        raise InputError("some events hold another particle than muons and jets (97), or a momentum or mass that is "
                         "not a finite number; see 'simulate zjets'.")  # fmt: skip
    outside, massless = float(faults(events).mean()), float((events.flat("mass") <= 0).mean())
    if outside or massless:
        what = (f"{100 * outside:.2g} % of the events are not jets in falling pT above {PT_MIN:g} GeV and {R_MIN:g} "
                "apart in Delta R" if outside else "some masses are not positive")  # fmt: skip
        raise InputError(f"{what}, so a model of jets cannot learn them; remove them.")


def _columns(stage: int) -> tuple[int, int]:
    """Where the numbers of a stage begin and end in a row."""
    stop = MUONS_SIZE + JET_SIZE * (stage + 1)
    return (0 if stage == 0 else stop - JET_SIZE), stop


def _whitened(coordinates: Tensor, jets: Tensor) -> list[Affine]:
    """A whitening of each stage by the events that have it; the identity where next to none has."""
    found = []
    for stage in range(MOST_JETS):
        start, stop = _columns(stage)
        own = coordinates[jets > stage, start:stop]
        enough = len(own) > 3 * (stop - start)
        found.append(Affine.whitening(own) if enough else Affine(*_identity(stop - start)))
    return found


def _standardised(coordinates: Tensor, jets: Tensor, azimuth: Azimuth) -> Affine:
    """Every number shifted and scaled alone, by the events that have it; angles are left alone."""
    mean, matrix = _identity(_SIZE)
    for column in range(_SIZE):
        own = coordinates[jets > max(column - MUONS_SIZE, 0) // JET_SIZE, column]
        angle = azimuth == "circle" and is_azimuth(column)
        if len(own) > 10 and not angle:
            mean[column], matrix[column, column] = own.mean(), 1 / own.std()
    return Affine(mean, matrix)


def _identity(size: int) -> tuple[Tensor, Tensor]:
    return torch.zeros(size, dtype=torch.float64), torch.eye(size, dtype=torch.float64)


def _in_order(particles: JetEvents, jets: NDArray[np.int64]) -> JetEvents:
    """The same with the jets of each event in falling pT, behind them what it does not have."""
    exists = np.arange(MOST_JETS) < jets[:, None]
    order = np.argsort(np.where(exists, -particles.pt[:, 2:], np.inf), axis=1, kind="stable") + 2
    order = np.concatenate([np.broadcast_to([0, 1], (len(jets), 2)), order], axis=1)
    return JetEvents(*(np.take_along_axis(array, order, axis=1) for array in particles))
