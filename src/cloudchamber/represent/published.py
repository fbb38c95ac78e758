r"""Events as the numbers that arXiv:2410.22421 and its public code diffuse: three for the event, thirteen a particle.

An event is (pT_e, eta_e, N): transverse momentum (GeV) and pseudorapidity of the scattered electron, and the number of
other particles inside the published acceptance. A particle is

    eta + eta_e,   phi - phi_e - pi,   ln(pT / pT_e),   sign of the PDG number,   one-hot over nine species,

where the azimuth lies between -pi and pi, particle and antiparticle share a species, and so do all neutrinos. Numbers
are standardised with the mean and standard deviation of a sample, but sign and one-hots are left as they are. Going
back, the largest of the one-hots is the species, the sign of the fourth number chooses between particle and
antiparticle, N is rounded and kept between 1 and 49, and masses are those of the PDG. Neutrinos come back as electron
neutrinos. Nothing is conserved.

The public code treats the azimuth as a number on a line, where particles on both sides of its end are far apart. It is
measured from the direction opposite to the electron, where most hadrons go: the public code's standard deviation, 0.95,
excludes an end there. On the circle it is two numbers instead, (cos, sin), whose distance is periodic.
"""

from collections.abc import Mapping
from typing import NamedTuple, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cloudchamber.errors import InputError
from cloudchamber.events import Beams, Events
from cloudchamber.physics.acceptance import PUBLISHED_SPECIES, Acceptance
from cloudchamber.physics.dis import ELECTRON_MASS
from cloudchamber.physics.kinematics import Momenta, azimuth_difference
from cloudchamber.physics.pdg import species
from cloudchamber.represent.decoded import Decoded
from cloudchamber.tensors.batch import Batch, Bundle

__all__ = ["ACCEPTANCE", "AZIMUTHS", "Azimuth", "Circle", "Line", "PublishedRepresentation"]

Array = NDArray[np.float64]

ACCEPTANCE = Acceptance.named("paper")
_FIT_EVENTS = 300_000
_CODES = np.array([codes[0] for codes in PUBLISHED_SPECIES])
_OWN_ANTIPARTICLE = np.array([22, 130])
_MASSES = np.array([species(int(code)).mass for code in _CODES], dtype=np.float64)
_LARGEST = 20.0
"""Of |eta| and |ln(pT / pT_e)| that are decoded; data stay far below, and the momenta of any weights finite."""


class Azimuth(Protocol):
    """How an angle becomes numbers."""

    @property
    def name(self) -> str:
        """Key in `AZIMUTHS`."""
        ...

    @property
    def size(self) -> int:
        """Numbers of an angle."""
        ...

    def encode(self, phi: Array) -> Array:
        """Numbers of angles (n,) in radians, shape (n, size)."""
        ...

    def decode(self, numbers: Array) -> Array:
        """Angles of numbers (n, size), shape (n,)."""
        ...


class Line:
    """The angle itself, from -pi to pi."""

    name = "line"
    size = 1

    def encode(self, phi: Array) -> Array:
        """The angle in a column.

        Args:
            phi: radians, shape (n,).
        """
        return phi[:, None]

    def decode(self, numbers: Array) -> Array:
        """The angle.

        Args:
            numbers: shape (n, 1).
        """
        return numbers[:, 0]


class Circle:
    """The point (cos, sin) on the circle.

    >>> float(Circle().decode(3 * Circle().encode(np.array([2.5])))[0])
    2.5
    """

    name = "circle"
    size = 2

    def encode(self, phi: Array) -> Array:
        """Points of angles, shape (n, 2).

        Args:
            phi: radians, shape (n,).
        """
        return np.stack([np.cos(phi), np.sin(phi)], axis=-1)

    def decode(self, numbers: Array) -> Array:
        """Angles in whose direction points lie.

        Args:
            numbers: shape (n, 2).
        """
        angles: Array = np.arctan2(numbers[:, 1], numbers[:, 0])
        return angles


AZIMUTHS: Mapping[str, Azimuth] = {"line": Line(), "circle": Circle()}


class Standard(NamedTuple):
    """A mean and a standard deviation for each of some numbers, each of shape (F,), float64."""

    mean: Tensor
    deviation: Tensor

    @classmethod
    def fit(cls, sample: Array, untouched: int = 0) -> "Standard":
        """Those of a sample (n, F), followed by some numbers that are left as they are."""
        zero, one = np.zeros(untouched), np.ones(untouched)
        deviation = np.maximum(sample.std(0), 1e-6)
        return cls(*(torch.from_numpy(np.concatenate(pair)) for pair in ((sample.mean(0), zero), (deviation, one))))

    def forward(self, values: Array) -> Tensor:
        """Standardised numbers, shape (n, F), float32."""
        return ((torch.from_numpy(values) - self.mean) / self.deviation).float()

    def inverse(self, scores: Tensor) -> Array:
        """Numbers that were standardised, shape (n, F)."""
        values: Array = (scores.double() * self.deviation + self.mean).numpy()
        return values


class _Particles(NamedTuple):
    """Numbers (n, F) of particles before they are standardised, event number and place in it, each (n,)."""

    values: Array
    event: NDArray[np.int64]
    place: NDArray[np.int64]


class PublishedRepresentation:
    """Events <-> (event, particles).

    Args:
        beams: energies in GeV.
        azimuth: how the azimuth becomes numbers.
        event: standardises (pT_e, eta_e, N).
        particle: standardises the numbers of a particle.
    """

    MOST = 49
    """Particles beside the electron; of more, those of highest pT are kept."""
    EVENT = 3
    """Numbers of an event."""

    def __init__(self, beams: Beams, azimuth: Azimuth, event: Standard, particle: Standard) -> None:
        self.beams, self.azimuth, self._event, self._particle = beams, azimuth, event, particle

    @property
    def features(self) -> int:
        """Numbers of a particle."""
        return len(self._particle.mean)

    @property
    def points(self) -> int:
        """How many of them, the first, are coordinates on the cylinder of pseudorapidity and azimuth."""
        return 1 + self.azimuth.size

    @classmethod
    def fit(cls, events: Events, azimuth: Azimuth) -> "PublishedRepresentation":
        """Fit means and standard deviations on the first 300,000 events of a sample.

        Args:
            events: the scattered electron first in each.
            azimuth: how the azimuth becomes numbers.

        Raises:
            InputError: if the sample's metadata lacks the beams, or nothing is inside the acceptance.
        """
        if events.run.beams is None:
            raise InputError("the events do not say their beams; simulate them with 'cloudchamber simulate dis'.")
        inside = ACCEPTANCE.apply(events[:_FIT_EVENTS])
        particles = _particle_values(inside, azimuth, cls.MOST)
        if not len(particles.event):
            raise InputError(f"the events hold no particle inside the acceptance ({ACCEPTANCE.description}).")
        continuous = 2 + azimuth.size
        standard = Standard.fit(particles.values[:, :continuous], particles.values.shape[1] - continuous)
        return cls(events.run.beams, azimuth, Standard.fit(_event_values(inside, cls.MOST)), standard)

    def encode(self, events: Events) -> Bundle:
        """Events as padded tensors.

        Args:
            events: the scattered electron first in each, any particles.

        Returns:
            Parts `event` (x: (B, 3)) and `particles` (x: (B, N, F), context: (B, 3), N at most 49).

        Raises:
            InputError: if the beams differ.
        """
        if events.run.beams != self.beams:
            raise InputError(
                f"the events have beams {events.run.beams.name if events.run.beams else 'unknown'}, but this model was "
                f"fitted at {self.beams.name}."
            )
        inside = ACCEPTANCE.apply(events)
        event = self._event.forward(_event_values(inside, self.MOST))
        particles = _particle_values(inside, self.azimuth, self.MOST)
        counts = torch.from_numpy(np.bincount(particles.event, minlength=len(events)))
        mask = torch.arange(max(int(counts.max()), 1)) < counts[:, None]
        x = torch.zeros(*mask.shape, self.features)
        scores = self._particle.forward(particles.values)
        x[torch.from_numpy(particles.event), torch.from_numpy(particles.place)] = scores
        weight = torch.from_numpy(events.weight.astype(np.float32))
        return Bundle({"event": Batch(event, weight), "particles": Batch(x, weight, context=event, mask=mask)})

    def physical(self, event: Tensor) -> NDArray[np.bool_]:
        """Which events have a positive pT of the electron, shape (B,).

        Args:
            event: scores, shape (B, 3).
        """
        values = self._event.inverse(event)
        good: NDArray[np.bool_] = np.isfinite(values).all(1) & (values[:, 0] > 0)
        return good

    def counts(self, event: Tensor) -> Tensor:
        """Particles beside the electron: N rounded and kept between 1 and 49, shape (B,).

        Args:
            event: scores, shape (B, 3).
        """
        return torch.from_numpy(self._event.inverse(event)[:, 2]).round().clamp(1, self.MOST).long()

    def decode(self, event: Tensor, particles: Tensor, mask: Tensor, phi: Array) -> Decoded:
        """Electrons and particles from scores: the inverse of `encode`, but for the flavours of neutrinos.

        Args:
            event: scores, shape (B, 3).
            particles: scores, shape (B, N, F).
            mask: real particles, shape (B, N).
            phi: azimuth of the scattered electrons, shape (B,).
        """
        pt_e, eta_e, _ = self._event.inverse(event).T
        eta_e = np.clip(eta_e, -_LARGEST, _LARGEST)
        number = mask.nonzero()[:, 0].numpy()
        values, size = self._particle.inverse(particles[mask]), self.azimuth.size
        eta = np.clip(values[:, 0] - eta_e[number], -_LARGEST, _LARGEST)
        pt = pt_e[number] * np.exp(np.clip(values[:, 1 + size], -_LARGEST, _LARGEST))
        px, py, pz = _cartesian(pt, eta, self.azimuth.decode(values[:, 1 : 1 + size]) + phi[number] + np.pi)
        kind = values[:, 3 + size :].argmax(1)
        code = _CODES[kind]
        anti = (values[:, 2 + size] < 0) & ~np.isin(code, _OWN_ANTIPARTICLE)
        columns = {"pdg_id": np.where(anti, -code, code), "px": px, "py": py, "pz": pz, "mass": _MASSES[kind]}
        electron = _cartesian(pt_e, eta_e, phi)
        energy = np.sqrt(sum(component**2 for component in electron) + ELECTRON_MASS**2)
        return Decoded(np.stack([energy, *electron], axis=-1), columns, number)

    def state(self) -> dict[str, Tensor]:
        """All fitted tensors, by name."""
        return {
            "beams": torch.tensor([self.beams.electron, self.beams.hadron], dtype=torch.float64),
            "azimuth": torch.tensor(list(AZIMUTHS).index(self.azimuth.name)),
            "event": torch.stack(list(self._event)),
            "particle": torch.stack(list(self._particle)),
        }

    @classmethod
    def from_state(cls, state: Mapping[str, Tensor]) -> "PublishedRepresentation":
        """The representation that `state` came from.

        Args:
            state: tensors by name.
        """
        electron, hadron = state["beams"].tolist()
        azimuth = list(AZIMUTHS.values())[int(state["azimuth"])]
        return cls(
            Beams(electron=electron, hadron=hadron), azimuth, Standard(*state["event"]), Standard(*state["particle"])
        )


def _momenta(events: Events) -> Momenta:
    return Momenta(*(events.flat(name).astype(np.float64) for name in ("px", "py", "pz", "mass")))


def _event_values(inside: Events, most: int) -> Array:
    """(pT_e, eta_e, N) of events, shape (B, 3)."""
    electrons = _momenta(inside).take(inside.offsets[:-1])
    return np.stack([electrons.pt, electrons.eta, np.minimum(inside.counts - 1, most)], axis=-1)


def _particle_values(inside: Events, azimuth: Azimuth, most: int) -> _Particles:
    """Numbers of all particles but the electrons; the first `most` of an event in the order of falling pT."""
    momenta, first = _momenta(inside), inside.offsets[:-1]
    electrons = momenta.take(first)
    event = np.repeat(np.arange(len(inside)), inside.counts)
    rows = np.lexsort((-momenta.pt, event))
    rows = rows[~np.isin(rows, first)]
    starts = np.cumsum(inside.counts - 1) - (inside.counts - 1)
    place = np.arange(len(rows)) - starts[event[rows]]
    rows, place = rows[place < most], place[place < most]
    number, own = event[rows], momenta.take(rows)
    codes = inside.flat("pdg_id")[rows]
    columns = [
        own.eta + electrons.eta[number],
        *azimuth.encode(azimuth_difference(own.phi, electrons.phi[number] + np.pi)).T,
        np.log(own.pt / electrons.pt[number]),
        np.sign(codes).astype(np.float64),
        *(np.isin(np.abs(codes), kind).astype(np.float64) for kind in PUBLISHED_SPECIES),
    ]
    return _Particles(np.stack(columns, axis=-1), number, place)


def _cartesian(pt: Array, eta: Array, phi: Array) -> tuple[Array, Array, Array]:
    """(px, py, pz) in GeV."""
    return pt * np.cos(phi), pt * np.sin(phi), pt * np.sinh(eta)
