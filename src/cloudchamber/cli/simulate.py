"""`cloudchamber simulate`: samples made with a conventional generator."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cloudchamber.events.schema import Level

if TYPE_CHECKING:
    from cloudchamber.recipes.simulation import Setting

__all__ = ["dis", "showers", "zjets"]

_SHOWERS = 10_000


def dis(
    *,
    out: Annotated[Path, typer.Option(help="Folder for the shards of 25,000 events each.")],
    events: Annotated[int, typer.Option(help="Number of events.")],
    beams: Annotated[str, typer.Option(help="Electron x hadron energies in GeV.")] = "10x275",
    q2_min: Annotated[float, typer.Option(help="Smallest Q2 in GeV2.")] = 25.0,
    q2_max: Annotated[float | None, typer.Option(help="Largest Q2 in GeV2; no limit by default.")] = None,
    level: Annotated[Level, typer.Option(help="Which hadrons have decayed.")] = Level.STABLE,
    more: Annotated[
        list[str] | None,
        typer.Option("--set", help="A setting of Pythia8, such as 'StringZ:aLund = 0.5'; may be given several times."),
    ] = None,
    seed: Annotated[int, typer.Option(help="Names the random streams.")] = 1,
    workers: Annotated[int, typer.Option(help="Processes to use.")] = 1,
    flat_q2: Annotated[
        bool, typer.Option("--flat-q2", help="About as many events at every ln Q2; their weights undo it.")
    ] = False,
) -> None:
    """Simulate neutral-current deep-inelastic scattering with Pythia8 and the EIC settings.

    The files are the same for any number of workers. A run that was interrupted continues when the same
    command is given again. Detuned samples, for studies of what a difference does, are made with --set.

    Example:
        cloudchamber simulate dis --beams 10x275 --q2-min 25 --events 100000 --workers 2 --out reference

    Args:
        out: folder for the shards.
        events: number of events.
        beams: electron x hadron energies in GeV.
        q2_min: smallest Q2 in GeV2.
        q2_max: largest Q2 in GeV2; no limit by default.
        level: which hadrons have decayed.
        more: settings of Pythia8, read after those of the command.
        seed: names the random streams.
        workers: processes to use.
        flat_q2: select events with a probability that is Q2 times as large, and weight them by 1/Q2.
    """
    from cloudchamber.events import Beams
    from cloudchamber.simulate.pythia import DISSetting

    setting = DISSetting(Beams.parse(beams), q2_min, q2_max, level, tuple(more or ()), flat_q2=flat_q2)
    _make(setting, out, events, seed, workers)


def zjets(
    *,
    out: Annotated[Path, typer.Option(help="Folder for the shards of 25,000 events each.")],
    events: Annotated[int, typer.Option(help="Number of events.")],
    energy: Annotated[float, typer.Option(help="Energy of both protons together, in GeV.")] = 13_000.0,
    jets: Annotated[int | None, typer.Option(help="Only events with so many jets; one to three by default.")] = None,
    seed: Annotated[int, typer.Option(help="Names the random streams.")] = 1,
    workers: Annotated[int, typer.Option(help="Processes to use.")] = 1,
) -> None:
    """Simulate Z/gamma* to two muons with one to three jets in proton-proton collisions, with Pythia8.

    Jets are anti-kT with R = 0.4 above 20 GeV, Delta R of two jets is above 0.4. An event holds the muon, the antimuon
    and the jets in falling pT; a jet is written with the PDG number 97 of jet algorithms, and in HepMC3 with status 3.
    The files are the same for any number of workers.

    Example:
        cloudchamber simulate zjets --events 100000 --workers 2 --out zjets

    Args:
        out: folder for the shards.
        events: number of events.
        energy: of both protons together, in GeV.
        jets: keep only events with so many jets.
        seed: names the random streams.
        workers: processes to use.
    """
    from cloudchamber.simulate.zjets import ZJetsSetting

    _make(ZJetsSetting(energy, jets), out, events, seed, workers)


def showers(
    *,
    out: Annotated[Path, typer.Option(help="File to make: .parquet for hits, .h5 for the CaloChallenge's voxels.")],
    energy: Annotated[float | None, typer.Option(help="Incident energy of all showers in GeV.")] = None,
    energies: Annotated[Path | None, typer.Option(help="Text file of incident energies in GeV, one a line.")] = None,
    energy_range: Annotated[
        tuple[float, float] | None, typer.Option(help="Incident energies in GeV, uniform in their logarithm.")
    ] = None,
    events: Annotated[
        int | None, typer.Option(help="Number of showers; 10000 by default, or all there are in --energies.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Names the random streams.")] = 1,
    workers: Annotated[int, typer.Option(help="Processes to use.")] = 1,
) -> None:
    """Simulate electron showers in the calorimeter of the data set calo-wsi, with a parametrisation fitted to it.

    Longitudinal and radial profiles with their fluctuations follow Grindhammer and Peters, hep-ex/0001020: a classical
    fast simulation to compare models with. The file is the same for any number of workers, and the first showers of a
    longer run are the shorter run.

    Example:
        cloudchamber simulate showers --energy 10 --events 1000 --seed 1 --out showers.parquet

    Args:
        out: file to make; its suffix picks the format.
        energy: incident energy of all showers in GeV.
        energies: text file of incident energies in GeV, one a line.
        energy_range: lowest and highest incident energy in GeV.
        events: number of showers.
        seed: names the random streams.
        workers: processes to use.

    Raises:
        InputError: if not one of the energies is given, or fewer energies than showers.
    """
    from cloudchamber.cli.progress import event_bar
    from cloudchamber.errors import require
    from cloudchamber.recipes.shower_simulation import ShowerSetting, simulate_shower_file

    given = [value for value in (energy, energies, energy_range) if value is not None]
    require(len(given) == 1, "give the incident energies with one of --energy, --energies and --energy-range.")
    number = _SHOWERS if events is None else events
    if energies is not None:
        from cloudchamber.recipes.shower_generation import read_energies

        found = read_energies(energies)
        number = len(found.values) if events is None else events
        require(number <= len(found.values), f"--events {number}: '{energies}' holds only {len(found.values):,}.")
        setting = ShowerSetting(found.values, found.flag, seed=seed)
    else:
        setting = ShowerSetting.of(energy, energy_range, number, seed)
    with event_bar("simulating", number) as advance:
        hits = simulate_shower_file(out, setting, showers=number, workers=workers, advance=advance)
    typer.echo(f"{number:,} showers with {hits:,} hits: '{out}', seed {seed}")


def _make(setting: "Setting", out: Path, events: int, seed: int, workers: int) -> None:
    from cloudchamber.cli.progress import event_bar
    from cloudchamber.recipes.simulation import simulate_folder

    with event_bar("simulating", events) as advance:
        made = simulate_folder(setting, out, events=events, seed=seed, workers=workers, advance=advance)
    kept = f", {made.kept_shards} of them from before" if made.kept_shards else ""
    typer.echo(
        f"{events:,} events in {made.shards} shards{kept}: '{out}', "
        f"cross-section {made.cross_section_pb:.5g} +- {made.cross_section_error_pb:.2g} pb"
    )
