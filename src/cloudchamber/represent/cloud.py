r"""Whole DIS events as three parts: the electron's scores, the list of species, and a cloud of momentum scores.

Momenta are taken in the hadronic centre-of-mass frame (`physics.dis`), where the axis is the exchanged boson's, the
hadrons' momenta sum to zero and their energies to W. With transverse momentum p = pT (cos phi, sin phi) and rapidity
Y = asinh(pz / mT) there, the scores of a particle are

    (u1, u2) = R(pT) (cos phi, sin phi)          u3 = N( Y / ln(W / W0) )

with R and N the Rayleigh and normal quantile maps of its species. R makes the transverse vector a unit normal in the
plane, so the azimuth has no seam; the scale ln(W / W0) is the width of the rapidity plateau. Every map has an inverse
and a log-determinant. Where the representation folds decays (`represent.fold`, `represent.resonances`), the particles
are those of the folded event, and so are densities.
"""

import math
from collections.abc import Sequence

import awkward as ak
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cloudchamber.errors import InputError
from cloudchamber.events import Beams, Events
from cloudchamber.physics.dis import dis_variables
from cloudchamber.represent.electron import LN_W, ElectronCoordinates
from cloudchamber.represent.fold import Folding
from cloudchamber.represent.hadrons import PLATEAU_W0, Hadrons, cylinders, four_momenta, hadrons_of, plateau, to_lab
from cloudchamber.represent.invariants import InvariantElectron
from cloudchamber.represent.resonances import Resonances
from cloudchamber.represent.species import SpeciesTable, pools
from cloudchamber.tensors.batch import Batch, Bundle
from cloudchamber.tensors.bijections import TabulatedMap
from cloudchamber.tensors.named import named, part
from cloudchamber.tensors.rng import Rng

__all__ = ["CloudRepresentation", "four_momenta", "to_lab"]

Array = NDArray[np.float64]

_MAP_EVENTS = 300_000


class CloudRepresentation:
    """Events <-> (electron, species, cloud).

    Args:
        electron: the electron's coordinates.
        species: the species table.
        pool: row of each species in the momentum maps, shape (S,), int64.
        transverse: Rayleigh maps of pT.
        longitudinal: normal maps of the scaled rapidity.
        folding: decays that are folded before all else; None for none.
        resonances: broad resonances that are folded after those; None for none.
    """

    CONTEXT = 4

    def __init__(
        self,
        electron: ElectronCoordinates | InvariantElectron,
        species: SpeciesTable,
        pool: Tensor,
        transverse: TabulatedMap,
        longitudinal: TabulatedMap,
        *,
        folding: Folding | None = None,
        resonances: Resonances | None = None,
    ) -> None:
        self.electron, self.species, self.pool = electron, species, pool
        self.transverse, self.longitudinal = transverse, longitudinal
        self.folding, self.resonances = folding, resonances

    @property
    def beams(self) -> Beams:
        """Beam energies of the events."""
        return self.electron.beams

    def at(self, beams: Beams) -> "CloudRepresentation":
        """The representation of events with these beams.

        Args:
            beams: energies in GeV.

        Raises:
            InputError: if it was fitted for other beams only.
        """
        if beams == self.beams:
            return self
        return CloudRepresentation(
            self.electron.at(beams),
            self.species,
            self.pool,
            self.transverse,
            self.longitudinal,
            folding=self.folding,
            resonances=self.resonances,
        )

    @classmethod
    def fit(cls, events: Events, *, fold_decays: bool = False, fold_resonances: bool = False) -> "CloudRepresentation":
        """Fit all maps on a sample; momenta on its first 300,000 events.

        Args:
            events: the scattered electron first in each.
            fold_decays: fold the decays of narrow particles, see `represent.fold`.
            fold_resonances: and then those of broad resonances, see `represent.resonances`.

        Raises:
            InputError: if the sample's metadata lacks the beams, or it has nothing to fold.
        """
        beams = events.run.beams
        if beams is None:
            raise InputError("the events do not say their beams; simulate them with 'cloudchamber simulate dis'.")
        folding = _folding(events) if fold_decays else None
        events = folding.fold(events) if folding else events
        resonances = Resonances.fit(events) if fold_resonances else None
        events = resonances.fold(events) if resonances and resonances.windows else events
        pt_min = events.run.cuts.pt_electron_min or 0.0
        electron = ElectronCoordinates.fit(four_momenta(events[:_MAP_EVENTS].electron), beams, pt_min)
        return cls._with_maps(electron, [events], folding, resonances if resonances and resonances.windows else None)

    @classmethod
    def fit_mixture(cls, samples: Sequence[Events]) -> "CloudRepresentation":
        """Fit all maps on samples with different beams; the representation can then be had `at` any beams.

        Args:
            samples: the scattered electron first in each event.

        Raises:
            InputError: if the metadata of a sample lacks the beams.
        """
        electrons, pt_min = [], samples[0].run.cuts.pt_electron_min or 1.0
        for events in samples:
            if events.run.beams is None:
                raise InputError("some events do not say their beams; simulate them with 'cloudchamber simulate dis'.")
            electrons.append((four_momenta(events.electron), events.run.beams))
        return cls._with_maps(InvariantElectron.fit(electrons, pt_min), samples)

    @classmethod
    def _with_maps(
        cls,
        electron: ElectronCoordinates | InvariantElectron,
        samples: Sequence[Events],
        folding: Folding | None = None,
        resonances: Resonances | None = None,
    ) -> "CloudRepresentation":
        """The representation with maps of species, masses and momenta fitted on samples; momenta on their first events.

        Args:
            electron: the electron's coordinates.
            samples: folded, the scattered electron first in each event.
            folding: what has been folded.
            resonances: what has been folded after that.
        """
        pdg_ids, mass = (np.concatenate([ak.to_numpy(ak.flatten(events.hadronic[name])) for events in samples])
                         for name in ("pdg_id", "mass"))  # fmt: skip
        species = SpeciesTable.fit(pdg_ids, mass)
        pool = pools(species.pdg_ids.numpy(), np.bincount(species.index(pdg_ids), minlength=len(species)))
        each = [cylinders(*hadrons_of(events[: _MAP_EVENTS // len(samples)], species)) for events in samples]
        kind, pt, scaled = (np.concatenate(column) for column in zip(*each, strict=True))
        rows = [pool[kind] == number for number in range(pool.max() + 1)]
        return cls(
            electron,
            species,
            torch.from_numpy(pool),
            TabulatedMap.fit([_at_least_two(pt[r], 0.0) for r in rows], "rayleigh"),
            TabulatedMap.fit([_at_least_two(scaled[r], -1.0) for r in rows]),
            folding=folding,
            resonances=resonances,
        )

    def encode(self, events: Events) -> Bundle:
        """Events as padded tensors, particles in the order of the species table.

        Args:
            events: the scattered electron first in each.

        Returns:
            Parts `electron` (x: (B, 2)), `species` (x: (B, N, 1) species indices, context (B, 4)) and `cloud`
            (x: (B, N, 3), context (B, 4), tokens (B, N), token_context (B, N, 1) mass scores).

        Raises:
            InputError: if the beams are unknown or not those of the representation, or a species is unknown.
        """
        if events.run.beams is None:
            raise InputError(f"the events have beams unknown, but this model was fitted at {self.beams.name}.")
        return self.at(events.run.beams).encode_folded(self.fold(events))

    def encode_folded(self, events: Events) -> Bundle:
        """As `encode`, of events that are folded already.

        Args:
            events: as the model knows them, with the representation's own beams.
        """
        scattered = four_momenta(events.electron)
        electron_scores = self.electron.encode(scattered)
        hadrons, W = hadrons_of(events, self.species)
        order = np.lexsort((hadrons.kind, hadrons.event))
        hadrons = Hadrons(hadrons.event[order], hadrons.kind[order], hadrons.mass[order], hadrons.momentum[order])
        scores = self._scores(hadrons, W)
        index = torch.from_numpy(hadrons.kind)
        mass_scores = self.species.mass_scores(index, torch.from_numpy(hadrons.mass)).float()
        counts = events.counts - 1
        bias = self.electron.bias(scattered)
        weight = torch.from_numpy((events.weight if bias is None else events.weight * bias).astype(np.float32))
        context = self.context(electron_scores, torch.from_numpy(counts))
        mask = torch.arange(int(counts.max())) < torch.from_numpy(counts)[:, None]
        tokens = _pad(index, mask)
        return Bundle(
            {
                "electron": Batch(electron_scores, weight, self.conditions(len(events))),
                "species": Batch(tokens[..., None], weight, context=context[:, :-1], mask=mask),
                "cloud": Batch(
                    _pad(scores.float(), mask),
                    weight,
                    context=context,
                    mask=mask,
                    tokens=tokens,
                    token_context=_pad(mass_scores[:, None], mask),
                ),
            }
        )

    def fold(self, events: Events) -> Events:
        """The events as the model knows them.

        Args:
            events: as simulated.
        """
        for fold in (self.folding, self.resonances):
            events = events if fold is None else fold.fold(events)
        return events

    def unfold(self, events: Events, rng: Rng) -> Events:
        """The events with all decays done that `fold` undoes.

        Args:
            events: as the model knows them.
            rng: random streams, one for each event.
        """
        for fold in (self.resonances, self.folding):
            events = events if fold is None else fold.unfold(events, rng)
        return events

    def context(self, electron_scores: Tensor, counts: Tensor) -> Tensor:
        """What later stages are told of an event, shape (B, 4): three numbers of the electron, and the multiplicity.

        Args:
            electron_scores: shape (B, 2).
            counts: hadronic particles, shape (B,).
        """
        invariants = self.electron.invariants(electron_scores)
        return torch.cat([invariants, torch.log(counts[:, None].float() / 10)], dim=1)

    def conditions(self, n: int) -> Tensor | None:
        """What the electron's model is told, shape (n, C); None for nothing.

        Args:
            n: number of events.
        """
        return None if self.electron.conditions is None else self.electron.conditions.expand(n, -1)

    @staticmethod
    def plateau(context: Tensor) -> Tensor:
        """The scale ln(W / W0) of rapidities, shape (B,), read off a context.

        Args:
            context: see `context`, shape (B, 4).
        """
        return context[:, 2] + (LN_W - math.log(PLATEAU_W0))

    def decode(
        self, cloud: Tensor, tokens: Tensor, masses: Tensor, mask: Tensor, scattered: Array
    ) -> tuple[Array, NDArray[np.int64]]:
        """Hadrons of each event from their scores: the inverse of `encode` for given electrons.

        Args:
            cloud: momentum scores, shape (B, N, 3).
            tokens: species indices, shape (B, N).
            masses: GeV, shape (B, N).
            mask: real particles, shape (B, N).
            scattered: four-momenta of the electrons, shape (B, 4), GeV.

        Returns:
            Momenta (E, px, py, pz) in the hadronic frame, shape (n, 4), and the event number of each particle.
        """
        event = mask.nonzero()[:, 0].numpy()
        scale = plateau(np.sqrt(dis_variables(scattered, self.beams).W2))[event]
        u, index = cloud[mask].double(), tokens[mask]
        row = self.pool[index]
        length = u[:, :2].norm(dim=1)
        pt = self.transverse.inverse(length, row)
        rapidity = self.longitudinal.inverse(u[:, 2], row).numpy() * scale
        direction = (u[:, :2] / length.clamp(min=1e-12)[:, None]).numpy()
        transverse = direction * pt.numpy()[:, None]
        mt = np.sqrt(masses[mask].numpy() ** 2 + pt.numpy() ** 2)
        momentum = np.stack([mt * np.cosh(rapidity), *transverse.T, mt * np.sinh(rapidity)], axis=-1)
        return momentum, event

    def log_det(self, events: Events) -> Tensor:
        r"""Ln |d scores / d(momenta)| of the hadrons, summed over each event, shape (B,).

        Momenta are measured by the Lorentz-invariant element d^3p / E, for which d^3p / E = pT dpT dphi dY, so that
        the transverse map contributes ln(R R' / pT) and the longitudinal one ln(N' / ln(W / W0)). The hadrons are
        those of the folded event.

        Args:
            events: the scattered electron first in each.
        """
        return self.log_det_folded(self.fold(events))

    def log_det_folded(self, events: Events) -> Tensor:
        """As `log_det`, of events that are folded already.

        Args:
            events: as the model knows them, with its beams.
        """
        hadrons, W = hadrons_of(events, self.species)
        pt, scaled = (torch.from_numpy(v) for v in cylinders(hadrons, W)[1:])
        row = self.pool[torch.from_numpy(hadrons.kind)]
        transverse = self.transverse.log_det(pt, row) + torch.log(self.transverse.forward(pt, row) / pt)
        longitudinal = self.longitudinal.log_det(scaled, row) - torch.log(torch.from_numpy(plateau(W)[hadrons.event]))
        return torch.zeros(len(events), dtype=torch.float64).index_add(
            0, torch.from_numpy(hadrons.event), transverse + longitudinal
        )

    def state(self) -> dict[str, Tensor]:
        """All fitted tensors, by name."""
        fixed = self.electron
        edges = [fixed.beams.electron, fixed.beams.hadron, fixed.pt_min]
        return {
            "pool": self.pool,
            "edges": torch.tensor(edges, dtype=torch.float64),
            **named("electron", self.electron.state()),
            **named("species", self.species.state()),
            **named("transverse", self.transverse.state()),
            **named("longitudinal", self.longitudinal.state()),
            **({} if self.folding is None else named("folding", self.folding.state())),
            **({} if self.resonances is None else named("resonances", self.resonances.state())),
        }

    @classmethod
    def from_state(cls, state: dict[str, Tensor]) -> "CloudRepresentation":
        """The representation that `state` came from.

        Args:
            state: tensors by name.
        """
        electron_energy, hadron_energy, pt_min = state["edges"].tolist()
        beams = Beams(electron=electron_energy, hadron=hadron_energy)
        folding, resonances, electron = (part(state, name) for name in ("folding", "resonances", "electron"))
        return cls(
            InvariantElectron.from_state(electron)
            if InvariantElectron.is_state(electron)
            else ElectronCoordinates(beams, pt_min, TabulatedMap.from_state(electron)),
            SpeciesTable.from_state(part(state, "species")),
            state["pool"],
            TabulatedMap.from_state(part(state, "transverse")),
            TabulatedMap.from_state(part(state, "longitudinal")),
            folding=Folding.from_state(folding) if folding else None,
            resonances=Resonances.from_state(resonances) if resonances else None,
        )

    def _scores(self, hadrons: Hadrons, W: Array) -> Tensor:
        _, pt, scaled = cylinders(hadrons, W)
        row = self.pool[torch.from_numpy(hadrons.kind)]
        ratio = self.transverse.forward(torch.from_numpy(pt), row) / torch.from_numpy(np.maximum(pt, 1e-12))
        transverse = torch.from_numpy(hadrons.momentum[:, 1:3]) * ratio[:, None]
        longitudinal = self.longitudinal.forward(torch.from_numpy(scaled), row)
        return torch.cat([transverse, longitudinal[:, None]], dim=1).clamp(-8, 8)


def _folding(events: Events) -> Folding:
    """The folding of a sample that has something to fold."""
    folding = Folding.fit(events)
    if not folding.masses:
        raise InputError(
            "no two photons in the events have exactly the mass of a pi0, so there is nothing to fold; for measured or "
            "smeared momenta, set fold_decays to false."
        )
    return folding


def _at_least_two(sample: Array, low: float) -> Array:
    """The sample, or a unit interval where a pool is empty in the fitted events."""
    return sample if len(sample) > 1 else np.array([low, 1.0])


def _pad(values: Tensor, mask: Tensor) -> Tensor:
    """Flat rows laid out under a mask, zero where it is false."""
    out = torch.zeros(*mask.shape, *values.shape[1:], dtype=values.dtype)
    out[mask] = values
    return out
