"""Spectra with the uncertainty of the model, of Pythia8's events as if they were a candidate's."""

from dataclasses import replace

import numpy as np

from cloudchamber.evaluate.bands import Band, bands, coverage
from cloudchamber.evaluate.budget import Budget
from cloudchamber.evaluate.document import EnsembleRecord
from cloudchamber.evaluate.figures.comparison import Comparison
from cloudchamber.evaluate.figures.histogram import Histogram
from cloudchamber.evaluate.species import species_named
from cloudchamber.events import Events


def histogram(density: list[float], error: float, model: float | None = None) -> Histogram:
    n = len(density)
    known = None if model is None else np.full(n, model)
    return Histogram(np.arange(n + 1.0), np.array(density), np.full(n, error), np.full(n, 100.0), 1000.0, known)


def test_coverage_counts_bins_within_one_deviation() -> None:
    """Both samples of one size: sigma = sqrt(2) 0.1 = 0.141 by statistics, 0.244 with a model's 0.2."""
    truth = histogram([1.0, 1.0, 1.0, 1.0], 0.1)
    band = Band(None, "y", histogram([1.1, 1.2, 1.3, 0.9], 0.1, 0.2), truth)
    assert (band.coverage.bins, band.coverage.statistics, band.coverage.total) == (4, 0.5, 0.75)
    empty = replace(truth, entries=np.zeros(4))
    assert coverage([Band(None, "y", band.candidate, empty)]).bins == 0


def test_every_spectrum_has_a_band(stable_events: Events) -> None:
    parts = [stable_events[75 * k : 75 * (k + 1)] for k in range(4)]
    comparison = Comparison.before(parts[0], parts[3], Budget.named("quick"), members=parts[1:3])
    found = bands(comparison)
    assert {band.quantity for band in found if band.species is None} >= {"log10_Q2", "n_charged"}
    assert all(band.candidate.model is not None for band in found)
    record = EnsembleRecord.of(found, 3)
    assert record.members == 3
    assert record.covered >= record.covered_by_statistics > 0.4  # truth against truth
    assert EnsembleRecord.model_validate_json(record.model_dump_json()) == record


def test_members_stand_beside_the_candidate_in_every_kind_of_quantity(stable_events: Events) -> None:
    from cloudchamber.evaluate.figures.hadronic import breit_frame, correlators
    from cloudchamber.evaluate.figures.inclusive import all_particles
    from cloudchamber.evaluate.figures.masses import masses_without_background
    from cloudchamber.evaluate.figures.published import three_spectra

    parts = [stable_events[75 * k : 75 * (k + 1)] for k in range(4)]
    comparison = Comparison.before(parts[0], parts[3], Budget.named("quick"), members=parts[1:3])
    trained = Comparison.before(parts[0], parts[3], Budget.named("quick"), members=parts[1:2], training=parts[2])
    for draw in (breit_frame, correlators, all_particles, masses_without_background, three_spectra):
        for shown, name in ((comparison, "3 members"), (trained, "2 members and training sample")):
            (legend,) = draw(shown).legends
            assert f"statistics and model, {name}" in [text.get_text() for text in legend.get_texts()]


def test_a_training_sample_is_no_member(stable_events: Events) -> None:
    """Three copies of the same events have no spread; a training sample without pions shows what all get wrong."""
    same, other = stable_events[:150], stable_events[150:300]
    budget, pion = Budget.named("quick"), species_named("pi+")
    poor = other.select(other.particles.pdg_id != 211)
    for training, wrong in ((same, False), (poor, True)):
        found = Comparison.before(same, other, budget, members=[same, same], training=training).counts(pion)
        assert len(found.members) == 2
        candidate, _ = found.histograms(np.arange(7) - 0.5)
        assert candidate.model is not None
        assert candidate.model.any() == wrong
