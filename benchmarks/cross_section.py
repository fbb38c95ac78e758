"""The reduced cross-section of Pythia8 events beside leading order from Pythia8's own parton distributions.

    cloudchamber simulate dis --beams 10x275 --q2-min 25 --level stable --events 1000000 --seed 1 --out data
    python benchmarks/cross_section.py --data data --events 1000000

What is compared, and how (settings of `cloudchamber.simulate.pythia`):

- Measured: events in bins of x and Q2 by the electron method, with the cross-section stored in the files.
- Predicted: photon and Z exchange off every quark of Pythia's parton distributions at the factorisation scale that
  Pythia's default takes for this process, the smaller squared transverse mass of the outgoing pair, which is
  Q2 (1 - y') with y' of massless partons; alpha runs as in Pythia to the renormalisation scale, the same number.
- Outgoing quarks have Pythia's masses m: events with parton momentum fraction x' and t = -Q2 appear at
  x = x' Q2 / (Q2 + m^2). The prediction is integrated over each bin with this shift.
- Bins count whose whole area lies within 0.04 < y < 0.92 and Q2 > 1.04 times the sample's cut: further out the cuts
  on Q2 and pT and the recoil against photons radiated by quarks (0.7 % of the events) move events across the edge.
- The same chi2 for leading order with one ingredient left out says how much the events can tell.
- chi2 has Poisson errors, one common error of the cross-section, and as many degrees of freedom as bins.
"""

from pathlib import Path
from typing import Annotated, Any, NamedTuple

import numpy as np
import typer
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table
from scipy.interpolate import RegularGridInterpolator
from scipy.stats import chi2 as chi2_distribution

from cloudchamber.events import Beams
from cloudchamber.formats import files
from cloudchamber.formats.parquet import read_run, shards
from cloudchamber.physics.cross_section import ALPHA, ELECTROWEAK, Plane, leading_order, measure, reduction
from cloudchamber.physics.dis import dis_variables
from cloudchamber.physics.kinematics import Momenta, center_of_mass_energy
from cloudchamber.simulate.pythia import DISSetting, new_pythia

Array = NDArray[np.float64]
QUARKS = (1, 2, 3, 4, 5)
Y_RANGE = (0.04, 0.92)
Q2_MARGIN = 1.04
FEWEST = 25
"""Events that leading order expects in a bin that counts."""


class Sample(NamedTuple):
    """x, Q2 and weight of each event, and the cross-section with its error in pb."""

    x: Array
    Q2: Array
    weight: Array
    cross_section: tuple[float, float]


def read_sample(data: Path, events: int, beams: Beams) -> Sample:
    """The electron's variables of the first events, and the mean cross-section of all shards.

    Args:
        data: folder of shards.
        events: how many to use.
        beams: energies in GeV.
    """
    columns: list[tuple[Array, ...]] = []
    left = events
    for batch in files.iterate(data):
        part = batch[:left]
        rows = part.offsets[:-1]
        electron = Momenta(*(part.flat(name)[rows].astype(np.float64) for name in ("px", "py", "pz", "mass")))
        found = dis_variables(electron.four_vectors(), beams)
        columns.append((found.x, found.Q2, part.weight))
        left -= len(part)
        if left <= 0:
            break
    x, Q2, weight = (np.concatenate(c) for c in zip(*columns, strict=True))
    runs = [read_run(path) for path in shards(data)]
    value, error = np.array([(r.cross_section_pb, r.cross_section_error_pb) for r in runs], dtype=np.float64).T
    return Sample(x, Q2, weight, (float(value.mean()), float(np.sqrt((error**2).sum()) / len(error))))


class Theory(NamedTuple):
    """What the prediction knows of; see the head of this file."""

    masses: bool = True
    z_boson: bool = True
    running: bool = True
    scale_is_q2: bool = False


VARIANTS = {
    "leading order": Theory(),
    "without Z exchange": Theory(z_boson=False),
    "without running of alpha": Theory(running=False),
    "with massless quarks": Theory(masses=False),
    "with the scale Q2": Theory(scale_is_q2=True),
}


class Partons:
    """Pythia's parton distributions, alpha and quark masses, interpolated in ln x and ln of the scale.

    Args:
        pythia: after its initialisation.
        s: squared energy in GeV^2.
    """

    def __init__(self, pythia: Any, s: float) -> None:  # noqa: ANN401
        pdf = pythia.getPDFPtr(2212)
        self.x = np.log(np.geomspace(1e-3, 0.9999, 500))
        self.scale = np.log(np.geomspace(0.5, s, 160))
        grid = {q: np.empty((len(self.x), len(self.scale))) for k in QUARKS for q in (k, -k)}
        for j, scale in enumerate(np.exp(self.scale)):
            for i, x in enumerate(np.exp(self.x)):
                for q, table in grid.items():
                    table[i, j] = pdf.xf(q, float(x), float(scale))
        self.tables = {q: RegularGridInterpolator((self.x, self.scale), table) for q, table in grid.items()}
        self.alpha = np.array([pythia.coupSM.alphaEM(float(scale)) for scale in np.exp(self.scale)])
        self.mass = {k: pythia.particleData.m0(k) for k in QUARKS}

    def density(self, x: Array, scale: Array) -> dict[int, Array]:
        """Each density times x.

        Args:
            x: shape (n,).
            scale: factorisation scale in GeV^2, shape (n,).
        """
        at = np.stack([np.log(x), np.log(scale)], axis=-1)
        return {q: table(at) for q, table in self.tables.items()}


def predict(partons: Partons, plane: Plane, beams: Beams, theory: Theory, points: int = 8) -> Array:
    """Leading order averaged over each bin, by Gauss-Legendre points in ln x and ln Q2.

    Args:
        partons: from Pythia.
        plane: bins.
        beams: energies in GeV.
        theory: what to take into account.
        points: in each direction of each bin.
    """
    nodes, weights = np.polynomial.legendre.leggauss(points)
    total = np.full(plane.inside.shape, np.nan)
    for i, k in zip(*np.nonzero(plane.inside), strict=True):
        (u0, u1), (v0, v1) = np.log(plane.x[i : i + 2]), np.log(plane.Q2[k : k + 2])
        u, v = np.meshgrid((u0 + u1) / 2 + (u1 - u0) / 2 * nodes, (v0 + v1) / 2 + (v1 - v0) / 2 * nodes, indexing="ij")
        x, Q2 = np.exp(u).ravel(), np.exp(v).ravel()
        measure_ = (np.outer(weights, weights) * (u1 - u0) * (v1 - v0) / 4).ravel() * x * Q2
        total[i, k] = (at_points(partons, x, Q2, beams, theory) * measure_).sum() / plane.area[i, k]
    return total


def at_points(partons: Partons, x: Array, Q2: Array, beams: Beams, theory: Theory) -> Array:
    """The reduced cross-section where outgoing quarks have masses, at leading order.

    d sigma / dx dQ2 = sum_q d sigma_q / dx' dQ2 * dx' / dx with x' = x (1 + m^2 / Q2), each quark by itself.

    Args:
        partons: from Pythia.
        x: shape (n,).
        Q2: shape (n,), GeV^2.
        beams: energies in GeV.
        theory: what to take into account.
    """
    s = center_of_mass_energy(beams) ** 2
    boson = ELECTROWEAK if theory.z_boson else ELECTROWEAK._replace(mass_z=1e9)
    total = np.zeros_like(x)
    for quark in QUARKS:
        stretch = 1 + theory.masses * partons.mass[quark] ** 2 / Q2
        inner = np.minimum(x * stretch, 0.9999)
        scale = Q2 if theory.scale_is_q2 else Q2 * (1 - Q2 / (s * inner))
        found = partons.density(inner, scale)
        one = {q: found[q] for q in (quark, -quark)}
        alpha = np.interp(np.log(scale), partons.scale, partons.alpha) if theory.running else ALPHA
        massless = leading_order(one, inner, Q2, running=alpha / ALPHA, beams=beams, settings=boson)
        total += massless * stretch * reduction(x, Q2, beams) / reduction(inner, Q2, beams)
    return total


def main(
    data: Annotated[Path, typer.Option(help="Folder of shards from 'cloudchamber simulate dis'.")],
    events: Annotated[int, typer.Option(help="Events to use.")] = 1_000_000,
) -> None:
    """Measure, predict and print."""
    run = read_run(shards(data)[0])
    beams, q2_min = run.beams or Beams.parse("10x275"), run.cuts.q2_min or 25.0
    sample = read_sample(data, events, beams)
    plane = Plane.within(np.geomspace(2.5e-3, 0.8, 21), np.geomspace(Q2_MARGIN * q2_min, 4000.0, 17), beams,
                         Q2_min=Q2_MARGIN * q2_min, y=Y_RANGE)  # fmt: skip
    measured = measure(*sample[:3], cross_section_pb=sample.cross_section[0], plane=plane, beams=beams)
    partons = Partons(new_pythia(DISSetting(beams, q2_min).settings(), 1), center_of_mass_energy(beams) ** 2)
    predictions = {name: predict(partons, plane, beams, theory) for name, theory in VARIANTS.items()}
    predicted = predictions["leading order"]
    per_event = np.divide(measured.value, measured.entries, out=np.full_like(predicted, np.inf),
                          where=measured.entries > 0)  # fmt: skip
    used = plane.inside & (np.nan_to_num(predicted) / per_event >= FEWEST)
    value, error = sample.cross_section
    print(f"{len(sample.x):,} events, {int(measured.entries[used].sum()):,} in {used.sum()} bins; "
          f"sigma = {value:.1f} ± {error:.1f} pb")  # fmt: skip
    for name, prediction in predictions.items():
        report(name, measured.value[used], prediction[used], measured.entries[used], error / value)
    by_rows(plane, measured.value / predicted, measured.error / predicted, used)


def report(name: str, measured: Array, predicted: Array, entries: Array, common: float) -> None:
    """Print chi2 and its p-value.

    Args:
        name: of the prediction.
        measured: shape (k,).
        predicted: shape (k,).
        entries: events in each bin, shape (k,).
        common: relative error of the cross-section, common to all bins.
    """
    expected = entries * predicted / measured
    statistical = predicted / np.sqrt(expected)
    covariance = np.diag(statistical**2) + common**2 * np.outer(predicted, predicted)
    difference = measured - predicted
    chi2 = float(difference @ np.linalg.solve(covariance, difference))
    p_value = float(chi2_distribution.sf(chi2, len(measured)))
    mean = float((measured / predicted * expected).sum() / expected.sum())
    print(f"{name:<26} measured / predicted {mean:.5f} ± {1 / np.sqrt(expected.sum()):.5f}, "
          f"chi2 = {chi2:.1f} for {len(measured)} bins, p = {p_value:.2g}")  # fmt: skip


def by_rows(plane: Plane, ratio: Array, error: Array, used: NDArray[np.bool_]) -> None:
    """Print the ratio to leading order by bins of Q2 (columns) and x (rows).

    Args:
        plane: bins.
        ratio: shape (b, c).
        error: shape (b, c).
        used: which bins, shape (b, c).
    """
    table = Table("x \\ Q2 [GeV2]", *(f"{low:.0f}" for low in plane.Q2[:-1]), title="measured / leading order")
    for i, low in enumerate(plane.x[:-1]):
        cells = [f"{ratio[i, k]:.3f}({1000 * error[i, k]:.0f})" if used[i, k] else "" for k in range(used.shape[1])]
        if any(cells):
            table.add_row(f"{low:.4f}", *cells)
    Console(width=200).print(table)


if __name__ == "__main__":
    typer.run(main)
