"""The cloud classifier: its symmetries, what it sees, and that it finds what only pairs or sums tell."""

from collections.abc import Callable
from itertools import pairwise

import numpy as np
import pytest
import torch

from cloudchamber.evaluate import cloud_classifier
from cloudchamber.evaluate.cloud_classifier import cloud_classifier_score
from cloudchamber.evaluate.cloud_inputs import FEATURES, KINDS, MASS_BINS, Clouds
from cloudchamber.evaluate.cloud_net import CloudClassifier
from cloudchamber.evaluate.sample import Sample
from cloudchamber.events import Beams, Events

BEAMS = Beams.parse("10x275")


def sample(events: Events) -> Sample:
    return Sample.of(events, BEAMS, "it")


@pytest.fixture(scope="module")
def network() -> CloudClassifier:
    with torch.random.fork_rng():
        torch.manual_seed(3)
        model = CloudClassifier(FEATURES, KINDS, MASS_BINS).eval()
        for block in model.blocks:
            torch.nn.init.normal_(block.modulation.weight, std=0.2)
    return model


def logits(network: CloudClassifier, events: Events, rows: list[int]) -> torch.Tensor:
    with torch.no_grad():
        return network(Clouds.of(sample(events)).batch(torch.tensor(rows)))


def reordered(events: Events, rng: np.random.Generator) -> Events:
    """The particles of each event in another order, the scattered electron first."""
    edges = pairwise(events.offsets)
    order = np.concatenate([np.concatenate([[a], rng.permutation(np.arange(a + 1, b))]) for a, b in edges]).astype(int)
    return Events.from_flat(events.counts, {n: events.flat(n)[order] for n in events.columns}, run=events.run)


def turned(events: Events, angle: float) -> Events:
    columns = {name: events.flat(name).copy() for name in events.columns}
    px, py = columns["px"].copy(), columns["py"].copy()
    columns["px"] = px * np.cos(angle) - py * np.sin(angle)
    columns["py"] = px * np.sin(angle) + py * np.cos(angle)
    return Events.from_flat(events.counts, columns, run=events.run)


def test_the_order_of_particles_changes_nothing(network: CloudClassifier, stable_events: Events) -> None:
    events, rows = stable_events[:20], list(range(20))
    other = reordered(events, np.random.default_rng(1))
    torch.testing.assert_close(logits(network, events, rows), logits(network, other, rows), rtol=1e-3, atol=1e-4)


def test_padding_is_never_seen(network: CloudClassifier, stable_events: Events) -> None:
    together = logits(network, stable_events, list(range(12)))
    alone = torch.cat([logits(network, stable_events, [k]) for k in range(12)])
    torch.testing.assert_close(together, alone, rtol=1e-3, atol=1e-4)


def test_a_turn_about_the_beams_changes_nothing(network: CloudClassifier, stable_events: Events) -> None:
    events, rows = stable_events[:20], list(range(20))
    torch.testing.assert_close(
        logits(network, events, rows), logits(network, turned(events, 1.1), rows), rtol=1e-2, atol=2e-3
    )


def test_pair_masses_are_exact_enough_for_pi0s(stable_events: Events) -> None:
    """Photon pairs fill the bin of the pi0 mass in float32 too."""
    batch = Clouds.of(sample(stable_events)).batch(torch.arange(200))
    code = stable_events.flat("pdg_id")[: int(batch.mask.sum())]
    photon = torch.zeros_like(batch.mask)
    photon[batch.mask] = torch.from_numpy(code == 22)
    both = torch.triu(photon[:, :, None] & photon[:, None], 1)
    bins = torch.bincount(batch.mass_bins[both], minlength=MASS_BINS)
    expected = int((np.log(0.1349768) + 5.0) * 256 / 10.24)
    assert int(bins.argmax()) == expected
    assert bins[expected] > 200


def test_sums_over_the_event_vanish_where_four_momentum_is_conserved(stable_events: Events) -> None:
    event = Clouds.of(sample(stable_events)).event
    assert event[:, :5].abs().max() < 1e-2
    columns = {name: stable_events.flat(name).copy() for name in stable_events.columns}
    columns["px"][stable_events.offsets[:-1] + 1] += 0.2
    broken = Clouds.of(sample(Events.from_flat(stable_events.counts, columns, run=stable_events.run))).event
    np.testing.assert_allclose(broken[:, 4].sinh().numpy(), 0.2 / 0.05, rtol=1e-3)
    np.testing.assert_allclose(broken[:, :2].sinh().norm(dim=1).numpy(), 0.2 / 0.05, rtol=1e-3)


def unbalanced(events: Events) -> Events:
    columns = {name: events.flat(name).copy() for name in events.columns}
    columns["px"][events.offsets[:-1] + 1] += 0.2
    return Events.from_flat(events.counts, columns, run=events.run)


@pytest.mark.parametrize(("change", "rejected"), [(unbalanced, True), (lambda events: events, False)])
def test_it_finds_an_imbalance_and_invents_none(
    change: Callable[[Events], Events], rejected: bool, candidate: Events, reference: Events
) -> None:
    told: list[float] = []
    test = cloud_classifier_score(sample(reference[:400]), sample(change(candidate[:400])), epochs=3,
                                  progress=lambda _what, share: told.append(share))  # fmt: skip
    assert test.score.p_value is not None
    assert (test.score.p_value < 1e-3) == rejected
    assert (test.score.p_value > 0.02) != rejected
    assert test.score.floor == 0.5
    assert test.score.n == 400
    assert max(told) == 1.0
    assert test.weights.candidate_histogram.sum() == pytest.approx(1.0)


@pytest.mark.parametrize("n", [40, 41, 43, 47, 53])
def test_any_number_of_events_can_be_judged(stable_events: Events, monkeypatch: pytest.MonkeyPatch, n: int) -> None:
    """Chunks and batches need not divide the events: the schedule has as many steps as there are batches."""
    monkeypatch.setattr(cloud_classifier, "_BATCH", 4)
    monkeypatch.setattr(cloud_classifier, "_CHUNK", 2)
    reference, candidate = sample(stable_events[:n]), sample(stable_events[n : 2 * n])
    shares: list[float] = []
    test = cloud_classifier_score(reference, candidate, epochs=2, progress=lambda step, share: shares.append(share))
    assert max(shares) == 1.0
    assert 0 <= test.score.value <= 1
