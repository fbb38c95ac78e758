"""Neutral-current deep-inelastic scattering with Pythia8, shard by shard.

A shard is a pure function of (setting, seed, shard number): Pythia is initialised afresh with a seed of its
own, so the same shard comes out whoever makes it and in whatever order. Settings follow the EIC steering
files for head-on beams; Pythia's `PhaseSpace:pTHatMinDiverge` stays at its default of 1 GeV and cuts the
electron's pT there.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from importlib.metadata import version
from typing import Any, NamedTuple

import awkward as ak
import numpy as np
from numpy.typing import NDArray

from cloudchamber.errors import InputError
from cloudchamber.events import Beams, Cuts, Events, Level, RunInfo

__all__ = [
    "EIC_SETTINGS", "LEVEL_SETTINGS", "DISSetting", "FlatRecord", "new_pythia", "shard_seed",
    "simulate_shard", "stream_seed",
]  # fmt: skip

EIC_SETTINGS = (
    "WeakBosonExchange:ff2ff(t:gmZ) = on",
    "PDF:lepton = off",
    "TimeShower:QEDshowerByL = off",
    "SpaceShower:dipoleRecoil = on",
    "SpaceShower:pTmaxMatch = 2",
    "PartonLevel:MPI = off",
    "PhaseSpace:mHatMin = 1",
)
LEVEL_SETTINGS = {
    Level.STABLE: ("ParticleDecays:limitTau0 = on", "ParticleDecays:tau0Max = 10"),
    Level.PI0: ("ParticleDecays:limitTau0 = on", "ParticleDecays:tau0Max = 10", "111:mayDecay = off"),
    Level.PRIMARY: ("HadronLevel:Decay = off",),
}
FLAT_Q2 = "selection biased by Q2/GeV2, undone by the weights"
"""What the metadata say of samples that are flat in ln Q2."""
PT_HAT_MIN_DIVERGE = 1.0
PB_PER_MB = 1e9
_OWNED = ("beams:", "random:", "phasespace:q2m", "phasespace:pthat", "main:", "print:", "init:", "next:", "include")
_OWNED_LEVELS = ("hadronlevel:decay", "particledecays:limittau0", "particledecays:tau0max", "111:maydecay")
"""Beginnings of settings, and settings, that options or the package decide: beams, seed, Q2, pT, level."""
_MAX_PYTHIA_SEED = 900_000_000
_CHUNK = 4_000
_NO_PHASE_SPACE = "Pythia8 makes no events: no phase space is left for these beams and cuts; loosen the cuts."


@dataclass(frozen=True)
class DISSetting:
    """What to simulate: beams, Q2 range in GeV^2, and the level of decays.

    Raises:
        InputError: if no event can have such a Q2.
    """

    beams: Beams
    q2_min: float
    q2_max: float | None = None
    level: Level = Level.STABLE
    extra: tuple[str, ...] = ()
    """More settings of Pythia8, such as `StringZ:aLund = 0.5`, read after all others."""
    flat_q2: bool = False
    """Select events with a probability that is Q2 times as large, which their weights undo; see `simulate.bias`."""

    def __post_init__(self) -> None:
        s = 4 * self.beams.electron * self.beams.hadron
        if not 0.5 <= self.q2_min < s:
            raise InputError(
                f"--q2-min {self.q2_min:g} GeV2 is impossible at {self.beams.name}: it must be at least 0.5 "
                f"and below s = {s:.0f} GeV2."
            )
        if self.q2_max is not None and not self.q2_min < self.q2_max < np.inf:
            raise InputError(
                f"--q2-max {self.q2_max:g} GeV2 must be finite and above --q2-min {self.q2_min:g} GeV2; leave it out "
                "for no upper cut."
            )
        for line in self.extra:
            _require_free(line)

    def settings(self) -> tuple[str, ...]:
        """All Pythia settings that define the physics."""
        q2_max = () if self.q2_max is None else (f"PhaseSpace:Q2Max = {self.q2_max!r}",)
        return (
            "Beams:frameType = 2", "Beams:idA = 2212", "Beams:idB = 11",
            f"Beams:eA = {self.beams.hadron!r}", f"Beams:eB = {self.beams.electron!r}",
            f"PhaseSpace:Q2Min = {self.q2_min!r}", *q2_max, *EIC_SETTINGS, *LEVEL_SETTINGS[self.level],
            *self.extra,
        )  # fmt: skip

    def run_info(self, seed: int) -> RunInfo:
        """Metadata of a sample made with this setting, before its cross-section is known.

        Args:
            seed: the user's seed.
        """
        return RunInfo(
            beams=self.beams,
            cuts=Cuts(q2_min=self.q2_min, q2_max=self.q2_max, pt_electron_min=PT_HAT_MIN_DIVERGE),
            level=self.level,
            process="neutral-current DIS",
            generator="Pythia8",
            generator_version=version("pythia8mc"),
            settings=self.settings() + ((FLAT_Q2,) if self.flat_q2 else ()),
            seed=seed,
        )


def _require_free(line: str) -> None:
    """Refuse a setting that Pythia8 does not know, cannot read, or that has an option of its own."""
    import pythia8mc

    name = line.partition("=")[0].strip()
    if name.lower().startswith(_OWNED) or name.lower() in _OWNED_LEVELS:
        raise InputError(f"the Pythia8 setting '{name}' is made by the options of the command; leave it out of --set.")
    if "=" not in line or not pythia8mc.Pythia("", False).readString(line, False):
        raise InputError(f"Pythia8 does not understand the setting '{line}'; write one as 'StringZ:aLund = 0.5'.")


def shard_seed(seed: int, shard: int) -> int:
    """Pythia's seed for one shard: independent streams for every (seed, shard).

    Args:
        seed: the user's seed.
        shard: the shard's number.
    """
    return stream_seed(seed, shard)


def stream_seed(*numbers: int) -> int:
    """A seed for Pythia, 1 to 900,000,000, well mixed from the numbers that name a random stream.

    Args:
        *numbers: not negative.
    """
    return int(np.random.SeedSequence(numbers).generate_state(1, np.uint64)[0] % _MAX_PYTHIA_SEED) + 1


def new_pythia(settings: tuple[str, ...], seed: int, hooks: Any = None) -> Any:  # noqa: ANN401
    """A Pythia object, initialised with these settings.

    Args:
        settings: lines as in a Pythia command file.
        seed: Pythia's own seed, 1 to 900,000,000.
        hooks: user hooks of Pythia, which the caller keeps alive; None for none.

    Raises:
        InputError: if Pythia refuses a setting or finds no phase space.
    """
    import pythia8mc

    pythia = pythia8mc.Pythia("", False)
    for line in (*settings, "Print:quiet = on", "Random:setSeed = on", f"Random:seed = {seed}"):
        if not pythia.readString(line):
            raise InputError(f"Pythia8 does not know the setting '{line}'.")
    if hooks is not None:
        pythia.setUserHooksPtr(hooks)
    if not pythia.init():
        raise InputError(_NO_PHASE_SPACE)
    return pythia


def simulate_shard(
    setting: DISSetting, n: int, *, seed: int, shard: int, advance: Callable[[int], None] = lambda made: None
) -> Events:
    """One shard of events, with the final state after the chosen level of decays.

    Args:
        setting: what to simulate.
        n: number of events.
        seed: the user's seed.
        shard: the shard's number; each has its own random stream.
        advance: told how many events have been made since the last call.

    Returns:
        Events with float32 columns, the scattered electron first, and the shard's cross-section in the
        metadata.

    Raises:
        InputError: if Pythia refuses a setting or finds no phase space.
    """
    hooks = _hooks(setting)
    pythia = new_pythia(setting.settings(), shard_seed(seed, shard), hooks)
    parts: list[Events] = []
    made = 0
    while made < n:
        batch = pythia.nextBatch(min(_CHUNK, n - made))
        if not len(batch) and not made:
            raise InputError(_NO_PHASE_SPACE)
        if not len(batch):
            continue
        parts.append(replace(final_state(batch.prt), weight=ak.to_numpy(batch.info.weights[:, 0])))
        made += len(batch)
        advance(len(batch))
    info = pythia.infoPython()
    run = setting.run_info(seed).with_(
        cross_section_pb=info.sigmaGen() * PB_PER_MB, cross_section_error_pb=info.sigmaErr() * PB_PER_MB
    )
    return Events.concatenate(parts).with_run(run)


def _hooks(setting: DISSetting) -> Any:  # noqa: ANN401
    """What Pythia calls back, if anything."""
    if not setting.flat_q2:
        return None
    from cloudchamber.simulate.bias import FlatInLogQ2

    return FlatInLogQ2()


def final_state(record: ak.Array, lepton: int = 11) -> Events:
    """Final particles of Pythia's event records, the scattered lepton first, as float32 columns.

    Args:
        record: `n * var * PythiaParticle` as `Pythia.nextBatch` returns it.
        lepton: PDG number of the lepton that leaves the hard process.

    Raises:
        RuntimeError: if an event has no scattered lepton.
    """
    flat = FlatRecord.of(record)
    electron = flat.scattered_lepton(lepton)
    keep = flat.column("status") > 0
    counts = np.add.reduceat(keep, flat.offsets[:-1], dtype=np.int64)
    keep[electron] = False
    rows = np.insert(np.flatnonzero(keep), np.cumsum(counts - 1) - (counts - 1), electron)
    columns = {"pdg_id": flat.column("id")[rows].astype(np.int32)}
    for name, source in {"px": "p.px", "py": "p.py", "pz": "p.pz", "mass": "m"}.items():
        columns[name] = flat.column(source)[rows].astype(np.float32)
    return Events.from_flat(counts, columns)


class FlatRecord(NamedTuple):
    """Event records as flat numpy columns, particle after particle, without a copy."""

    offsets: NDArray[np.int64]
    content: Any

    @classmethod
    def of(cls, record: ak.Array) -> "FlatRecord":
        """The columns of event records: `n * var * PythiaParticle` as `Pythia.nextBatch` returns it."""
        layout = record.layout.to_ListOffsetArray64(True)
        return cls(np.asarray(layout.offsets), layout.content[: layout.offsets[-1]])

    def column(self, path: str) -> NDArray[Any]:
        """A column by its path, such as `id` or `p.px`.

        Args:
            path: field names joined by dots.
        """
        content = self.content
        for name in path.split("."):
            content = content.content(name)
        return np.asarray(content.data)

    def scattered_lepton(self, lepton: int = 11) -> NDArray[np.int64]:
        """Flat row of the scattered lepton of each event, by its chain of daughters.

        The chain starts at the lepton that leaves the hard process (status 23 or -23) and follows the
        daughter that is of the same kind until it is final.

        Args:
            lepton: its PDG number.

        Raises:
            RuntimeError: if an event has none, or several.
        """
        ids, status = self.column("id"), self.column("status")
        first, last = self.column("daughter1"), self.column("daughter2")
        start = self.offsets[:-1]
        outgoing = np.flatnonzero((np.abs(status) == 23) & (ids == lepton))
        event = np.searchsorted(self.offsets, outgoing, side="right") - 1
        if not np.array_equal(event, np.arange(len(start))):
            raise RuntimeError("an event does not have exactly one lepton that leaves the hard process")
        row = outgoing
        while (going := status[row] < 0).any():
            one = start[going] + first[row[going]]
            row[going] = np.where(ids[one] == lepton, one, start[going] + last[row[going]])
        return row
