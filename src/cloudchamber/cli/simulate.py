"""`cloudchamber simulate`: samples made with a conventional generator."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cloudchamber.events.schema import Level

if TYPE_CHECKING:
    from cloudchamber.recipes.simulation import Setting

__all__ = ["dis", "zjets"]


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
