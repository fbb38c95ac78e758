"""From a model that takes many calls to one that takes few.

The diffusion stages of a model are taught by the model itself, on events or showers of its own kind; other stages are
kept. `progressive` halves the number of steps from `start` down to the calls that are wanted, in one phase each, the
first taught by Heun's method. `shortcut` and `mean-flow` teach average velocities in one phase, which then make steps
of any length. At equal time (`benchmarks/toys.py`) progressive distillation is the best for a given number of calls,
and shortcuts are better than mean flow, whose total derivative costs a forward-mode pass and is noisier.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, cast

import torch
from torch import nn

from cloudchamber.data.showers import split_showers
from cloudchamber.data.split import Parts, split
from cloudchamber.errors import InputError
from cloudchamber.models.cascade import Cascade
from cloudchamber.models.diffusion import Diffusion
from cloudchamber.nets.mlp import VectorNet
from cloudchamber.nets.patches import PatchTransformer
from cloudchamber.nets.transformer import SetTransformer
from cloudchamber.process.average import MeanFlow, Shortcut
from cloudchamber.process.denoise import Denoiser
from cloudchamber.process.distill import Progressive, halvings
from cloudchamber.process.objective import Objective, Varied
from cloudchamber.recipes.config import Preset, Process, Sampling, Training
from cloudchamber.recipes.families import family_of
from cloudchamber.recipes.fit import FitOptions, fit
from cloudchamber.recipes.stages import FAMILIES, process_of, stages_of, with_processes
from cloudchamber.recipes.store import CHECKPOINT, RUN_CARD, TrainedModel, load_model, load_run, read_card, write_card
from cloudchamber.recipes.training import new_folder, phase_of, require_level, with_phase, write_maps
from cloudchamber.train.trainer import TrainingResult

__all__ = ["Method", "distill"]

_ADOPTING = VectorNet | SetTransformer | PatchTransformer
"""Networks that can be told two times."""
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
        stages: that are taught.
    """

    calls: int
    method: Method
    first: bool
    folder: Path
    stages: tuple[str, ...]


def distill(
    model: str,
    data: Path,
    out: Path,
    *,
    calls: int = 1,
    method: Method = "progressive",
    start: int = 16,
    only: str | None = None,
    training: Training | None = None,
    options: FitOptions | None = None,
    resume: bool = False,
) -> TrainingResult:
    """Teach a model to take few calls.

    Args:
        model: a shipped model, a run's folder or a weights' file.
        data: Parquet file or folder of shards, of events or of showers as the model makes them.
        out: folder of the run; earlier students are in folders inside.
        calls: network calls of each diffusion stage that are wanted.
        method: progressive, shortcut or mean-flow.
        start: steps of the first student in progressive distillation.
        only: the stage to teach; all diffusion stages by default.
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
    stages = _stages(model, teacher, method, only)
    showers = family_of(teacher.card.preset).showers is not None
    if not showers:
        require_level(data, teacher.card.preset)
    parts: Parts = split_showers(data) if showers else split(data)
    if not resume:
        new_folder(out)
    phases = list(_phases(calls, method, start, out, stages))
    settings, shared = training or teacher.card.preset.training, options or FitOptions()
    if shared.max_time is not None:
        shared = FitOptions(**{**vars(shared), "max_time": shared.max_time / len(phases)})
    for phase in phases:
        result = _teach(phase, teacher, parts, settings, shared)
        if result.signal is not None:
            return result
        teacher = load_run(phase.folder)
    return result


def _stages(model: str, teacher: TrainedModel, method: Method, only: str | None) -> tuple[str, ...]:
    """The stages to teach, which can be taught in this way."""
    preset = teacher.card.preset
    if preset.family not in FAMILIES:
        families = ", ".join(FAMILIES)
        raise InputError(f"the model '{model}' cannot be distilled: only models of the families {families} can.")
    stages = stages_of(preset)
    if only is not None:
        if only not in stages:
            raise InputError(f"--only '{only}' is no stage that can be distilled; choose one of {', '.join(stages)}.")
        stages = (only,)
    processes = [process_of(preset, stage) for stage in stages]
    if any(process.kind != "denoiser" for process in processes):
        raise InputError(f"the model '{model}' cannot be distilled: its stages are no plain denoisers.")
    nets = [cast(Diffusion, teacher.model[stage]).denoiser.net for stage in stages]
    if method in _AVERAGES and not all(isinstance(net, _ADOPTING) for net in nets):
        raise InputError(f"--method {method} needs networks that can be told two times; use progressive.")
    if method in _AVERAGES and any(process.target != "velocity" for process in processes):
        raise InputError(f"--method {method} needs a model whose target is the velocity; use progressive.")
    return stages


def _phases(calls: int, method: Method, start: int, out: Path, stages: tuple[str, ...]) -> Iterator[_Phase]:
    students = halvings(start, calls) if method == "progressive" else [calls]
    for number in students[:-1]:
        yield _Phase(number, method, number == start, out / f"student-{number}", stages)
    yield _Phase(calls, method, len(students) == 1, out, stages)


def _teach(
    phase: _Phase, teacher: TrainedModel, parts: Parts, training: Training, options: FitOptions
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
    entry = phase_of(parts, training, result, stages=", ".join(phase.stages), method=phase.method, calls=phase.calls)
    write_card(phase.folder / RUN_CARD, with_phase(card, f"{phase.method}-{phase.calls}", entry))
    return result


def _student_preset(preset: Preset, phase: _Phase) -> Preset:
    def changed(process: Process) -> Process:
        return process.model_copy(update={"kind": "average"}) if phase.method in _AVERAGES else process

    preset = with_processes(preset, phase.stages, changed)
    return preset.model_copy(update={"sampling": _student_sampling(preset, phase)})


def _student_sampling(preset: Preset, phase: _Phase) -> Sampling:
    """Students are sampled as they were taught, other stages as before."""
    before, others = preset.sampling, [stage for stage in stages_of(preset) if stage not in phase.stages]
    straight = all(process_of(preset, stage).schedule == "rectified" for stage in phase.stages)
    sampler = "jump" if phase.method in _AVERAGES else "ddim" if straight else "ddim-last"
    return Sampling(
        calls=phase.calls,
        sampler=sampler,
        stage_calls={stage: before.stage_calls.get(stage, before.calls) for stage in others},
        stage_samplers={stage: before.stage_samplers.get(stage, before.sampler) for stage in others},
    )


def _student(preset: Preset, teacher: TrainedModel, phase: _Phase) -> Cascade:
    """A model with the teacher's weights, to be trained on the teacher's flow."""
    student: Cascade = family_of(preset).build(preset, teacher.representation)
    for name, stage in student.stages.items():
        if name not in phase.stages:
            stage.load_state_dict(teacher.model[name].state_dict())
    for name in phase.stages:
        stage, guide = student[name], teacher.model[name]
        assert isinstance(stage, Diffusion)
        assert isinstance(guide, Diffusion)
        _adopt(stage.denoiser.net, guide.denoiser.net, name)
        lesson: Objective
        if phase.method in _AVERAGES:
            lesson = _AVERAGES[phase.method](guide.denoiser)
        else:
            lesson = Progressive(guide.denoiser, phase.calls, second_order=phase.first)
        usual = stage.objective
        stage.objective = Varied(lesson, usual.vary) if isinstance(usual, Varied) else lesson
    student.train_only(*phase.stages)
    return student


def _adopt(net: nn.Module, taught: nn.Module, name: str) -> None:
    """Take over the weights of the teacher's network, which may know one time where the student knows two."""
    if isinstance(net, _ADOPTING):
        net.adopt(taught.state_dict())
        return
    net.load_state_dict(taught.state_dict())
