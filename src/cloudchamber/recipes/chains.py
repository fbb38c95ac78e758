"""A run of assisted Markov chains as a folder: the chain, a summary, plots, and a checkpoint while it runs."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from matplotlib.figure import Figure

from cloudchamber import __version__
from cloudchamber.errors import InputError
from cloudchamber.evaluate.figures.style import PALETTE, house_style
from cloudchamber.formats.atomic import atomic_path, explain_os_error
from cloudchamber.mcmc import figures
from cloudchamber.mcmc.posterior import Diagnostics, diagnostics
from cloudchamber.recipes.assisted import AssistedSampler
from cloudchamber.recipes.targets import Named, find_target, truth_of

if TYPE_CHECKING:
    import arviz as az

__all__ = ["run_chains"]

CHECKPOINT = "checkpoint.pt"


def run_chains(
    target: str, out: Path, *, steps: int, seed: int, proposal: str, box: str | None = None, resume: bool = False,
    progress: Callable[[str, int], None] = lambda stage, steps: None, **plan: Any,  # noqa: ANN401
) -> Diagnostics:  # fmt: skip
    """Sample a target and write the chain, a summary and plots.

    Args:
        target: as of `recipes.targets.find_target`.
        out: folder; made if it does not exist.
        steps: draws of each walker.
        seed: names all random streams.
        proposal: a name in `recipes.proposals.PROPOSALS`.
        box: bounds of the parameters of a user's function.
        resume: go on from the checkpoint in the folder.
        progress: told the stage and the steps done.
        **plan: settings of `mcmc.plan.Plan`.

    Returns:
        What is in the summary.

    Raises:
        InputError: if the input does not fit, or the folder holds a run and `resume` is not given.
    """
    found = find_target(target, box)
    sampler = AssistedSampler(found.log_prob, len(found.names), bounds=found.bounds, vectorize=found.vectorize,
                              names=found.names, proposal=proposal, seed=seed, **plan)  # fmt: skip
    _prepare(out, resume)
    starts = found.starts(sampler.plan.walkers, seed)
    data = sampler.run(steps, starts, checkpoint=out / CHECKPOINT, resume=resume, progress=progress)
    summary = {"target": target, "proposal": proposal, "seed": seed, "version": __version__, **diagnostics(data)}
    _write(out, data, summary, found)
    return summary


def _prepare(out: Path, resume: bool) -> None:
    try:
        out.mkdir(parents=True, exist_ok=True)
    except FileExistsError:
        raise InputError(f"--out '{out}' is a file; give a folder.") from None
    except OSError as error:
        raise explain_os_error(error, out) from error
    if not resume and (out / CHECKPOINT).exists():
        raise InputError(f"'{out}' holds a run already; continue it with --resume, or choose another folder.")


def _write(out: Path, data: "az.InferenceData", summary: Diagnostics, found: Named) -> None:
    with atomic_path(out / "chain.nc") as temporary:
        data.to_netcdf(str(temporary), engine="h5netcdf")
    with atomic_path(out / "summary.json") as temporary:
        temporary.write_text(json.dumps(summary, indent=2) + "\n", encoding="utf-8")
    truth = truth_of(found.posterior)
    with house_style():
        for name, figure in {
            "corner": figures.corner(data, truth, PALETTE),
            "traces": figures.traces(data, truth, PALETTE),
            "rounds": figures.rounds(data, PALETTE),
        }.items():
            _save(figure, out / f"{name}.png")


def _save(figure: Figure, path: Path) -> None:
    with atomic_path(path) as temporary:
        figure.savefig(temporary, format="png", dpi=110)
