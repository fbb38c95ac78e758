"""What `cloudchamber generate` does with a model of showers."""

from pathlib import Path
from typing import TYPE_CHECKING

import typer

from cloudchamber.errors import InputError

if TYPE_CHECKING:
    from cloudchamber.recipes.generation import Generator
    from cloudchamber.recipes.generation_setting import GenerationSetting

__all__ = ["make_showers"]

_SHOWERS = 10_000


def make_showers(
    generator: "Generator",
    out: Path,
    setting: "GenerationSetting",
    *,
    energy: float | None,
    energies: Path | None,
    showers: int | None,
    workers: int,
) -> None:
    """Make a file of showers and tell of it.

    Args:
        generator: a loaded model of showers.
        out: file to make.
        setting: what to generate.
        energy: incident energy of all showers, GeV.
        energies: text file of incident energies, GeV, one a line.
        showers: how many; 10,000 by default, or all there are in `energies`.
        workers: processes to use.

    Raises:
        InputError: if not one of the energies is given, fewer energies than showers, or no number of showers.
    """
    from cloudchamber.cli.progress import event_bar
    from cloudchamber.recipes.shower_generation import Energies, ShowerGenerator, generate_showers, read_energies

    if (energy is None) == (energies is None):
        raise InputError(
            f"the model '{generator.name}' makes showers: give their incident energy in GeV with --energy, or a file "
            "of energies with --energies."
        )
    if showers is not None and showers < 1:
        raise InputError(f"--events {showers} is impossible: give a positive number.")
    if energies is not None:
        given = read_energies(energies)
        if showers is not None and showers > len(given.values):
            raise InputError(f"--events {showers} is impossible: '{energies}' holds {len(given.values):,}.")
        showers = showers or len(given.values)
    else:
        assert energy is not None
        showers = showers or _SHOWERS
        given = Energies.constant(energy, showers)
    maker = ShowerGenerator(generator.name, generator.trained, generator.device)
    with event_bar("generating", showers) as advance:
        hits = generate_showers(maker, out, given, showers=showers, setting=setting, workers=workers, advance=advance)
    typer.echo(f"{showers:,} showers with {hits:,} hits: '{out}', seed {setting.seed}")
