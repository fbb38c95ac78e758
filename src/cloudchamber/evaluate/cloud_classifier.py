r"""Classifier two-sample test on the particles themselves.

A transformer learns to tell candidate from reference events on one half of both samples and judges the other half,
then the halves change places. It sees every particle, every pair and the sums of the event (`cloud_inputs`), so it can
find what no list of observables holds; `benchmarks/calibration.py` shows what it does find.

The area under the ROC curve is the mean over the two halves. Its p-value needs no truth-truth pairs: scores that know
nothing have the Mann-Whitney distribution on each half (see `roc`), and Bonferroni's inequality combines the halves,
which are not independent. The spread quoted for the floor is that of one half. The halves are worked on at the same
time, each by one thread: small networks share cores badly.
"""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from cloudchamber.evaluate.cloud_inputs import FEATURES, KINDS, MASS_BINS, Clouds
from cloudchamber.evaluate.cloud_net import CloudClassifier
from cloudchamber.evaluate.progress import Progress, silent
from cloudchamber.evaluate.roc import WeightDistribution, area_under_curve, score_of_halves, weights_of
from cloudchamber.evaluate.sample import Sample
from cloudchamber.evaluate.score import Score

__all__ = ["CloudTest", "cloud_classifier_score"]

Array = NDArray[np.float64]

_SEED = 20_220_203
_BATCH = 256
_JUDGED_AT_ONCE = 1024
_LEARNING_RATE = 4e-3
_CHUNK = 32


@dataclass(frozen=True)
class CloudTest:
    """Result of the cloud classifier.

    Attributes:
        score: area under the ROC curve with error and null distribution.
        weights: distribution of the density ratios of all events, each judged by the network that did not see it.
    """

    score: Score
    weights: WeightDistribution


class _Labelled(NamedTuple):
    clouds: Clouds
    is_candidate: Tensor
    weight: Tensor


class _Fold(NamedTuple):
    """One half to train on, and the other to judge."""

    number: int
    model: CloudClassifier
    train: Tensor
    test: Tensor


def cloud_classifier_score(
    reference: Sample, candidate: Sample, *, epochs: int = 3, progress: Progress = silent
) -> CloudTest:
    """Area under the ROC curve of a transformer on particle clouds.

    Args:
        reference: events to compare with.
        candidate: the events to judge.
        epochs: passes over each training half.
        progress: told of every batch.
    """
    data = _labelled(reference, candidate)
    half = torch.from_numpy(np.random.default_rng(_SEED).permutation(len(data.clouds)) % 2 == 0)
    folds = [_Fold(k, _network(k), torch.nonzero(train)[:, 0], torch.nonzero(~train)[:, 0])
             for k, train in enumerate((half, ~half))]  # fmt: skip
    threads, shares = torch.get_num_threads(), [0.0, 0.0]

    def work(fold: _Fold) -> Tensor:
        torch.set_num_threads(1)
        for share in _train(fold, data, epochs):
            shares[fold.number] = share
            progress("cloud classifier", sum(shares) / 2)
        return _judge(fold.model.eval(), data.clouds, fold.test)

    try:
        with ThreadPoolExecutor(2) as pool:
            logits = list(pool.map(work, folds))
    finally:
        torch.set_num_threads(threads)
    return _result(data, folds, logits)


def _network(seed: int) -> CloudClassifier:
    with torch.random.fork_rng():
        torch.manual_seed(_SEED + seed)
        return CloudClassifier(FEATURES, KINDS, MASS_BINS)


def _result(data: _Labelled, folds: list[_Fold], logits: list[Tensor]) -> CloudTest:
    truth, weight = data.is_candidate.numpy(), data.weight.double().numpy()
    judged = np.empty(len(truth))
    areas = []
    for fold, found in zip(folds, logits, strict=True):
        rows = fold.test.numpy()
        judged[rows] = torch.sigmoid(found.double()).numpy()
        areas.append(area_under_curve(found.double().numpy(), truth[rows], weight[rows]))
    return CloudTest(score_of_halves(areas, int(truth.sum())), weights_of(judged, truth, weight))


def _labelled(reference: Sample, candidate: Sample) -> _Labelled:
    clouds = Clouds.join(Clouds.of(candidate), Clouds.of(reference))
    shares = [sample.weight / sample.weight.mean() for sample in (candidate, reference)]
    balance = np.array([len(candidate), len(reference)]) / len(clouds) * 2
    weight = np.concatenate([share / b for share, b in zip(shares, balance, strict=True)])
    return _Labelled(clouds, torch.arange(len(clouds)) < len(candidate), torch.from_numpy(weight.astype(np.float32)))


def _train(fold: _Fold, data: _Labelled, epochs: int) -> Iterator[float]:
    """Train the network of a fold; tells which share of the batches is behind after each."""
    optimiser = torch.optim.AdamW(fold.model.parameters(), lr=_LEARNING_RATE, weight_decay=0.01)
    rng = torch.Generator().manual_seed(_SEED + fold.number)
    batches = [batch for _ in range(epochs) for batch in _batches(data.clouds.lengths, fold.train, rng)]
    steps, target = len(batches), data.is_candidate.float()
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, _LEARNING_RATE, total_steps=steps, pct_start=0.2)
    for done, batch in enumerate(batches, 1):
        logits = fold.model(data.clouds.batch(batch))
        losses = functional.binary_cross_entropy_with_logits(logits, target[batch], reduction="none")
        optimiser.zero_grad()
        (losses * data.weight[batch]).mean().backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(fold.model.parameters(), 1.0)
        optimiser.step()
        schedule.step()
        yield done / steps


def _batches(lengths: Tensor, rows: Tensor, rng: torch.Generator) -> Iterator[Tensor]:
    """All rows in random batches of similar lengths: shuffled, sorted within chunks, batches shuffled."""
    order = rows[torch.randperm(len(rows), generator=rng)]
    chunks = order.chunk(-(-len(order) // (_CHUNK * _BATCH)))
    batches = [batch for rows in chunks for batch in _cut(rows[lengths[rows].argsort()], _BATCH)]
    for k in torch.randperm(len(batches), generator=rng).tolist():
        yield batches[k]


def _cut(rows: Tensor, size: int) -> list[Tensor]:
    """Consecutive parts of about this size."""
    return list(rows.chunk(-(-len(rows) // size)))


@torch.no_grad()
def _judge(model: CloudClassifier, clouds: Clouds, rows: Tensor) -> Tensor:
    order = clouds.lengths[rows].argsort()
    logits = torch.cat([model(clouds.batch(rows[part])) for part in _cut(order, _JUDGED_AT_ONCE)])
    result = torch.empty_like(logits)
    result[order] = logits
    return result
