"""One step of training, and the state that steps change.

For events b of the batch of all processes, with weights w_b, the loss is

    L = sum_b (w_b / sum_c w_c) sum_k l_k(b),

and its gradient, clipped, moves the weights. The random numbers of step n are those of the stream
(seed, n), drawn for the whole batch. So neither an interruption nor the number of processes changes a step.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any, Generic, TypeVar

import torch
from torch import Tensor, nn

from cloudchamber.errors import InputError
from cloudchamber.models.base import Trainable
from cloudchamber.tensors.batch import Rows
from cloudchamber.tensors.rng import RowRng
from cloudchamber.train.config import Precision, TrainingConfig
from cloudchamber.train.ema import Ema
from cloudchamber.train.gradients import Gradients
from cloudchamber.train.optim import make_optimizer, set_rate
from cloudchamber.train.precision import autocast, faster_precision
from cloudchamber.train.team import Team

__all__ = ["Learner"]

R = TypeVar("R", bound=Rows)
_TRAINING, _VALIDATION = 0, 1


class Learner(Generic[R]):
    """A model with its optimiser and averaged weights.

    Args:
        model: what to train; moved to the team's device.
        config: settings.
        team: this process among others; all begin with the first one's weights.

    Attributes:
        model: the model.
        step: steps done.
        events: events seen by all processes.
        precision: of matrix products; None until it has been measured.
    """

    def __init__(self, model: Trainable[R], config: TrainingConfig, team: Team) -> None:
        self.model = model.to(team.device).train()
        self.step, self.events, self._rate = 0, 0, config.learning_rate
        self.precision: Precision | None = None if config.precision == "auto" else config.precision
        self._config, self._team = config, team
        for values in self.model.state_dict().values():
            team.share(values)
        parameters = {name: p for name, p in model.named_parameters() if p.requires_grad}
        self._gradients = Gradients(_parts(model, parameters))
        self._optimizer = make_optimizer(parameters.values(), config)
        self._ema = Ema(parameters, config.ema_decay)

    def advance(self, rows: R, elapsed: float) -> dict[str, float]:
        """Take one step.

        Args:
            rows: the batch of all processes.
            elapsed: training time so far, in seconds.

        Returns:
            `loss`, `loss_<name>` of each loss, and `norm_<part>` of the gradients before clipping.

        Raises:
            InputError: if a loss or a gradient is not finite; the weights are then as before the step.
        """
        if self.precision is None:
            self.precision = self._measure_precision(rows)
        losses = self._backward(rows, self.precision)
        self._gradients.add(self._team.add)
        report = self._report(losses, self._gradients.clip(self._config.clip_norm, self._config.clip_by))
        self._rate = self._config.rate(self.step, elapsed)
        set_rate(self._optimizer, self._rate)
        self._optimizer.step()
        self._ema.update()
        self.step += 1
        self.events += len(rows)
        return report

    @torch.no_grad()
    def validate(self, batches: Sequence[R]) -> dict[str, float]:
        """Mean losses of the averaged weights, with the same random numbers every time.

        Args:
            batches: held-out rows.

        Returns:
            `loss` and `loss_<name>` of each loss; nothing where there are no rows.
        """
        total: dict[str, Tensor] = {}
        self.model.train(False)
        with self._ema.in_place():
            for number, rows in enumerate(batches):
                for name, loss in self._losses(rows, (_VALIDATION, number), self.precision or "float32").items():
                    total[name] = total.get(name, 0) + loss * rows.weight.sum().to(loss.device)
        self.model.train(True)
        if not total:
            return {}
        values = torch.stack(list(total.values()))
        self._team.add(values)
        means = values / sum(float(rows.weight.sum()) for rows in batches)
        return _named_losses(list(total), means.tolist())

    @property
    def rate(self) -> float:
        """Learning rate of the last step."""
        return self._rate

    @property
    def averaged_weights(self) -> dict[str, Tensor]:
        """State of the model with averaged parameters."""
        return {**self.model.state_dict(), **self._ema.averages}

    def state_dict(self) -> dict[str, Any]:
        """Everything that the next step depends on, but the rows."""
        random = {"cpu": torch.get_rng_state()}
        if self._team.device.type == "cuda":
            random["cuda"] = torch.cuda.get_rng_state(self._team.device)
        return {
            "model": dict(self.model.state_dict()),
            "ema": self._ema.state_dict(),
            "optimizer": self._optimizer.state_dict(),
            "optimizer_name": self._config.optimizer,
            "step": self.step,
            "events": self.events,
            "precision": self.precision,
            "random": random,
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue from a state.

        Args:
            state: what `state_dict` gave.

        Raises:
            InputError: if it is the state of another model or optimiser.
        """
        if state["optimizer_name"] != self._config.optimizer:
            raise InputError(
                f"the run was trained with {state['optimizer_name']} and cannot continue with "
                f"{self._config.optimizer}; give the same optimizer, or start a new run."
            )
        try:
            self.model.load_state_dict(state["model"])
            self._ema.load_state_dict(state["ema"])
            self._optimizer.load_state_dict(state["optimizer"])
        except (RuntimeError, ValueError, KeyError) as error:
            raise InputError(
                "the checkpoint belongs to a model of another shape; give the preset of the run."
            ) from error
        self.step, self.events = state["step"], state["events"]
        if self._config.precision == "auto":
            self.precision = state["precision"]
        torch.set_rng_state(state["random"]["cpu"])
        if self._team.device.type == "cuda" and "cuda" in state["random"]:
            torch.cuda.set_rng_state(state["random"]["cuda"], self._team.device)

    def _losses(self, rows: R, stream: tuple[int, int], precision: Precision) -> dict[str, Tensor]:
        """This process's shares of the mean losses of a batch."""
        mine = self._team.rows(len(rows))
        share = rows.select(torch.arange(mine.start, mine.stop)) if self._team.size > 1 else rows
        share = share.to(self._team.device)
        weight = share.weight / rows.weight.sum().to(self._team.device)
        rng = RowRng((self._config.seed, *stream), len(rows), mine.start, mine.stop, self._team.device)
        with autocast(self._team.device, precision):
            losses = self.model.losses(share, rng)
        return {name: (weight * loss).sum() for name, loss in losses.items()}

    def _backward(self, rows: R, precision: Precision) -> dict[str, Tensor]:
        self._gradients.zero()
        losses = self._losses(rows, (_TRAINING, self.step), precision)
        torch.stack(list(losses.values())).sum().backward()  # type: ignore[no-untyped-call]
        return {name: loss.detach() for name, loss in losses.items()}

    def _report(self, losses: Mapping[str, Tensor], norms: Mapping[str, Tensor]) -> dict[str, float]:
        means = torch.stack(list(losses.values()))
        self._team.add(means)
        values = torch.cat([means, torch.stack(list(norms.values()))]).tolist()
        report = _named_losses(list(losses), values[: len(losses)])
        report |= {f"norm_{name}": value for name, value in zip(norms, values[len(losses) :], strict=True)}
        bad = [name for name, value in report.items() if not math.isfinite(value)]
        if bad:
            raise InputError(
                f"training broke down at step {self.step}, where {bad[-1]} became {report[bad[-1]]} (the "
                "last checkpoint is kept); lower the learning rate or look for bad values in the data."
            )
        return report

    def _measure_precision(self, rows: R) -> Precision:
        """The faster precision on the first process, for all processes."""
        faster = faster_precision(lambda precision: self._backward(rows, precision), self._team.device)
        choice = torch.tensor(float(faster == "bfloat16"), device=self._team.device)
        self._team.share(choice)
        return "bfloat16" if choice.item() else "float32"


def _parts(model: object, parameters: Mapping[str, nn.Parameter]) -> dict[str, list[nn.Parameter]]:
    """Trainable parameters by the part of the model; what belongs to no part is a part `other`."""
    parts: Mapping[str, nn.Module] = model.parts() if hasattr(model, "parts") else {}
    grouped: dict[str, list[nn.Parameter]] = {}
    rest = {id(p): p for p in parameters.values()}
    for name, module in parts.items():
        grouped[name] = [p for p in module.parameters() if rest.pop(id(p), None) is not None]
    return grouped | {"other" if parts else "model": list(rest.values())}


def _named_losses(names: Sequence[str], values: Sequence[float]) -> dict[str, float]:
    return {"loss": sum(values)} | {f"loss_{name}": v for name, v in zip(names, values, strict=True)}
