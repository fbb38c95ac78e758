"""A training run: steps until the end, with logs, validation, checkpoints and a polite end on signals."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

from cloudchamber.errors import InputError
from cloudchamber.models.base import Trainable
from cloudchamber.tensors.batch import Rows
from cloudchamber.train.checkpoint import read_checkpoint, write_checkpoint, write_weights
from cloudchamber.train.config import TrainingConfig
from cloudchamber.train.learner import Learner
from cloudchamber.train.log import Logs
from cloudchamber.train.progress import ProgressDisplay
from cloudchamber.train.signals import StopRequest, stop_on_signals
from cloudchamber.train.team import Team, gather_team

__all__ = ["Stream", "TrainingResult", "train"]

R = TypeVar("R", bound=Rows)
R_co = TypeVar("R_co", bound=Rows, covariant=True)


class Stream(Protocol[R_co]):
    """Batches without end, the same in every process, and a position to continue from."""

    def __next__(self) -> R_co: ...

    def state_dict(self) -> Mapping[str, Any]:
        """The position, in plain containers."""
        ...

    def load_state_dict(self, state: Any) -> None:  # noqa: ANN401
        """Continue at a position.

        Args:
            state: what `state_dict` gave.
        """
        ...


@dataclass(frozen=True)
class TrainingResult:
    """How a run ended.

    Attributes:
        step: steps done.
        elapsed: training time in seconds, over all resumptions.
        loss: mean loss since the last entry in the logs; None before the first step.
        validation_loss: of the averaged weights, when last measured.
        best_validation_loss: the lowest so far.
        checkpoint: the file that holds the state.
        signal: what interrupted the run; None if it reached its end.
    """

    step: int
    elapsed: float
    loss: float | None
    validation_loss: float | None
    best_validation_loss: float | None
    checkpoint: Path
    signal: str | None


def train(
    model: Trainable[R],
    stream: Stream[R],
    validation: Sequence[R],
    config: TrainingConfig,
    out: Path,
    *,
    resume: bool = False,
) -> TrainingResult:
    """Train a model until its steps or its time are used up, or a signal comes.

    The processes that `torchrun` starts share every batch; only the first writes files.

    Args:
        model: what to train; left with the last weights, not the averaged ones.
        stream: training rows.
        validation: held-out batches.
        config: settings.
        out: folder of the run; made if needed.
        resume: continue from `last.pt` in `out`.

    Raises:
        InputError: if `out` cannot be used, there is nothing to continue from or something to overwrite, a
            checkpoint does not fit, or training breaks down.
    """
    checkpoint = out / "last.pt"
    with gather_team(config.device) as team, stop_on_signals() as request:
        if team.leads:
            _prepare(out, checkpoint, resume)
        learner = Learner(model, config, team)
        state = read_checkpoint(checkpoint) if resume else None
        if state is not None:
            learner.load_state_dict(state)
            stream.load_state_dict(state["stream"])
        with ProgressDisplay(team.leads) as display:
            run = _Run(
                learner,
                stream,
                validation,
                config,
                team=team,
                checkpoint=checkpoint,
                display=display,
                state=state or {},
            )
            return run.until_the_end(request)


def _prepare(out: Path, checkpoint: Path, resume: bool) -> None:
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"cannot make the folder '{out}' ({error.strerror}); choose another --out.") from error
    if checkpoint.exists() and not resume:
        raise InputError(f"'{out}' holds a training run already; add --resume to continue it or choose another --out.")


class _Window:
    """Sums since the last entry in the logs."""

    def __init__(self) -> None:
        self.sums: dict[str, float] = {}
        self.steps, self.events, self.start = 0, 0, time.monotonic()

    def add(self, report: Mapping[str, float], events: int) -> None:
        self.sums = {name: self.sums.get(name, 0.0) + value for name, value in report.items()}
        self.steps, self.events = self.steps + 1, self.events + events

    @property
    def means(self) -> dict[str, float]:
        return {name: value / self.steps for name, value in self.sums.items()}

    @property
    def speed(self) -> float:
        """Events per second."""
        return self.events / max(time.monotonic() - self.start, 1e-9)


class _Run(Generic[R]):
    """The loop and its clock."""

    def __init__(
        self,
        learner: Learner[R],
        stream: Stream[R],
        validation: Sequence[R],
        config: TrainingConfig,
        *,
        team: Team,
        checkpoint: Path,
        display: ProgressDisplay,
        state: Mapping[str, Any],
    ) -> None:
        self._learner, self._stream, self._validation = learner, stream, validation
        self._config, self._team, self._checkpoint, self._display = config, team, checkpoint, display
        self._before, self._start = float(state.get("elapsed", 0.0)), time.monotonic()
        self._loss: float | None = None
        self._validation_loss: float | None = state.get("validation_loss")
        self._best: float | None = state.get("best_validation_loss")
        self._saved_at = self._snapshot_at = self._before
        self._validated_at = -1
        self._window = _Window()
        self._logs = Logs(checkpoint.parent, learner.step) if team.leads else None

    def until_the_end(self, request: StopRequest) -> TrainingResult:
        try:
            while True:
                stop, elapsed = self._team.agree(bool(request), self._clock())
                if stop or self._config.done(self._learner.step, elapsed) >= 1:
                    break
                self._advance(elapsed)
            if not stop:
                fresh = self._learner.step == self._validated_at
                self._write_logs(self._take_window() | ({} if fresh else self._validate()))
                self._snapshot()
            ended = self._clock()
            self._save(ended)
        finally:
            if self._logs is not None:
                self._logs.__exit__()
        name = request.received.name if request.received else None
        return TrainingResult(
            step=self._learner.step,
            elapsed=ended,
            loss=self._loss,
            validation_loss=self._validation_loss,
            best_validation_loss=self._best,
            checkpoint=self._checkpoint,
            signal="another process" if stop and name is None else name,
        )

    def _advance(self, elapsed: float) -> None:
        rows = next(self._stream)
        report = self._learner.advance(rows, elapsed)
        self._window.add(report, len(rows))
        self._loss = self._window.means["loss"]
        self._display.update(self._config.done(self._learner.step, elapsed), elapsed, self._text())
        entry: dict[str, float] = {}
        if self._learner.step % self._config.log_steps == 0:
            entry = self._take_window()
        if self._learner.step % self._config.validation_steps == 0:
            entry |= self._validate()
        self._write_logs(entry)
        self._keep(elapsed)

    def _keep(self, elapsed: float) -> None:
        """Checkpoint and snapshot when it is time."""
        if elapsed - self._saved_at >= 60 * self._config.checkpoint_minutes:
            self._save(elapsed)
            self._saved_at = elapsed
        minutes = self._config.snapshot_minutes
        if minutes is not None and elapsed - self._snapshot_at >= 60 * minutes:
            self._snapshot()
            self._snapshot_at = elapsed

    def _clock(self) -> float:
        return self._before + time.monotonic() - self._start

    def _text(self) -> str:
        held_out = "" if self._validation_loss is None else f", validation {self._validation_loss:.4f}"
        return f"step {self._learner.step}, loss {self._loss:.4f}{held_out}, {self._window.speed:,.0f} events/s"

    def _take_window(self) -> dict[str, float]:
        """An entry for the logs with the means of the window, which is begun anew."""
        if not self._window.steps:
            return {}
        entry = {
            "elapsed": self._clock(),
            "events": float(self._learner.events),
            "events_per_second": self._window.speed,
            "learning_rate": self._learner.rate,
            **self._window.means,
        }
        self._window = _Window()
        return entry

    def _validate(self) -> dict[str, float]:
        self._validated_at = self._learner.step
        losses = self._learner.validate(self._validation)
        if losses:
            self._validation_loss = losses["loss"]
            self._best = min(losses["loss"], losses["loss"] if self._best is None else self._best)
        return {f"validation_{name}": value for name, value in losses.items()}

    def _write_logs(self, entry: Mapping[str, float]) -> None:
        if self._logs is not None and entry:
            self._logs.write(self._learner.step, entry)

    def _save(self, elapsed: float) -> None:
        if self._team.leads:
            state = {
                **self._learner.state_dict(),
                "stream": dict(self._stream.state_dict()),
                "elapsed": elapsed,
                "validation_loss": self._validation_loss,
                "best_validation_loss": self._best,
                "config": asdict(self._config),
            }
            write_checkpoint(self._checkpoint, state)

    def _snapshot(self) -> None:
        if self._team.leads and self._config.snapshot_minutes is not None:
            path = self._checkpoint.with_name(f"ema-{self._learner.step:08d}.safetensors")
            metadata = {"step": str(self._learner.step), "elapsed": f"{self._clock():.0f}"}
            write_weights(path, self._learner.averaged_weights, metadata)
