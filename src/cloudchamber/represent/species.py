"""The species of a sample: their order, their masses, and the pools in which rare ones share a map.

Species are ordered from rare to frequent, so that a sorted list of species starts with what is special in an event
and ends with pions. A species whose mass varies in the sample is broad: its mass is drawn from its own quantile map,
bounded by the extremes of the sample; all others have one mass. Pythia8 gives a part of the broad hadrons exactly their
nominal mass, a quarter of the Delta++ among them: those that take what is left of a string with little mass, which are
faster than the others. So drawn masses keep such values exactly, and have the same score as they have in the sample.
"""

from collections import Counter

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cloudchamber.errors import InputError
from cloudchamber.physics.pdg import is_known, quantum_numbers, quantum_table
from cloudchamber.tensors.bijections import TabulatedMap
from cloudchamber.tensors.named import named, part

__all__ = ["SpeciesTable", "pools"]

_BROAD_SPREAD = 2e-4
_RARE = 2_000
_KINDS = {0: "meson", 1: "baryon", -1: "antibaryon"}
"""Of hadrons, by their baryon number."""
_MASS_KNOTS = 1025
"""Fine enough that masses at exactly one value keep their share to half a percent of the species."""


class SpeciesTable:
    """Species by index 0 to S - 1.

    Args:
        pdg_ids: PDG numbers in the order of the index, shape (S,), int64.
        masses: mass in GeV of each species, its median where it is broad, shape (S,), float64.
        mass_row: row of each species in `mass_map`, -1 where the mass is fixed, shape (S,), int64.
        mass_map: quantile maps of the broad masses.
    """

    def __init__(self, pdg_ids: Tensor, masses: Tensor, mass_row: Tensor, mass_map: TabulatedMap) -> None:
        self.pdg_ids, self.masses, self.mass_row, self.mass_map = pdg_ids, masses, mass_row, mass_map
        self._order = np.argsort(pdg_ids.numpy())

    def __len__(self) -> int:
        return len(self.pdg_ids)

    @classmethod
    def fit(cls, pdg_ids: NDArray[np.integer], masses: NDArray[np.floating]) -> "SpeciesTable":
        """The species in a sample.

        Args:
            pdg_ids: PDG number of every particle, shape (n,).
            masses: their masses in GeV, shape (n,).

        Raises:
            InputError: if a particle is of no known species, or a nucleus.
        """
        unique, inverse, counts = np.unique(pdg_ids, return_inverse=True, return_counts=True)
        _require_learnable(unique, counts)
        order = np.argsort(counts, kind="stable")
        by_species = np.split(np.asarray(masses, np.float64)[np.argsort(inverse, kind="stable")], np.cumsum(counts))
        samples: list[NDArray[np.float64]] = []
        medians, rows = [], []
        for species in order:
            sample = by_species[species]
            median = float(f"{np.median(sample):.7g}")
            broad = np.ptp(sample) > _BROAD_SPREAD * max(median, 1e-3)
            rows.append(len(samples) if broad else -1)
            medians.append(median)
            if broad:
                samples.append(sample)
        mass_map = TabulatedMap.fit(samples or [np.array([0.0, 1.0])], size=_MASS_KNOTS)
        return cls(
            torch.tensor(unique[order].astype(np.int64)),
            torch.tensor(medians, dtype=torch.float64),
            torch.tensor(rows),
            mass_map,
        )

    def index(self, pdg_ids: NDArray[np.integer]) -> NDArray[np.int64]:
        """Species index of particles.

        Args:
            pdg_ids: shape (n,).

        Raises:
            InputError: if a species is not in the table.
        """
        sorted_ids = self.pdg_ids.numpy()[self._order]
        at = np.searchsorted(sorted_ids, pdg_ids).clip(0, len(self) - 1)
        unknown = sorted_ids[at] != pdg_ids
        if unknown.any():
            raise InputError(
                f"the species with PDG number {pdg_ids[unknown][0]} is not among the {len(self)} species that this "
                "representation was fitted on; fit it on a sample that holds it."
            )
        index: NDArray[np.int64] = self._order[at]
        return index

    def mass_scores(self, index: Tensor, masses: Tensor) -> Tensor:
        """Unit-normal scores of masses; zero where the mass is fixed.

        Args:
            index: species, any shape.
            masses: GeV, same shape.
        """
        row = self.mass_row[index]
        scores = self.mass_map.forward(masses, row.clamp(min=0))
        return torch.where(row >= 0, scores.clamp(-5, 5), torch.zeros_like(scores))

    def draw_masses(self, index: Tensor, scores: Tensor) -> Tensor:
        """Masses from unit-normal scores: the inverse of `mass_scores`, but for masses that many particles share.

        Args:
            index: species, any shape.
            scores: same shape.

        Returns:
            GeV, float64, inside the range of the fitted sample.
        """
        row = self.mass_row[index]
        drawn = self.mass_map.inverse(scores, row.clamp(min=0), bounded=True)
        drawn = self.mass_map.settle(drawn, row.clamp(min=0))
        return torch.where(row >= 0, drawn, self.masses[index])

    def log_mass_density(self, index: Tensor, masses: Tensor) -> Tensor:
        """Ln of the density of masses per GeV; zero where the mass is fixed.

        A mass that many of a species share in the fitted sample has a probability instead of a density.

        Args:
            index: species, any shape.
            masses: GeV, same shape.
        """
        row = self.mass_row[index]
        logs = self.mass_map.normal_log_density(masses, row.clamp(min=0))
        return torch.where(row >= 0, logs, torch.zeros_like(logs))

    def charges(self, columns: tuple[int, ...]) -> NDArray[np.int64]:
        """Additive quantum numbers of each species, shape (S, len(columns)).

        Args:
            columns: columns of `physics.pdg.quantum_table`.
        """
        return quantum_table(self.pdg_ids.numpy())[:, list(columns)]

    def state(self) -> dict[str, Tensor]:
        """The tensors that define the table."""
        table = {"pdg_ids": self.pdg_ids, "masses": self.masses, "mass_row": self.mass_row}
        return table | named("mass_map", self.mass_map.state())

    @classmethod
    def from_state(cls, state: dict[str, Tensor]) -> "SpeciesTable":
        """The table that `state` came from.

        Args:
            state: tensors by name.
        """
        mass_map = TabulatedMap.from_state(part(state, "mass_map"))
        return cls(state["pdg_ids"], state["masses"], state["mass_row"], mass_map)


def _require_learnable(pdg_ids: NDArray[np.integer], counts: NDArray[np.integer]) -> None:
    """Refuse species whose class is unknown."""
    for pdg_id, count in zip(pdg_ids.tolist(), counts.tolist(), strict=True):
        if not is_known(pdg_id) or quantum_numbers(pdg_id).baryon not in _KINDS:
            raise InputError(
                f"the sample holds {count:,} particle(s) with PDG number {pdg_id}, which is no lepton, photon, meson "
                "or baryon that a model can learn; remove such events, or give the particle another number."
            )


def pools(pdg_ids: NDArray[np.integer], counts: NDArray[np.integer]) -> NDArray[np.int64]:
    """A pool number for each species: its own where it is frequent, else shared with species of its class.

    A class is the kind (lepton or photon, meson, baryon, antibaryon) with the heaviest net flavour; classes that are
    rare together share the pool of their kind, and kinds that are rare one common pool.

    Args:
        pdg_ids: one for each species, shape (S,).
        counts: particles of each species in the sample, shape (S,).

    Returns:
        Shape (S,); numbers without gaps.
    """
    labels = [_labels(int(pdg_id)) for pdg_id in pdg_ids]
    totals: Counter[tuple[object, ...]] = Counter()
    for label, n in zip(labels, counts, strict=True):
        totals.update({level: int(n) for level in label})
    chosen = [next((level for level in label if totals[level] >= _RARE), label[-1]) for label in labels]
    numbers = {level: i for i, level in enumerate(dict.fromkeys(chosen))}
    return np.array([numbers[level] for level in chosen], dtype=np.int64)


def _labels(pdg_id: int) -> list[tuple[object, ...]]:
    """Labels of a species from its own to the widest."""
    numbers = quantum_numbers(pdg_id)
    kind = _KINDS[numbers.baryon] if abs(pdg_id) > 100 else "lepton or photon"
    heaviest = max((flavour for flavour in range(5) if numbers.flavours[flavour]), default=0)
    return [(pdg_id,), (kind, max(heaviest, 1)), (kind,), ()]
