r"""From densities of scores to the density of an event.

A stage of a model knows the density of its scores; the fitted maps turn it into that of physical numbers. An event is
the electron (ln Q2, ln y, phi) and an unordered set of particles, where particles with momenta p_i and energies E_i are
measured by d^3p_i / E_i in GeV^2, masses of broad resonances by dm in GeV, and every set is counted once: with n_s
particles of species s the density of the set is prod_s n_s! times that of the particles in any one order, and

    sum over species lists of  prod_s 1 / n_s!  int prod_i d^3p_i / E_i  dlnQ2 dlny dphi  p  =  1.

Where the representation folds, the folded event F is only one of those that the final state X may come from, chosen by
lot with the probability q(F | X). The logarithm of

    w = p(F) p(X | F) / q(F | X)

is that of a number whose mean over the lot is the density p(X) of the final state (arXiv:1312.6114, Eqs. 2-3); its own
mean is a lower bound on ln p(X), and equal to it where the model gives the lot's choices the lot's probabilities.
"""

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from cloudchamber.events import Events
from cloudchamber.represent.cloud import CloudRepresentation, four_momenta
from cloudchamber.tensors.batch import Bundle

__all__ = ["Encoded", "encode_with_densities"]


class Encoded(NamedTuple):
    """Scores, and what is to be added to the logarithms of their densities, each of shape (B,) in float64.

    Attributes:
        rows: as of `CloudRepresentation.encode`, masses among them.
        masses: summed masses of the particles in GeV.
        electron: ln |d scores / d(ln Q2, ln y)| - ln 2 pi.
        cloud: ln |d scores / d momenta|, ln of the density of the masses, and sum_s ln n_s!.
        folding: ln p(X | F) - ln q(F | X).
    """

    rows: Bundle
    masses: Tensor
    electron: Tensor
    cloud: Tensor
    folding: Tensor


def encode_with_densities(events: Events, folded: Events, representation: CloudRepresentation) -> Encoded:
    """Scores of events with the logarithms of all Jacobians.

    Args:
        events: final states with the model's beams.
        folded: the same, folded by the representation.
        representation: of the model.
    """
    table, counts = representation.species, torch.from_numpy(folded.counts - 1)
    event = torch.repeat_interleave(torch.arange(len(folded)), counts)
    kind = torch.from_numpy(table.index(folded.flat("pdg_id")[_hadronic(folded)]))
    mass = torch.from_numpy(folded.flat("mass")[_hadronic(folded)].astype(np.float64))
    alike = torch.zeros(len(folded), len(table), dtype=torch.float64)
    alike.index_put_((event, kind), torch.ones(len(kind), dtype=torch.float64), accumulate=True)
    zero = torch.zeros(len(folded), dtype=torch.float64)
    densities = zero.index_add(0, event, table.log_mass_density(kind, mass))
    electron = representation.electron.log_det(four_momenta(folded.electron))
    return Encoded(
        representation.encode_folded(folded),
        zero.index_add(0, event, mass),
        electron - float(np.log(2 * np.pi)),
        representation.log_det_folded(folded) + densities + torch.lgamma(alike + 1).sum(1),
        torch.from_numpy(_log_unfold(events, representation)),
    )


def _hadronic(events: Events) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    """Which of all particles are no scattered electrons."""
    keep = np.ones(int(events.counts.sum()), dtype=bool)
    keep[events.offsets[:-1]] = False
    return keep


def _log_unfold(events: Events, representation: CloudRepresentation) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    total = np.zeros(len(events))
    for fold in (representation.folding, representation.resonances):
        if fold is not None:
            total, events = total + fold.log_unfold(events), fold.fold(events)
    return total
