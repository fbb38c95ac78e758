r"""Positions, widths and heights of the mass peaks of a sample beside those of a reference.

    cloudchamber generate --model ep-dis-10x275 --events 100000 --seed 1 --out events.parquet
    python benchmarks/peaks.py events.parquet --reference reference --events 100000

Broad peaks are fitted in both samples with the same density of pairs,

    f(m) = Y m G / ((m^2 - M^2)^2 + M^2 G^2) + c (m - m_0)^a exp(b_1 m + b_2 m^2),        m_0 the threshold,

a Breit-Wigner of mass M and width G over a smooth ground, whose shape (a, b_1, b_2) is the reference's also in the
candidate. Reflections of other decays are not in it, so the fitted numbers are no properties of the resonance, but the
same bias is in both samples. Pythia8 gives some hadrons exactly their nominal mass: that bin is left out of the fit,
and the spike is counted on its own. Of pairs of photons the median and half the central 68 % within 0.1 MeV of the
masses of the pi0 and the eta are given; their width is the rounding to float32, in which momenta of both samples are
taken. A picture shows all spectra.
"""

import argparse
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import awkward as ak
import matplotlib.pyplot as plt
import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table
from scipy.optimize import curve_fit

from cloudchamber.events import Events
from cloudchamber.formats import files

Array = NDArray[np.float64]
_NEAR = 1e-4
"""Half the window of photon pairs, GeV."""


@dataclass(frozen=True)
class Peak:
    """A resonance in pairs of two species.

    Attributes:
        name: for the table.
        first: PDG id of one particle; pairs of antiparticles count as well.
        second: of the other.
        mass: where the fit starts, GeV.
        width: likewise, GeV.
        window: of the fit, GeV.
        spiked: whether Pythia8 gives some of these hadrons exactly their nominal mass.
    """

    name: str
    first: int
    second: int
    mass: float
    width: float
    window: tuple[float, float]
    spiked: bool = False


BROAD = (
    Peak("rho0 -> pi+ pi-", 211, -211, 0.775, 0.149, (0.60, 1.10), spiked=True),
    Peak("Delta0 -> p pi-", 2212, -211, 1.232, 0.117, (1.10, 1.60), spiked=True),
    Peak("Delta++ -> p pi+", 2212, 211, 1.232, 0.117, (1.10, 1.60), spiked=True),
    Peak("K*0 -> K+ pi-", 321, -211, 0.896, 0.047, (0.75, 1.10)),
    Peak("phi -> K+ K-", 321, -321, 1.0195, 0.0043, (0.995, 1.06)),
)
NARROW = (
    Peak("pi0 -> gamma gamma", 22, 22, 0.1349768, 0.0, (0.0, 1.0)),
    Peak("eta -> gamma gamma", 22, 22, 0.547862, 0.0, (0.0, 1.0)),
)
SPIKES = (
    Peak("rho0, nominal mass", 211, -211, 0.77549, 0.0, (0.0, 1.0)),
    Peak("Delta++, nominal mass", 2212, 211, 1.232, 0.0, (0.0, 1.0)),
)


class Estimate(NamedTuple):
    """Values and errors: mass and width in MeV, pairs in 1000 events."""

    values: Array
    errors: Array


def masses(events: Events, first: int, second: int) -> Array:
    """Invariant masses of all pairs in the same event, GeV.

    Args:
        events: final states.
        first: PDG id of one particle; charge conjugates are included.
        second: of the other.
    """
    own_conjugate = first == -second or first == second == 22
    wanted = [(first, second)] if own_conjugate else [(first, second), (-first, -second)]
    return np.concatenate([_pairs(events, *pair) for pair in wanted])


def _pairs(events: Events, first: int, second: int) -> Array:
    columns = {name: ak.unflatten(events.flat(name).astype(np.float32).astype(np.float64), events.counts)
               for name in ("px", "py", "pz", "mass")}  # fmt: skip
    columns["E"] = np.sqrt(sum(columns[name] ** 2 for name in ("px", "py", "pz", "mass")))
    particles = ak.zip({"pdg_id": ak.unflatten(events.flat("pdg_id"), events.counts), **columns})
    one = particles[particles.pdg_id == first]
    if first == second:
        a, b = ak.unzip(ak.combinations(one, 2))
    else:
        a, b = ak.unzip(ak.cartesian([one, particles[particles.pdg_id == second]]))
    squared = (a.E + b.E) ** 2 - sum((a[name] + b[name]) ** 2 for name in ("px", "py", "pz"))
    out: Array = np.sqrt(np.maximum(ak.to_numpy(ak.flatten(squared)), 0.0))
    return out


class Fit(NamedTuple):
    """Best parameters (Y, M, G, c, a, b_1, b_2) of f(m) and their errors."""

    best: Array
    errors: Array


def fit(found: Array, peak: Peak, ground: Array | None, bins: int = 100) -> Fit:
    """Fit f(m) to masses.

    Args:
        found: masses of pairs, GeV.
        peak: where to look.
        ground: a, b_1 and b_2; None to fit them too.
        bins: of the histogram that is fitted.
    """
    content, edges = np.histogram(found, bins, peak.window)
    centres = (edges[1:] + edges[:-1]) / 2
    threshold = _MASSES[abs(peak.first)] + _MASSES[abs(peak.second)]

    def density(m: Array, *parameters: float) -> Array:
        y, mass, width, c, a, b1, b2 = parameters if ground is None else (*parameters, *ground)
        signal = y * m * width / ((m**2 - mass**2) ** 2 + (mass * width) ** 2)
        x = m - peak.mass
        smooth = c * (np.maximum(m - threshold, 1e-9) / 0.1) ** a * np.exp(b1 * x + b2 * x**2)
        total: Array = signal + smooth
        return total

    level = max(float(np.median(content)), 1.0)
    start = [0.1 * level * peak.width, peak.mass, peak.width, level, 0.5, 0.0, 0.0]
    lower = [0.0, peak.window[0], peak.width / 10, 0.0, -5.0, -30.0, -60.0]
    upper = [np.inf, peak.window[1], peak.width * 5, np.inf, 10.0, 30.0, 60.0]
    free = 7 if ground is None else 4
    rows = np.abs(centres - peak.mass) > edges[1] - edges[0] if peak.spiked else np.ones(bins, dtype=bool)
    best, covariance = curve_fit(density, centres[rows], content[rows], start[:free],
                                 np.sqrt(np.maximum(content[rows], 1.0)),
                                 absolute_sigma=True, bounds=(lower[:free], upper[:free]), x_scale="jac",
                                 max_nfev=20_000)  # fmt: skip
    return Fit(best, np.sqrt(np.diag(covariance)))


def broad(fit: Fit, peak: Peak, events: int, bins: int = 100) -> Estimate:
    """Mass, width and number of pairs under a broad peak.

    Args:
        fit: of a sample.
        peak: where it was.
        events: in the sample.
        bins: of the fitted histogram.
    """
    y, mass, width = fit.best[:3]
    pairs = 1e3 * y * np.pi / 2 / ((peak.window[1] - peak.window[0]) / bins) / events
    errors = fit.errors[:3] * np.array([pairs / max(y, 1e-300), 1e3, 1e3])
    return Estimate(np.array([1e3 * mass, 1e3 * width, pairs]), errors[[1, 2, 0]])


_MASSES = {211: 0.13957, 321: 0.49368, 2212: 0.93827}


def narrow(found: Array, peak: Peak, events: int) -> Estimate:
    """Median and half the central 68 % in MeV of the masses near a narrow peak, and their number.

    Args:
        found: masses of pairs, GeV.
        peak: where to look.
        events: in the sample.
    """
    near = 1e3 * found[np.abs(found - peak.mass) < _NEAR]
    n = max(len(near), 1)
    low, middle, high = np.quantile(near, [0.16, 0.5, 0.84])
    width = (high - low) / 2
    return Estimate(np.array([middle, width, 1e3 * n / events]),
                    np.array([1.25 * width, width, 1e3 * n / events]) / n**0.5)  # fmt: skip


def draw(spectra: dict[str, tuple[Peak, Array, Array]], sizes: tuple[int, int], path: Path) -> None:
    """Spectra of both samples with their ratios.

    Args:
        spectra: peak and masses of reference and candidate, by name.
        sizes: events of reference and candidate.
        path: the picture.
    """
    figure, axes = plt.subplots(2, len(spectra), figsize=(3.6 * len(spectra), 4.6), sharex="col", layout="constrained",
                                height_ratios=(3, 1), squeeze=False)  # fmt: skip
    for (name, (peak, *found)), (top, bottom) in zip(spectra.items(), axes.T, strict=True):
        bins = np.linspace(*peak.window, 51)
        counts = [np.histogram(masses, bins)[0] for masses in found]
        rates = [count / size / (bins[1] - bins[0]) for count, size in zip(counts, sizes, strict=True)]
        errors = [rate / np.sqrt(np.maximum(count, 1)) for rate, count in zip(rates, counts, strict=True)]
        m = (bins[1:] + bins[:-1]) / 2
        top.stairs(rates[0], bins, color="black", label="reference")
        top.errorbar(m, rates[1], errors[1], fmt=".", color="tab:orange", label="candidate")
        ratio = rates[1] / rates[0]
        bottom.errorbar(m, ratio, np.hypot(errors[1], ratio * errors[0]) / rates[0], fmt=".", color="tab:orange")
        bottom.axhline(1, color="black", linewidth=0.8)
        bottom.set(xlabel="pair mass [GeV]", ylim=(0.8, 1.2))
        top.set(title=name, xlim=peak.window, ylim=(0, None))
    axes[0, 0].set_ylabel("pairs / event / GeV")
    axes[1, 0].set_ylabel("ratio")
    axes[0, 0].legend()
    figure.savefig(path, dpi=120)


def main() -> None:
    """Read, fit, print, draw."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("candidate", type=Path)
    parser.add_argument("--reference", type=Path, required=True)
    parser.add_argument("--events", type=int, default=100_000)
    parser.add_argument("--reference-events", type=int, default=400_000)
    parser.add_argument("--out", type=Path, default=Path("peaks.png"))
    chosen = parser.parse_args()
    reference = files.read(chosen.reference, chosen.reference_events).final_state()
    candidate = files.read(chosen.candidate, chosen.events).final_state()
    sizes = (len(reference), len(candidate))
    table = Table("peak", "number", "reference", "candidate", "pull",
                  title=f"{sizes[1]:,} events of {chosen.candidate.name} against {sizes[0]:,}")  # fmt: skip
    spectra = {}
    for peak in (*NARROW, *SPIKES, *BROAD):
        found = [masses(sample, peak.first, peak.second) for sample in (reference, candidate)]
        if peak in BROAD:
            first = fit(found[0], peak, None)
            fits = (first, fit(found[1], peak, first.best[4:]))
            truth, made = (broad(one, peak, size) for one, size in zip(fits, sizes, strict=True))
        else:
            truth, made = (narrow(m, peak, size) for m, size in zip(found, sizes, strict=True))
        rows = list(zip(("mass [MeV]", "width [MeV]", "pairs / 1000 events"), *truth, *made, strict=True))
        for what, t, dt, c, dc in rows[2:] if peak in SPIKES else rows:
            pull = (c - t) / max(np.hypot(dt, dc), 1e-12)
            table.add_row(peak.name, what, f"{t:.7g} ± {dt:.2g}", f"{c:.7g} ± {dc:.2g}", f"{pull:+.1f}")
        if peak in BROAD:
            spectra[peak.name] = (peak, found[0], found[1])
    Console(width=110).print(table)
    draw(spectra, sizes, chosen.out)


if __name__ == "__main__":
    main()
