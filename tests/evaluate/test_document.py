"""`metrics.json`: strict, complete and valid by its own schema."""

import json

import pytest
from pydantic import ValidationError

from cloudchamber.evaluate import Evaluation
from cloudchamber.evaluate.document import MetricsDocument, to_document
from cloudchamber.evaluate.observables import OBSERVABLES
from cloudchamber.evaluate.species import SPECIES


@pytest.fixture(scope="module")
def document(good: Evaluation) -> MetricsDocument:
    return to_document(good, "candidate.parquet", "reference")


def refuse(constant: str) -> float:
    raise ValueError(constant)


def test_it_is_strict_json_and_reads_back(document: MetricsDocument) -> None:
    text = document.model_dump_json()
    json.loads(text, parse_constant=refuse)
    assert MetricsDocument.model_validate_json(text) == document


def test_it_holds_everything(document: MetricsDocument) -> None:
    assert document.schema_version == 2
    assert [m.quantity for m in document.events] == [o.key for o in OBSERVABLES]
    assert {m.species for m in document.particles} == {s.key for s in SPECIES}
    assert len(document.classifier.importance) == len(OBSERVABLES)
    assert len(document.conservation) == 9
    for m in (*document.particles, *document.multiplicities):
        if m.score:
            assert m.score.n == document.settings.n == 1000
            assert m.score.pair_size == 1000
            assert m.score.floor is not None


def test_unknown_keys_and_missing_keys_are_refused(document: MetricsDocument) -> None:
    loaded = document.model_dump(mode="json")
    with pytest.raises(ValidationError):
        MetricsDocument.model_validate({**loaded, "extra": 1})
    del loaded["verdict"]
    with pytest.raises(ValidationError):
        MetricsDocument.model_validate(loaded)


def test_the_schema_is_a_json_schema() -> None:
    schema = MetricsDocument.model_json_schema()
    assert schema["type"] == "object"
    assert schema["properties"]["schema_version"]["const"] == 2
    assert schema["additionalProperties"] is False
