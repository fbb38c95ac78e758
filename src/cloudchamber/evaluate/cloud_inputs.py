r"""What the cloud classifier sees of an event: particles, pairs of particles, and sums over the event.

Azimuths are relative to the scattered electron's, which removes the symmetry of the beams. With energies in GeV, beam
energies E_e and E_h, and rotated momenta p:

    particle   ln pT, eta, cos and sin of phi - phi_e, ln E, arsinh(px), arsinh(py), p / E_h, E / E_h, whether it is e'
    pair       ln kT = ln(min(pT_i, pT_j) Delta R), ln Delta R, ln z = ln(min(pT_i, pT_j) / (pT_i + pT_j)), ln m
               (arXiv:2202.03772), and the number of the bin of ln m, 0.04 wide
    event      arsinh of sum px, sum py and (sum over particles - beams) of E - pz and of E, each over its scale, and of
               the size of the summed pT; ln of the number of particles; ln pT and eta of the electron

The mass is computed without a difference of large numbers, as in `physics.kinematics`, and with
E_i E_j - |p_i| |p_j| = (m_i^2 E_j^2 + m_j^2 p_i^2) / (E_i E_j + |p_i| |p_j|), so that float32 is enough.
"""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cloudchamber.evaluate.cloud_net import CloudTensors
from cloudchamber.evaluate.sample import Sample
from cloudchamber.evaluate.species import SPECIES
from cloudchamber.physics.dis import beam_momenta

__all__ = ["FEATURES", "KINDS", "MASS_BINS", "Clouds"]

FEATURES = (12, 4, 8)
"""Numbers of features of a particle, a pair and the event."""
MASS_BINS = 256
_LN_MASS = (-5.0, 5.24)
_CODES = tuple(code for species in SPECIES for code in species.codes)
KINDS = len(_CODES) + 2
"""Species: one for each PDG number that is judged, one for all others, and the scattered electron."""
_OTHER, _ELECTRON = len(_CODES), len(_CODES) + 1
_TINY = 1e-6
_SCALES = (0.05, 0.05, 0.2, 0.5)
"""GeV, for sums of px, py, E - pz and E: well above what the storage of momenta in float32 moves."""


@dataclass(frozen=True)
class Clouds:
    """Events as flat tensors, from which padded batches are made.

    Attributes:
        columns: px, py, pz in the frame where the electron has phi = 0, and mass; GeV, float32, shape (k, 4).
        kinds: number of the species, shape (k,).
        offsets: where each event starts, shape (n + 1,).
        event: features of the events, shape (n, E).
        beam: energy of the hadron beam in GeV.
    """

    columns: Tensor
    kinds: Tensor
    offsets: Tensor
    event: Tensor
    beam: float

    @classmethod
    def of(cls, sample: Sample) -> "Clouds":
        """The events of a sample.

        Args:
            sample: any number of events.
        """
        offsets = sample.offsets - sample.offsets[0]
        p = sample.momenta(np.arange(sample.offsets[0], sample.offsets[-1]))
        owner = np.repeat(np.arange(len(sample)), np.diff(offsets))
        phi = sample.electron.phi[owner]
        px, py = p.px * np.cos(phi) + p.py * np.sin(phi), p.py * np.cos(phi) - p.px * np.sin(phi)
        first = offsets[:-1]
        expected = np.asarray(sum(beam_momenta(sample.beams)))
        columns = np.stack([px, py, p.energy - p.pz, p.energy])
        beams = 0.0, 0.0, expected[0] - expected[3], expected[0]
        sums = [np.bincount(owner, c, minlength=len(sample)) - beam for c, beam in zip(columns, beams, strict=True)]
        event = [np.arcsinh(values / scale) for values, scale in zip(sums, _SCALES, strict=True)]
        event += [np.arcsinh(np.hypot(*sums[:2]) / _SCALES[0])]
        event += [np.log(np.diff(offsets)) - 3, np.log(p.pt[first] + _TINY) - 2, p.eta[first] / 2]
        particles = np.stack([px, py, p.pz, p.mass], axis=1).astype(np.float32)
        rows = slice(sample.offsets[0], sample.offsets[-1])
        return cls(torch.from_numpy(particles), torch.from_numpy(_kinds(sample.pdg_id[rows], first)),
                   torch.from_numpy(offsets), torch.from_numpy(np.stack(event, axis=1).astype(np.float32)),
                   sample.beams.hadron)  # fmt: skip

    @classmethod
    def join(cls, a: "Clouds", b: "Clouds") -> "Clouds":
        """Two samples, one after the other.

        Args:
            a: the first.
            b: the second.
        """
        offsets = torch.cat([a.offsets, b.offsets[1:] + a.offsets[-1]])
        joined = (torch.cat([getattr(a, name), getattr(b, name)]) for name in ("columns", "kinds", "event"))
        columns, kinds, event = joined
        return cls(columns, kinds, offsets, event, a.beam)

    def __len__(self) -> int:
        return len(self.event)

    @property
    def lengths(self) -> Tensor:
        """Particles in each event, shape (n,)."""
        return self.offsets.diff()

    def batch(self, events: Tensor) -> CloudTensors:
        """Some events, padded to the longest of them.

        Args:
            events: their numbers, shape (B,).
        """
        lengths = self.lengths[events]
        place = torch.arange(int(lengths.max()))
        mask = place < lengths[:, None]
        rows = torch.where(mask, self.offsets[:-1][events][:, None] + place, self.offsets[events][:, None])
        p = self.columns[rows] * mask[..., None]
        features, pairs, bins = _features(p, self.beam, mask)
        return CloudTensors(features, self.kinds[rows] * mask, mask, pairs, bins, self.event[events])


def _kinds(pdg_id: NDArray[np.int32], electrons: NDArray[np.int64]) -> NDArray[np.int64]:
    codes = np.asarray(_CODES)
    order = np.argsort(codes)
    place = np.minimum(np.searchsorted(codes[order], pdg_id), len(codes) - 1)
    kinds = np.where(codes[order][place] == pdg_id, order[place], _OTHER)
    kinds[electrons] = _ELECTRON
    return kinds.astype(np.int64)


def _features(p: Tensor, beam: float, mask: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Features of particles and pairs, and bins of the pair mass."""
    px, py, pz, mass = p.unbind(-1)
    pt = torch.hypot(px, py) + _TINY
    size = torch.sqrt(pt**2 + pz**2)
    energy = torch.sqrt(size**2 + mass**2)
    eta = torch.asinh(pz / pt)
    electron = torch.zeros_like(pt)
    electron[:, 0] = 1.0
    particle = torch.stack(
        [pt.log(), eta / 3, px / pt, py / pt, energy.log() / 2, px.asinh(), py.asinh(),
         10 * px / beam, 10 * py / beam, pz / beam, energy / beam, electron], dim=-1,
    )  # fmt: skip
    ln_mass = 0.5 * torch.log(_mass2(p[..., :3] / size[..., None], size, energy, mass) + _TINY**2)
    low, high = _LN_MASS
    bins = ((ln_mass - low) * (MASS_BINS / (high - low))).long().clamp(0, MASS_BINS - 1)
    smaller, total = torch.minimum(pt[:, :, None], pt[:, None]), pt[:, :, None] + pt[:, None]
    turn = torch.atan2(py, px)
    turn = turn[:, :, None] - turn[:, None]
    turn = torch.minimum(turn.abs(), 2 * torch.pi - turn.abs())
    apart = torch.sqrt((eta[:, :, None] - eta[:, None]) ** 2 + turn**2 + _TINY)
    pair = torch.stack([torch.log(smaller * apart), apart.log(), torch.log(smaller / total), ln_mass / 2], dim=-1)
    return particle * mask[..., None], pair, bins


def _mass2(direction: Tensor, size: Tensor, energy: Tensor, mass: Tensor) -> Tensor:
    """Squared invariant mass of all pairs, shape (B, N, N)."""
    apart = sum((d[:, :, None] - d[:, None]) ** 2 for d in direction.unbind(-1))
    sizes, energies = size[:, :, None] * size[:, None], energy[:, :, None] * energy[:, None]
    heavy = (mass[:, :, None] * energy[:, None]) ** 2 + (mass[:, None] * size[:, :, None]) ** 2
    masses = mass[:, :, None] ** 2 + mass[:, None] ** 2
    return masses + 2 * heavy / (energies + sizes).clamp_min(_TINY) + sizes * apart
