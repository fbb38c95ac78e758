"""Precision, recall, density, coverage and memorisation of samples made by hand."""

import numpy as np
import pytest

from cloudchamber.evaluate.neighbours import memorisation, nearest, precision_recall_density_coverage
from cloudchamber.evaluate.tables import Table


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(9)


def values(real: np.ndarray, fake: np.ndarray, rng: np.random.Generator, k: int = 5) -> list[float]:
    size = min(len(real), len(fake))
    found = precision_recall_density_coverage(Table.of(real), Table.of(fake), rng, size=size, k=k)
    return [number.value for number in found]


def test_identical_samples_cover_everything(rng: np.random.Generator) -> None:
    x = rng.normal(size=(300, 4))
    precision, recall, _, coverage = values(x, x, rng)
    assert (precision, recall, coverage) == (1.0, 1.0, 1.0)


def test_samples_of_one_distribution_reach_the_expected_density_and_coverage(rng: np.random.Generator) -> None:
    """Lemmas 1 and 2 of arXiv:2002.09797: density has mean 1, coverage 1 - 2^-k for many events."""
    found = np.mean([values(rng.normal(size=(600, 3)), rng.normal(size=(600, 3)), rng, k=3) for _ in range(4)], axis=0)
    assert found[2] == pytest.approx(1.0, abs=0.05)
    assert found[3] == pytest.approx(1 - 2**-3, abs=0.02)


def test_samples_far_apart_share_nothing(rng: np.random.Generator) -> None:
    assert values(rng.normal(size=(100, 2)), rng.normal(50.0, 1.0, (100, 2)), rng) == [0.0, 0.0, 0.0, 0.0]


def test_a_lost_mode_costs_recall_and_coverage_but_not_precision(rng: np.random.Generator) -> None:
    real = rng.normal(size=(400, 2))
    real[200:] += 100.0
    precision, recall, density, coverage = values(real, rng.normal(size=(400, 2)), rng)
    assert precision > 0.9
    assert recall == pytest.approx(0.5, abs=0.05)
    assert coverage == pytest.approx(0.5, abs=0.05)
    assert density > 0.8


def test_by_hand_on_a_line(rng: np.random.Generator) -> None:
    """The balls about 0, 1 and 10 have the radii 1, 1 and 9, those about -0.5, 2.5 and 30 have 3, 3 and 27.5."""
    real, fake = np.array([[0.0], [1.0], [10.0]]), np.array([[-0.5], [2.5], [30.0]])
    assert values(real, fake, rng, k=1) == pytest.approx([2 / 3, 1.0, 2 / 3, 2 / 3])


def test_distances_to_the_nearest(rng: np.random.Generator) -> None:
    np.testing.assert_allclose(nearest(np.array([[0.0, 0.0], [5.0, 5.0]]), np.array([[3.0, 4.0], [5.0, 6.0]])), [5, 1])


def test_copies_of_training_events_are_found_and_new_events_are_not(rng: np.random.Generator) -> None:
    training, unseen, new = (Table.of(rng.normal(size=(800, 3))) for _ in range(3))
    closer, ratio = memorisation(unseen, new, rng, training=training, size=800)
    assert closer.value == pytest.approx(0.5, abs=4 * closer.error)
    assert ratio.value == pytest.approx(1.0, abs=4 * ratio.error)
    copies = Table.of(training.x + rng.normal(0.0, 1e-3, training.x.shape))
    closer, ratio = memorisation(unseen, copies, rng, training=training, size=800)
    assert closer.value > 0.98
    assert ratio.value < 0.02
