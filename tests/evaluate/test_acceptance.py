"""An evaluation under the selection of arXiv:2410.22421."""

import pytest

from cloudchamber.evaluate import Budget, evaluate
from cloudchamber.evaluate.classifier import TREES
from cloudchamber.evaluate.document import to_document
from cloudchamber.evaluate.report import report_page
from cloudchamber.events import Events
from cloudchamber.physics.acceptance import Acceptance


def test_conservation_is_not_judged_and_the_page_says_so(
    candidate: Events, reference: Events, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(TREES, "max_iter", 10)
    found = evaluate(candidate, reference, Budget("test", 1000, 3, 3, 2000), acceptance=Acceptance.named("paper"))
    assert found.conservation == ()
    assert {m.species: m.reference[0] for m in found.multiplicities}["K0S"] == 0
    document = to_document(found, "it", "truth")
    assert document.settings.acceptance == "paper"
    page = report_page(document, [])
    assert "Not judged" in page
    assert "selection 'paper'" in page
