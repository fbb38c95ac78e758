r"""Is the verdict calibrated, and does it find what it should? Pythia8 against Pythia8, and against bent Pythia8.

    python benchmarks/calibration.py --pseudo-experiments 100 --small 1000 --events 50000 --reference 550000

The first table counts how often truth is rejected at 5 % in pseudo-experiments of n = `--small` events, each with its
own reference. The second takes `--events` events, bends them, and lists the verdict with the tests that fail after the
correction for the number of tests; the last column is the cloud classifier alone. The ways to bend:

    pT scaled            px and py of all particles times 1.01
    pions to kaons       2 % of charged pions given the PDG number and mass of kaons, momenta unchanged
    phi smeared          Gaussian of 0.05 rad for every particle
    pairs rotated apart  see `rotate_pi0_photons`: four-momentum is conserved, no pi0 is left
    unbalanced           0.2 GeV of transverse momentum in a random direction for one particle of each event
    aLund +20 %          a detuned Pythia8, StringZ:aLund 0.68 -> 0.816
"""

import argparse
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from cloudchamber.evaluate import BUDGETS, Budget, Evaluation, evaluate
from cloudchamber.evaluate.cloud_classifier import cloud_classifier_score
from cloudchamber.evaluate.evaluation import Measurement
from cloudchamber.evaluate.sample import Sample
from cloudchamber.evaluate.verdict import SIGNIFICANCE
from cloudchamber.events import Beams, Events
from cloudchamber.physics.kinematics import Momenta, jagged_pairs, pair_mass
from cloudchamber.simulate.pythia import DISSetting, simulate_shard

BEAMS, Q2_MIN = Beams.parse("10x275"), 25.0
SHARD = 25_000
PI0_WINDOW = (0.134, 0.136)
KAON_MASS = 0.493677
A_LUND = 0.68
Columns = dict[str, NDArray[np.generic]]


def changed(events: Events, change: Callable[[Columns, Events], None]) -> Events:
    """A copy of events with other columns.

    Args:
        events: left as they are.
        change: edits the columns of the copy.
    """
    columns = {name: events.flat(name).astype(np.float64 if name != "pdg_id" else np.int32) for name in events.columns}
    change(columns, events)
    return Events.from_flat(events.counts, columns, events.weight.copy(), events.run)


def scale_pt(columns: Columns, _events: Events) -> None:
    """Scale pT by 1 %."""
    columns["px"] *= 1.01
    columns["py"] *= 1.01


def pions_to_kaons(columns: Columns, _events: Events) -> None:
    """Turn 2 % of the charged pions into kaons of the same momentum."""
    rng = np.random.default_rng(1)
    pions = (np.abs(columns["pdg_id"]) == 211) & (rng.uniform(size=len(columns["pdg_id"])) < 0.02)
    columns["pdg_id"][pions] = np.sign(columns["pdg_id"][pions]) * 321
    columns["mass"][pions] = KAON_MASS


def smear_phi(columns: Columns, _events: Events) -> None:
    """Turn every particle by a Gaussian angle of 0.05 rad about the beam axis."""
    turn = np.random.default_rng(2).normal(0.0, 0.05, len(columns["px"]))
    px, py = columns["px"].copy(), columns["py"].copy()
    columns["px"] = px * np.cos(turn) - py * np.sin(turn)
    columns["py"] = px * np.sin(turn) + py * np.cos(turn)


def unbalance(columns: Columns, events: Events) -> None:
    """Give one particle of each event, not the scattered electron, 0.2 GeV in a random transverse direction."""
    rng = np.random.default_rng(3)
    rows = events.offsets[:-1] + 1 + (rng.uniform(size=len(events)) * (events.counts - 1)).astype(int)
    angle = rng.uniform(-np.pi, np.pi, len(events))
    columns["px"][rows] += 0.2 * np.cos(angle)
    columns["py"][rows] += 0.2 * np.sin(angle)


def rotate_pi0_photons(columns: Columns, events: Events) -> None:
    """Rotate every photon pair at the pi0 mass apart, with the four-momentum of the event conserved.

    One photon of each pair and a particle from outside the pair (a photon of the next pair where there is one) are
    turned together about their summed momentum. Their energies and their sum stay, the mass of the pair does not.
    """
    rng = np.random.default_rng(4)
    for first, other in _partners(columns, events):
        p = np.stack([columns[name] for name in ("px", "py", "pz")], axis=1)
        for row, new in zip((first, other), _turned(p[first], p[other], rng), strict=True):
            for k, name in enumerate(("px", "py", "pz")):
                columns[name][row] = new[:, k]


def _partners(columns: Columns, events: Events) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Rounds of (photon of a pair, particle from outside the pair); no particle is twice in a round."""
    first, second = _pi0_pairs(columns, events)
    event = np.searchsorted(events.offsets, first, side="right") - 1
    rank = np.arange(len(event)) - np.searchsorted(event, event)
    number = np.bincount(event, minlength=len(events))[event]
    pairs_up = (rank % 2 == 0) & (rank + 1 < number)
    yield first[pairs_up], first[np.flatnonzero(pairs_up) + 1]
    alone = (rank % 2 == 0) & (rank + 1 == number)
    last = events.offsets[1:][event[alone]] - 1
    spare = [last - k for k in range(3)]
    outside = np.select([(s != first[alone]) & (s != second[alone]) for s in spare], spare)
    keep = outside > events.offsets[:-1][event[alone]]
    yield first[alone][keep], outside[keep]


def _pi0_pairs(columns: Columns, events: Events) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Rows of photon pairs at the pi0 mass, each photon in the first pair that it makes."""
    photons = np.flatnonzero(columns["pdg_id"] == 22)
    momenta = Momenta(*(columns[name][photons] for name in ("px", "py", "pz", "mass")))
    a, b = jagged_pairs(np.searchsorted(photons, events.offsets))
    mass = pair_mass(momenta.take(a), momenta.take(b))
    inside = (mass > PI0_WINDOW[0]) & (mass < PI0_WINDOW[1])
    used, kept = set[int](), []
    for one, two in zip(photons[a[inside]].tolist(), photons[b[inside]].tolist(), strict=True):
        if not {one, two} & used:
            used |= {one, two}
            kept.append((one, two))
    pairs = np.array(kept, dtype=np.int64).reshape(-1, 2)
    return pairs[:, 0], pairs[:, 1]


def _turned(
    a: NDArray[np.float64], b: NDArray[np.float64], rng: np.random.Generator
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Two momenta turned about their sum by the same random angle (Rodrigues' formula)."""
    total = a + b
    axis = total / np.linalg.norm(total, axis=1, keepdims=True)
    angle = rng.uniform(0.25 * np.pi, 1.75 * np.pi, (len(a), 1))
    along = (a * axis).sum(axis=1, keepdims=True) * axis
    new = along + (a - along) * np.cos(angle) + np.cross(axis, a) * np.sin(angle)
    return new, total - new


BENT: dict[str, Callable[[Columns, Events], None]] = {
    "nothing": lambda _columns, _events: None,
    "pT scaled by 1 %": scale_pt,
    "2 % of pions to kaons": pions_to_kaons,
    "phi smeared by 0.05": smear_phi,
    "photon pairs rotated apart": rotate_pi0_photons,
    "unbalanced by 0.2 GeV": unbalance,
}
CLOUD_ALONE = ("nothing", "photon pairs rotated apart", "unbalanced by 0.2 GeV")


def simulated(n: int, seed: int, extra: tuple[str, ...] = ()) -> Events:
    """Events of Pythia8 at the stable level.

    Args:
        n: how many.
        seed: of the sample.
        extra: more settings of Pythia8.
    """
    setting = DISSetting(BEAMS, Q2_MIN, extra=extra)
    sizes = [min(SHARD, n - start) for start in range(0, n, SHARD)]
    return Events.concatenate([simulate_shard(setting, size, seed=seed, shard=k) for k, size in enumerate(sizes)])


def pseudo_experiment(k: int, budget: Budget, seed: int) -> Evaluation:
    """Truth against truth.

    Args:
        k: number of the experiment.
        budget: its size.
        seed: of the whole series.
    """
    assert budget.events is not None
    n = budget.events
    return evaluate(simulated(n, seed + 2 * k), simulated(budget.reference_events(n), seed + 2 * k + 1), budget)


def calibrate(number: int, budget: Budget, seed: int, workers: int) -> Table:
    """How often truth is rejected.

    Args:
        number: pseudo-experiments.
        budget: size of each.
        seed: of the series.
        workers: processes.
    """
    with ProcessPoolExecutor(workers) as pool:
        found = list(pool.map(partial(_rejections, budget=budget, seed=seed), range(number)))
    table = Table("test", "p < 5 % before correction", title=f"{number} pseudo-experiments, n = {budget.events:,}")
    for name in found[0]:
        table.add_row(name, f"{sum(f[name] for f in found)}")
    return table


def _rejections(k: int, budget: Budget, seed: int) -> dict[str, bool]:
    verdict = pseudo_experiment(k, budget, seed).verdict
    single = {test.name: test.p_value < SIGNIFICANCE for test in verdict.tests}
    return {**single, "verdict (corrected)": verdict.indistinguishable is False}


class Row(NamedTuple):
    """What the evaluation says of one sample."""

    sample: str
    rejected: str
    p: str
    tests_that_fail: str
    largest_distance: str
    cloud_alone: str
    seconds: str


def detect(truth: Events, sample: Events, budget: Budget, seed: int) -> Iterator[Row]:
    """What the verdict says of bent samples.

    Args:
        truth: the reference.
        sample: other true events, to be bent.
        budget: of the evaluation.
        seed: of the detuned sample.

    Yields:
        One row for each way to bend.
    """
    candidates = {name: partial(changed, sample, change) for name, change in BENT.items()}
    candidates["aLund +20 %"] = partial(simulated, len(sample), seed, (f"StringZ:aLund = {1.2 * A_LUND:.3f}",))
    for name, make in candidates.items():
        candidate, start = make(), time.perf_counter()
        found = evaluate(candidate, truth, budget)
        seconds = time.perf_counter() - start
        verdict, worst = found.verdict, max((*found.particles, *found.events), key=_ratio)
        yield Row(
            name, "yes" if verdict.indistinguishable is False else "no", f"{verdict.p_value or 0.0:.1g}",
            "; ".join(test.name for test in verdict.tests if test.rejected),
            f"{worst.quantity} of {worst.species or 'events'}: {_ratio(worst):.1f}",
            _cloud_alone(candidate, truth[: len(sample)]) if name in CLOUD_ALONE else "", f"{seconds:.0f}",
        )  # fmt: skip


def _ratio(m: Measurement) -> float:
    return (m.score and m.score.ratio) or 0.0


def _cloud_alone(candidate: Events, truth: Events) -> str:
    one, two = (Sample.of(events, BEAMS, "it") for events in (candidate, truth))
    score = cloud_classifier_score(two, one).score
    return f"AUC {score.value:.4f} ± {score.error:.4f}, p = {score.p_value:.1g}"


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pseudo-experiments", type=int, default=100)
    parser.add_argument("--small", type=int, default=1_000)
    parser.add_argument("--events", type=int, default=50_000)
    parser.add_argument("--reference", type=int, default=550_000)
    parser.add_argument("--budget", default="standard")
    parser.add_argument("--seed", type=int, default=1_000)
    parser.add_argument("--workers", type=int, default=2)
    chosen = parser.parse_args()
    console = Console(width=200)
    if chosen.pseudo_experiments:
        small = BUDGETS["quick"].with_events(chosen.small)
        console.print(calibrate(chosen.pseudo_experiments, small, chosen.seed, chosen.workers))
    if chosen.events:
        sample = simulated(chosen.events, chosen.seed + 100_000)
        truth = simulated(chosen.reference, chosen.seed + 100_001)
        title = f"n = {chosen.events:,}, reference {chosen.reference:,}, budget {chosen.budget}"
        table = Table(*(name.replace("_", " ") for name in Row._fields), title=title)
        budget = BUDGETS[chosen.budget].with_events(chosen.events)
        for row in detect(truth, sample, budget, chosen.seed + 100_002):
            table.add_row(*row)
            print(*row, sep=" | ", flush=True)
        console.print(table)


if __name__ == "__main__":
    main()
