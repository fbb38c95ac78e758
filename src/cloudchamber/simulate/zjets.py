"""Z + jets with Pythia8, shard by shard: pp to Z/gamma* to two muons, and jets of the initial-state shower.

The hard process is f fbar to Z/gamma* above a mass of 50 GeV at leading order, and its shower is corrected to the
matrix element of Z and one parton. Multiple interactions are off: they take 15 times as long and make few jets above
20 GeV. Radiation of photons is off, so that the muons are those of the Z and no jet is a lone photon without mass; jets
are made of all particles with c tau above 10 mm but the two muons and neutrinos. Only the pT, eta, phi and mass of each
jet are kept. Events that have no jet, more than three, or two closer than Delta R = 0.4 are left out; the muons are not
cut, as in arXiv:2305.10475.

As in `simulate.pythia` a shard is a pure function of (setting, seed, shard number).
"""

from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any, NamedTuple

import awkward as ak
import numpy as np
from numpy.typing import NDArray

from cloudchamber.errors import InputError
from cloudchamber.events import Events, Level, ProtonBeams, RunInfo
from cloudchamber.physics.jets import Jets, cluster, require_fastjet
from cloudchamber.physics.zjets import JET, MOST_JETS, MUON, PT_MIN, R_MIN, RADIUS, JetEvents, closest_pair
from cloudchamber.simulate.pythia import LEVEL_SETTINGS, PB_PER_MB, FlatRecord, new_pythia, shard_seed

__all__ = ["ZJETS_SETTINGS", "ZJetsSetting", "simulate_zjets"]

ZJETS_SETTINGS = (
    "WeakSingleBoson:ffbar2gmZ = on",
    "PhaseSpace:mHatMin = 50",
    "23:onMode = off",
    "23:onIfAny = 13",
    "PartonLevel:MPI = off",
    "TimeShower:QEDshowerByL = off",
    "TimeShower:QEDshowerByQ = off",
    "SpaceShower:QEDshowerByQ = off",
    *LEVEL_SETTINGS[Level.STABLE],
)
_NEUTRINOS = (12, 14, 16)
_CHUNK = 500


@dataclass(frozen=True)
class ZJetsSetting:
    """What to simulate.

    Raises:
        InputError: if a number is impossible or FastJet is not installed.
    """

    energy: float = 13_000.0
    """Of both protons together, in GeV."""
    jets: int | None = None
    """Keep only events with so many jets; one to three by default."""

    def __post_init__(self) -> None:
        if not 500 <= self.energy <= 200_000:
            raise InputError(f"--energy {self.energy:g} GeV is impossible: give 500 to 200000.")
        if self.jets is not None and not 1 <= self.jets <= MOST_JETS:
            raise InputError(f"--jets {self.jets} is impossible: give 1 to {MOST_JETS}.")
        require_fastjet()

    def settings(self) -> tuple[str, ...]:
        """All Pythia settings that define the physics."""
        return ("Beams:idA = 2212", "Beams:idB = 2212", f"Beams:eCM = {self.energy!r}", *ZJETS_SETTINGS)

    def run_info(self, seed: int) -> RunInfo:
        """Metadata of a sample made with this setting, before its cross-section is known.

        Args:
            seed: the user's seed.
        """
        wanted = "1 to 3" if self.jets is None else str(self.jets)
        return RunInfo(
            protons=ProtonBeams(energy=self.energy / 2),
            level=Level.STABLE,
            process="Z + jets",
            generator="Pythia8",
            generator_version=version("pythia8mc"),
            settings=(
                *self.settings(),
                f"jets: anti-kT, R = {RADIUS:g}, pT > {PT_MIN:g} GeV, Delta R > {R_MIN:g}, {wanted} in an event",
            ),
            seed=seed,
        )


def simulate_zjets(
    setting: ZJetsSetting, n: int, *, seed: int, shard: int, advance: Callable[[int], None] = lambda made: None
) -> Events:
    """One shard of events of muons and jets.

    Args:
        setting: what to simulate.
        n: number of events.
        seed: the user's seed.
        shard: the shard's number; each has its own random stream.
        advance: told how many events have been made since the last call.

    Returns:
        Events with float32 columns: muon, antimuon, jets in falling pT; and the cross-section of such events in the
        metadata.
    """
    pythia = new_pythia(setting.settings(), shard_seed(seed, shard))
    parts: list[Events] = []
    made = tried = 0
    while made < n:
        found = _selected(pythia.nextBatch(_CHUNK).prt, setting.jets)
        parts.append(found)
        advance(min(len(found), n - made))
        made, tried = made + len(found), tried + _CHUNK
    info, share = pythia.infoPython(), made / tried
    error = np.hypot(info.sigmaErr() * share, info.sigmaGen() * np.sqrt(share * (1 - share) / tried))
    run = setting.run_info(seed).with_(
        cross_section_pb=info.sigmaGen() * share * PB_PER_MB, cross_section_error_pb=float(error) * PB_PER_MB
    )
    return Events.concatenate(parts)[:n].with_run(run)


class _Muons(NamedTuple):
    """Rows of the muons of the Z in a flat record, each of shape (n,)."""

    negative: NDArray[np.int64]
    positive: NDArray[np.int64]


def _selected(record: ak.Array, wanted: int | None) -> Events:
    """Events that pass, of Pythia's event records."""
    flat = FlatRecord.of(record)
    muons = _Muons(flat.scattered_lepton(MUON), flat.scattered_lepton(-MUON))
    jets = _jets(flat, muons)
    counts = np.diff(jets.offsets)
    rows = np.flatnonzero((counts >= 1) & (counts <= MOST_JETS) if wanted is None else counts == wanted)
    return _separated(_assembled(flat, muons, jets, rows))


def _jets(flat: FlatRecord, muons: _Muons) -> Jets:
    """Jets of everything visible but the two muons."""
    visible = (flat.column("status") > 0) & ~np.isin(np.abs(flat.column("id")), _NEUTRINOS)
    visible[muons.negative] = visible[muons.positive] = False
    momenta = np.stack([flat.column(name)[visible] for name in ("p.e", "p.px", "p.py", "p.pz")], axis=-1)
    offsets = np.concatenate([[0], np.cumsum(visible)])[flat.offsets]
    return cluster(momenta.astype(np.float64), offsets, "antikt", radius=RADIUS, pt_min=PT_MIN)


def _assembled(flat: FlatRecord, muons: _Muons, jets: Jets, rows: NDArray[np.int64]) -> Events:
    """Muon, antimuon and jets of some events, as float32 columns."""
    counts = np.diff(jets.offsets)[rows]
    first = np.cumsum(counts + 2) - (counts + 2)
    is_jet = np.ones(int((counts + 2).sum()), dtype=bool)
    is_jet[first] = is_jet[first + 1] = False
    kept = np.repeat(np.isin(np.arange(len(jets.offsets) - 1), rows), np.diff(jets.offsets))
    of_jets = {"px": jets.momenta[kept, 1], "py": jets.momenta[kept, 2], "pz": jets.momenta[kept, 3],
               "mass": jets.mass[kept]}  # fmt: skip
    columns: dict[str, NDArray[Any]] = {"pdg_id": np.full(len(is_jet), JET, dtype=np.int32)}
    columns["pdg_id"][first], columns["pdg_id"][first + 1] = MUON, -MUON
    for name, source in {"px": "p.px", "py": "p.py", "pz": "p.pz", "mass": "m"}.items():
        values = np.empty(len(is_jet), dtype=np.float32)
        values[first], values[first + 1] = (flat.column(source)[muon[rows]] for muon in muons)
        values[is_jet] = of_jets[name]
        columns[name] = values
    return Events.from_flat(counts + 2, columns)


def _separated(events: Events) -> Events:
    """Events whose jets pass the cuts after rounding to float32."""
    keep = np.zeros(len(events), dtype=bool)
    for size in np.unique(events.counts):
        rows = np.flatnonzero(events.counts == size)
        jets = JetEvents.of(events[rows])
        keep[rows] = (jets.pt[:, 2:] > PT_MIN).all(1) & (closest_pair(jets) > R_MIN) & (jets.mass[:, 2:] > 0).all(1)
    return events[np.flatnonzero(keep)]
