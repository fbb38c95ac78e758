"""From a model that takes many calls to one that takes few.

The diffusion stages of a model are taught by the model itself, on events of its own kind; the species stage is kept.
`progressive` halves the number of steps from `start` down to the calls that are wanted, in one phase each, the first
taught by Heun's method. `shortcut` and `mean-flow` teach average velocities in one phase, which then make steps of any
length. At equal time (`benchmarks/toys.py`) progressive distillation is the best for a given number of calls, and
shortcuts are better than mean flow, whose total derivative costs a forward-mode pass and is noisier.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch

from cloudchamber.data.split import Split, split
from cloudchamber.errors import InputError
from cloudchamber.models.cascade import Cascade
from cloudchamber.models.diffusion import Diffusion
from cloudchamber.nets.mlp import VectorNet
from cloudchamber.nets.transformer import SetTransformer
from cloudchamber.process.average import MeanFlow, Shortcut
from cloudchamber.process.denoise import Denoiser
from cloudchamber.process.distill import Progressive, halvings
from cloudchamber.process.objective import Objective
from cloudchamber.recipes.config import DIFFUSION_STAGES, Preset, Process, Sampling, Training
from cloudchamber.recipes.families import family_of
from cloudchamber.recipes.fit import FitOptions, fit
from cloudchamber.recipes.store import CHECKPOINT, RUN_CARD, TrainedModel, load_model, load_run, read_card, write_card
from cloudchamber.recipes.training import new_folder, phase_of, require_level, with_phase, write_maps
from cloudchamber.train.trainer import TrainingResult

__all__ = ["STAGES", "Method", "distill"]

STAGES = DIFFUSION_STAGES["cascade"]
Method = Literal["progressive", "shortcut", "mean-flow"]
_AVERAGES: Mapping[str, Callable[[Denoiser], Objective]] = {"shortcut": Shortcut, "mean-flow": MeanFlow}


@dataclass(frozen=True)
class _Phase:
    """One student.

    Attributes:
        calls: it is taught to take.
        method: how.
        first: whether the teacher is the original model, which Heun's method serves better.
        folder: of its run.
    """

    calls: int
    method: Method
    first: bool
    folder: Path


def distill(
    model: str,
    data: Path,
    out: Path,
    *,
    calls: int = 1,
    method: Method = "progressive",
    start: int = 16,
    training: Training | None = None,
    options: FitOptions | None = None,
    resume: bool = False,
) -> TrainingResult:
    """Teach a model to take few calls.

    Args:
        model: a shipped model, a run's folder or a weights' file.
        data: Parquet file or folder of shards.
        out: folder of the run; earlier students are in folders inside.
        calls: network calls of each diffusion stage that are wanted.
        method: progressive, shortcut or mean-flow.
        start: steps of the first student in progressive distillation.
        training: settings; those of the model's preset by default.
        options: of the run; its steps are those of each phase, its time that of all phases together.
        resume: continue where an interrupted run stopped.

    Returns:
        How the last phase ended.

    Raises:
        InputError: if the model, the data, the folder or a number cannot be used.
    """
    if calls < 1:
        raise InputError(f"--calls {calls} is impossible: give at least 1.")
    if method == "progressive" and calls > start:
        raise InputError(f"--calls {calls} is impossible: give at most --start, which is {start}.")
    teacher = load_model(model)
    if teacher.card.preset.family != "cascade":
        raise InputError(f"the model '{model}' cannot be distilled: only models of the family cascade can.")
    processes = [stage.process for stage in (teacher.card.preset.electron, teacher.card.preset.cloud)]
    if any(process.kind != "denoiser" for process in processes):
        raise InputError(f"the model '{model}' cannot be distilled: its stages are no plain denoisers.")
    if method in _AVERAGES and any(process.target != "velocity" for process in processes):
        raise InputError(f"--method {method} needs a model whose target is the velocity; use progressive.")
    require_level(data, teacher.card.preset)
    if not resume:
        new_folder(out)
    parts, phases = split(data), list(_phases(calls, method, start, out))
    settings, shared = training or teacher.card.preset.training, options or FitOptions()
    if shared.max_time is not None:
        shared = FitOptions(**{**vars(shared), "max_time": shared.max_time / len(phases)})
    for phase in phases:
        result = _teach(phase, teacher, parts, settings, shared)
        if result.signal is not None:
            return result
        teacher = load_run(phase.folder)
    return result


def _phases(calls: int, method: Method, start: int, out: Path) -> Iterator[_Phase]:
    students = halvings(start, calls) if method == "progressive" else [calls]
    for number in students[:-1]:
        yield _Phase(number, method, number == start, out / f"student-{number}")
    yield _Phase(calls, method, len(students) == 1, out)


def _teach(
    phase: _Phase, teacher: TrainedModel, parts: Split, training: Training, options: FitOptions
) -> TrainingResult:
    """One phase, or what is left of it."""
    under_way = (phase.folder / CHECKPOINT).exists()
    if not under_way:
        torch.manual_seed(options.seed)
        phase.folder.mkdir(parents=True, exist_ok=True)
        update = {"preset": _student_preset(teacher.card.preset, phase), "metrics": {}, "sha256": None}
        write_card(phase.folder / RUN_CARD, teacher.card.model_copy(update=update))
        write_maps(phase.folder, teacher.representation)
    card = read_card(phase.folder / RUN_CARD)
    student = _student(card.preset, teacher, phase)
    result = fit(student, teacher.representation, parts, training, options, out=phase.folder, resume=under_way)
    entry = phase_of(parts, training, result, stages=", ".join(STAGES), method=phase.method, calls=phase.calls)
    write_card(phase.folder / RUN_CARD, with_phase(card, f"{phase.method}-{phase.calls}", entry))
    return result


def _student_preset(preset: Preset, phase: _Phase) -> Preset:
    def changed(process: Process) -> Process:
        return process.model_copy(update={"kind": "average"}) if phase.method in _AVERAGES else process

    electron, cloud = (
        stage.model_copy(update={"process": changed(stage.process)}) for stage in (preset.electron, preset.cloud)
    )
    sampling = Sampling(calls=phase.calls, sampler="jump" if phase.method in _AVERAGES else "ddim")
    return preset.model_copy(update={"electron": electron, "cloud": cloud, "sampling": sampling})


def _student(preset: Preset, teacher: TrainedModel, phase: _Phase) -> Cascade:
    """A model with the teacher's weights, to be trained on the teacher's flow."""
    student: Cascade = family_of(preset).build(preset, teacher.representation)
    student["species"].load_state_dict(teacher.model["species"].state_dict())
    for name in STAGES:
        stage, guide = student[name], teacher.model[name]
        assert isinstance(stage, Diffusion)
        assert isinstance(guide, Diffusion)
        assert isinstance(stage.denoiser.net, VectorNet | SetTransformer)
        stage.denoiser.net.adopt(guide.denoiser.net.state_dict())
        if phase.method in _AVERAGES:
            stage.objective = _AVERAGES[phase.method](guide.denoiser)
        else:
            stage.objective = Progressive(guide.denoiser, phase.calls, second_order=phase.first)
    student.train_only(*STAGES)
    return student
