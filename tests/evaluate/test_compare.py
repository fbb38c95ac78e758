"""Which of two evaluations is better, by hand."""

import pytest

from cloudchamber.errors import InputError
from cloudchamber.evaluate import Evaluation
from cloudchamber.evaluate.compare import compare
from cloudchamber.evaluate.document import MetricsDocument, to_document

_CASES = [(0.51, 0.56, "A"), (0.56, 0.51, "B"), (0.51, 0.52, ""), (0.44, 0.5, "B")]


@pytest.fixture(scope="module")
def document(good: Evaluation) -> MetricsDocument:
    return to_document(good, "one", "truth")


def with_area(document: MetricsDocument, **changes: float) -> MetricsDocument:
    area = document.classifier.area.model_copy(update={"floor": 0.5, "error": 0.004, **changes})
    return document.model_copy(update={"classifier": document.classifier.model_copy(update={"area": area})})


def with_settings(document: MetricsDocument, **changes: object) -> MetricsDocument:
    return document.model_copy(update={"settings": document.settings.model_copy(update=changes)})


def test_no_sample_is_better_than_itself(document: MetricsDocument) -> None:
    found = compare(document, document)
    assert len(found.rows) > 100
    assert found.wins("A") == found.wins("B") == 0
    assert found.notes == ()


@pytest.mark.parametrize(("a", "b", "better"), _CASES)
def test_closer_to_the_floor_by_three_errors_is_better(
    a: float, b: float, better: str, document: MetricsDocument
) -> None:
    found = compare(with_area(document, value=a), with_area(document, value=b))
    assert found.rows[0].better == better
    assert found.wins("A") + found.wins("B") == bool(better)


def test_ratios_decide_between_unequal_numbers_of_events(document: MetricsDocument) -> None:
    """Twice the floor is twice the floor, whatever the size: the larger value of the smaller sample is not worse."""
    small = with_area(document, value=0.2, floor=0.1, error=0.01)
    large = with_settings(with_area(document, value=0.02, floor=0.01, error=0.001), n=100_000)
    found = compare(small, large)
    assert found.rows[0].better == ""
    assert any("ratios" in note for note in found.notes)
    assert compare(small, with_area(document, value=0.02, floor=0.01, error=0.001)).rows[0].better == "B"


def test_other_references_and_versions_are_named(document: MetricsDocument) -> None:
    other = with_settings(document, version="0.0.0", reference={"name": "elsewhere"})
    assert len(compare(document, other).notes) == 2


@pytest.mark.parametrize("change", [{"beams": "18x275"}, {"level": "primary"}, {"acceptance": "paper"}])
def test_unlike_evaluations_are_refused(change: dict[str, str], document: MetricsDocument) -> None:
    with pytest.raises(InputError, match="compare like with like"):
        compare(document, with_settings(document, **change))
