"""Jets against FastJet's own objects, event by event, and against configurations with a known answer."""

import numpy as np
import pytest

from cloudchamber.errors import InputError
from cloudchamber.events import Events
from cloudchamber.physics import jets
from cloudchamber.physics.conservation import energies

fastjet = pytest.importorskip("fastjet", reason="needs fastjet, which the extra 'jets' installs")


def four_vectors(events: Events) -> np.ndarray:
    columns = [events.flat(name).astype(np.float64) for name in ("px", "py", "pz")]
    return np.stack([energies(events), *columns], axis=-1)


@pytest.mark.parametrize(("name", "radius"), [("antikt", 1.0), ("kt", 0.7)])
def test_agrees_with_fastjet_one_event_at_a_time(name: jets.Algorithm, radius: float, stable_events: Events) -> None:
    events = stable_events[:60]
    momenta = four_vectors(events)
    found = jets.cluster(momenta, events.offsets, name, radius=radius, pt_min=2.0)
    definition = fastjet.JetDefinition(getattr(fastjet, f"{name}_algorithm"), radius)
    for k in range(len(events)):
        rows = momenta[events.offsets[k] : events.offsets[k + 1]]
        particles = [fastjet.PseudoJet(px, py, pz, E) for E, px, py, pz in rows.tolist()]
        cluster = fastjet.ClusterSequence(particles, definition)
        hardest_first = fastjet.sorted_by_pt(cluster.inclusive_jets(2.0))
        expected = np.array([[j.E(), j.px(), j.py(), j.pz()] for j in hardest_first])
        here = found.momenta[found.offsets[k] : found.offsets[k + 1]]
        np.testing.assert_allclose(here, expected.reshape(-1, 4), rtol=1e-9, atol=1e-9)


def test_two_collinear_particles_and_one_far_away() -> None:
    one = np.array([10.0, 10.0, 0.0, 0.0])
    momenta = np.stack([one, one / 2, np.array([5.0, -5.0, 0.0, 0.0])])
    found = jets.cluster(momenta, np.array([0, 0, 3]), "antikt", pt_min=1.0)
    assert found.offsets.tolist() == [0, 0, 2]
    np.testing.assert_allclose(found.pt, [15.0, 5.0])
    np.testing.assert_allclose(found.mass, 0.0, atol=1e-6)
    np.testing.assert_allclose(found.eta, 0.0, atol=1e-9)


def test_without_fastjet_one_sentence_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jets, "has_fastjet", lambda: False)
    with pytest.raises(InputError, match="pip install"):
        jets.cluster(np.zeros((0, 4)), np.array([0]), "kt", pt_min=1.0)


def test_results_on_standard_output_stay_clean(capfd: pytest.CaptureFixture[str]) -> None:
    jets.cluster(np.array([[10.0, 10.0, 0.0, 0.0]]), np.array([0, 1]), "kt", pt_min=1.0)
    assert capfd.readouterr().out == ""
