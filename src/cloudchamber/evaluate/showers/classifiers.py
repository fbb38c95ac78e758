r"""Classifier two-sample tests on the cells of showers.

A network learns to tell candidate from reference showers on one half of both samples and judges the other half, then
the halves change places; the area under the ROC curve is the mean over the halves, with the p-value of scores that know
nothing (see `roc`). Of every training half a tenth is kept aside, and of all epochs the weights that judge these best
are taken, so that networks with a weight for every cell do not learn their showers by heart.
"""

import copy
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from cloudchamber.evaluate.progress import Progress, part, silent
from cloudchamber.evaluate.roc import area_under_curve, score_of_halves
from cloudchamber.evaluate.score import Score
from cloudchamber.evaluate.showers.nets import Hits

__all__ = ["classifier_of_cells"]

_SEED = 20_241_021
_BATCH = 128
_JUDGED_AT_ONCE = 1024
_KEPT_ASIDE = 0.1


class _Labelled(NamedTuple):
    """Showers, and which of them are the candidate's, shape (n,)."""

    hits: Hits
    is_candidate: Tensor


class _Schooling(NamedTuple):
    """How to train: passes over the showers, and the largest learning rate."""

    epochs: int
    learning_rate: float


class _Half(NamedTuple):
    """Rows to train on, to choose an epoch with, and to judge."""

    train: Tensor
    choose: Tensor
    judge: Tensor


def classifier_of_cells(
    reference: Hits,
    candidate: Hits,
    make: Callable[[], nn.Module],
    *,
    epochs: int,
    learning_rate: float = 2e-3,
    progress: Progress = silent,
) -> Score:
    """Area under the ROC curve of a network on cells.

    Args:
        reference: showers to compare with.
        candidate: those that are judged.
        make: makes an untrained network.
        epochs: passes over each training half.
        learning_rate: the largest of the schedule.
        progress: told of every epoch.
    """
    hits = Hits.join(candidate, reference).standardised()
    truth = torch.arange(len(hits)) < len(candidate)
    areas = []
    for number, half in enumerate(_halves(len(hits))):
        with torch.random.fork_rng():
            torch.manual_seed(_SEED + number)
            told = part(progress, number / 2, (number + 1) / 2)
            model = _trained(make(), _Labelled(hits, truth), half, _Schooling(epochs, learning_rate), told)
        areas.append(area_under_curve(_logits(model, hits, half.judge), truth[half.judge].numpy()))
    return score_of_halves(areas, len(candidate))


def _halves(n: int) -> list[_Half]:
    order = torch.from_numpy(np.random.default_rng(_SEED).permutation(n))
    halves = order[: n // 2], order[n // 2 :]
    aside = int(_KEPT_ASIDE * n / 2)
    return [_Half(a[aside:], a[:aside], b) for a, b in (halves, halves[::-1])]


def _trained(model: nn.Module, data: _Labelled, half: _Half, how: _Schooling, progress: Progress) -> nn.Module:
    """The network with the weights of its best epoch."""
    hits, truth = data
    optimiser = torch.optim.AdamW(model.parameters(), lr=how.learning_rate, weight_decay=0.05, fused=True)
    steps = how.epochs * -(-len(half.train) // _BATCH)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, how.learning_rate, total_steps=steps, pct_start=0.2)
    target, share = truth.float(), float(truth[half.train].float().mean())
    weight = torch.where(truth, 0.5 / share, 0.5 / (1 - share))
    best, kept = 0.0, copy.deepcopy(model.state_dict())
    for epoch in range(how.epochs):
        model.train()
        for rows in torch.split(half.train[torch.randperm(len(half.train))], _BATCH):
            losses = functional.binary_cross_entropy_with_logits(model(hits.take(rows)), target[rows], reduction="none")
            optimiser.zero_grad()
            (losses * weight[rows]).mean().backward()  # type: ignore[no-untyped-call]
            optimiser.step()
            schedule.step()
        area = area_under_curve(_logits(model, hits, half.choose), truth[half.choose].numpy()).value
        if area > best:
            best, kept = area, copy.deepcopy(model.state_dict())
        progress("classifier of cells", (epoch + 1) / how.epochs)
    model.load_state_dict(kept)
    return model


@torch.no_grad()
def _logits(model: nn.Module, hits: Hits, rows: Tensor) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    model.eval()
    return torch.cat([model(hits.take(some)) for some in torch.split(rows, _JUDGED_AT_ONCE)]).double().numpy()
