"""A file of showers from the parametrised simulation.

Shard k holds showers 1,000 k to 1,000 k + 999 and has random streams of its own, in which showers stand one after the
other. So a file is the same for any number of workers, and with the same energies a longer one begins with a shorter.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from cloudchamber import __version__
from cloudchamber.errors import require
from cloudchamber.events import RunInfo, Showers, exact
from cloudchamber.formats import showers as files
from cloudchamber.recipes.ordered import in_order
from cloudchamber.recipes.workers import exit_on_sigterm
from cloudchamber.simulate.showers import SHARD, Constants, Stream, load_constants, simulate_showers

__all__ = ["EnergyRange", "ShowerSetting", "simulate_shower_file"]

Array = NDArray[np.float64]


class EnergyRange(NamedTuple):
    """Energies that are uniform in their logarithm, MeV."""

    low: float
    high: float


@dataclass(frozen=True)
class ShowerSetting:
    """What to simulate.

    Attributes:
        energies: of all showers, MeV, shape (n,), or the range to draw them from.
        flag: the option of the command line that says so.
        calorimeter: name of the constants.
        seed: names the random streams.
    """

    energies: Array | EnergyRange
    flag: str
    calorimeter: str = "calo-wsi"
    seed: int = 1

    @classmethod
    def of(
        cls, energy: float | None, energy_range: tuple[float, float] | None, showers: int, seed: int
    ) -> "ShowerSetting":
        """Showers of one energy, or of a range.

        Args:
            energy: GeV.
            energy_range: lowest and highest, GeV, where no energy is given.
            showers: how many.
            seed: names the random streams.

        Raises:
            InputError: if an energy is impossible.
        """
        if energy is not None:
            require(bool(np.isfinite(energy) and energy > 0), f"--energy {energy:g} is impossible: give GeV above 0.")
            return cls(np.full(max(showers, 1), energy * 1e3), f"--energy {exact(energy)}", seed=seed)
        assert energy_range is not None
        low, high = energy_range
        require(0 < low < high < np.inf, f"--energy-range {low:g} {high:g} is impossible: give two rising GeV above 0.")
        return cls(EnergyRange(low * 1e3, high * 1e3), f"--energy-range {exact(low)} {exact(high)}", seed=seed)

    def incident(self, shard: int, showers: int, stream: Stream) -> Array:
        """Incident energies of the first showers of a shard, MeV.

        Args:
            shard: number of the shard.
            showers: how many.
            stream: of the shard.
        """
        if isinstance(self.energies, EnergyRange):
            low, high = np.log(self.energies)
            drawn: Array = np.exp(low + (high - low) * stream.energy.random(showers))
            return drawn
        return self.energies[shard * SHARD : shard * SHARD + showers]

    def run_info(self, constants: Constants) -> RunInfo:
        """Metadata of the sample.

        Args:
            constants: of the calorimeter.
        """
        return RunInfo(
            process="electron showers", generator="parametrised showers (hep-ex/0001020)",
            generator_version=__version__, settings=(f"constants fitted to {constants.fitted_to}",), seed=self.seed,
            provenance={"command": f"cloudchamber simulate showers {self.flag} --seed {self.seed}",
                        "package": f"cloudchamber {__version__}"},
        )  # fmt: skip

    def require_range(self, constants: Constants) -> None:
        """Refuse energies that the constants were not fitted to.

        Args:
            constants: of the calorimeter.

        Raises:
            InputError: if there is such an energy.
        """
        values, (low, high) = np.asarray(self.energies), constants.energies
        bad = values[~((values >= low * 0.99) & (values <= high * 1.01))]
        require(
            not len(bad),
            f"an incident energy of {(bad[0] if len(bad) else 0) / 1e3:g} GeV is outside of what the simulation was "
            f"fitted to; give {low / 1e3:.2g} to {high / 1e3:.2g} GeV.",
        )


class _Shard(NamedTuple):
    number: int
    showers: int


def simulate_shower_file(
    out: Path,
    setting: ShowerSetting,
    *,
    showers: int,
    workers: int = 1,
    advance: Callable[[int], None] = lambda made: None,
) -> int:
    """Simulate a file of showers, streamed with bounded memory.

    Args:
        out: the file to make; its suffix picks the format.
        setting: what to simulate.
        showers: how many.
        workers: processes to use.
        advance: told how many showers have been written.

    Returns:
        Number of hits.

    Raises:
        InputError: if a number is impossible or the file cannot be written.
    """
    require(showers > 0, f"--events {showers} is impossible: give a positive number.")
    require(workers > 0, f"--workers {workers} is impossible: give a positive number.")
    require(setting.seed >= 0, f"--seed {setting.seed} is impossible: it must be at least 0.")
    constants, hits = load_constants(setting.calorimeter), 0
    setting.require_range(constants)
    with exit_on_sigterm(), files.open_writer(out, setting.run_info(constants)) as writer:
        for part in _shards(setting, showers, workers):
            writer.write(part)
            hits += len(part.energy)
            advance(len(part))
    return hits


def _shards(setting: ShowerSetting, showers: int, workers: int) -> Iterator[Showers]:
    tasks = [_Shard(k, min(SHARD, showers - k * SHARD)) for k in range(-(-showers // SHARD))]
    if min(workers, len(tasks)) == 1:
        yield from (_made(setting, task) for task in tasks)
        return
    yield from in_order(
        _work, tasks, workers=min(workers, len(tasks)), ahead=2 * workers, start=_start, arguments=(setting,)
    )


def _made(setting: ShowerSetting, shard: _Shard) -> Showers:
    stream = Stream.of(setting.seed, shard.number)
    incident = setting.incident(shard.number, shard.showers, stream)
    return simulate_showers(incident, stream, load_constants(setting.calorimeter))


_setting: ShowerSetting | None = None


def _start(setting: ShowerSetting) -> None:
    """Remember the setting in each worker process."""
    global _setting  # noqa: PLW0603
    _setting = setting


def _work(shard: _Shard) -> Showers:
    assert _setting is not None
    return _made(_setting, shard)
