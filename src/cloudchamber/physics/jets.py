r"""Jets by sequential recombination, with FastJet (arXiv:1111.6097), in the E scheme.

    d_ij = min(pT_i^2k, pT_j^2k) dR_ij^2 / R^2          d_iB = pT_i^2k

with k = -1 for anti-kT (arXiv:0802.1189, Eq. 1) and k = 1 for the longitudinally invariant kT algorithm; dR is in
rapidity and azimuth about the z axis of the frame that the momenta are given in.
"""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from typing import Any, Literal, NamedTuple

import awkward as ak
import numpy as np
from numpy.typing import NDArray

from cloudchamber.errors import InputError

__all__ = ["Jets", "cluster", "has_fastjet", "require_fastjet"]

Array = NDArray[np.float64]
Algorithm = Literal["antikt", "kt"]


class Jets(NamedTuple):
    """Jets of all events, the hardest of each event first."""

    momenta: Array
    """(E, px, py, pz) in GeV, shape (k, 4)."""
    offsets: NDArray[np.int64]
    """Where each event starts, shape (n + 1,)."""

    @property
    def pt(self) -> Array:
        """Transverse momenta, shape (k,)."""
        return np.hypot(self.momenta[:, 1], self.momenta[:, 2])

    @property
    def eta(self) -> Array:
        """Pseudorapidities, shape (k,)."""
        pt = np.maximum(self.pt, np.finfo(float).tiny)
        return np.arcsinh(self.momenta[:, 3] / pt)

    @property
    def mass(self) -> Array:
        """Invariant masses, shape (k,)."""
        squares = self.momenta**2
        mass: Array = np.sqrt(np.maximum(squares[:, 0] - squares[:, 1:].sum(axis=1), 0.0))
        return mass


def has_fastjet() -> bool:
    """Whether jets can be found here."""
    return find_spec("fastjet") is not None


def require_fastjet() -> None:
    """Refuse to go on without FastJet.

    Raises:
        InputError: if it is not installed.
    """
    if not has_fastjet():
        raise InputError("jets need FastJet; in a checkout, pip install '.[jets]' brings it.")


def cluster(
    momenta: Array, offsets: NDArray[np.int64], algorithm: Algorithm, *, radius: float = 1.0, pt_min: float
) -> Jets:
    """Inclusive jets of each event.

    Args:
        momenta: particles (E, px, py, pz) in GeV, shape (m, 4).
        offsets: where each event starts, shape (n + 1,).
        algorithm: antikt or kt.
        radius: R.
        pt_min: jets below this pT are left out, in GeV.

    Raises:
        InputError: if FastJet is not installed.
    """
    require_fastjet()
    columns = dict(zip(("E", "px", "py", "pz"), momenta.T, strict=True))
    record = ak.Array({name: np.ascontiguousarray(column) for name, column in columns.items()})
    particles = ak.with_name(ak.unflatten(record, np.diff(offsets)), "Momentum4D")
    with _without_banner():
        found = _inclusive_jets(particles, algorithm, radius, pt_min)
    found = found[ak.argsort(found.px**2 + found.py**2, ascending=False)]
    flat = np.stack([ak.to_numpy(ak.flatten(found[name])) for name in columns], axis=-1).astype(np.float64)
    return Jets(flat, np.concatenate([[0], np.cumsum(ak.to_numpy(ak.num(found)))]))


def _inclusive_jets(particles: ak.Array, algorithm: Algorithm, radius: float, pt_min: float) -> Any:  # noqa: ANN401
    import fastjet

    definition = fastjet.JetDefinition(getattr(fastjet, f"{algorithm}_algorithm"), radius)
    return fastjet.ClusterSequence(particles, definition).inclusive_jets(min_pt=pt_min)


@contextmanager
def _without_banner() -> Iterator[None]:
    """FastJet prints whom to cite on its first use, past Python, to standard output, where results belong."""
    sys.stdout.flush()
    saved, nowhere = os.dup(1), os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 1)
        yield
    finally:
        os.dup2(saved, 1)
        os.close(saved)
        os.close(nowhere)
