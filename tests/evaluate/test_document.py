"""`metrics.json`: strict, complete and valid by its own schema."""

import json
from importlib.resources import files

import pytest
from jsonschema import Draft202012Validator
from pydantic import ValidationError

from cloudchamber.evaluate import Evaluation
from cloudchamber.evaluate.document import MetricsDocument, metrics_schema, to_document
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


def test_the_table_of_metrics_holds_every_group(document: MetricsDocument) -> None:
    groups = {m.group for m in document.metrics}
    names = {group: [m.name for m in document.metrics if m.group == group] for group in groups}
    assert names["FPD and KPD"] == ["FPD", "KPD"]
    assert names["sliced"] == ["sliced W1", "sliced KS"]
    assert names["neighbours"] == ["precision", "recall", "density", "coverage"]
    assert names["energy mover's distance"] == ["COV", "MMD"]
    assert names["memorisation"] == ["closer to training", "nearest-neighbour ratio"]
    assert names["classifiers"] == ["AUC, observables"]
    assert "w1p pT of gamma" in names["JetNet W1"]
    assert all(m.floor is not None and m.floor_spread is not None for m in document.metrics)


def test_the_verdict_lists_every_test_once(document: MetricsDocument) -> None:
    tests = document.verdict.tests
    assert {"one-dimensional distances", "FPD", "KPD", "sliced W1", "COV", "AUC, observables"} < {t.name for t in tests}
    assert len({t.name for t in tests}) == len(tests)
    assert all(t.p_value <= t.corrected_p_value for t in tests)
    assert document.verdict.p_value == min(t.corrected_p_value for t in tests)


def test_the_document_obeys_the_shipped_schema(document: MetricsDocument) -> None:
    schema = json.loads((files("cloudchamber.evaluate") / "metrics.schema.json").read_text())
    assert schema == metrics_schema()
    Draft202012Validator.check_schema(schema)
    validator = Draft202012Validator(schema)
    written = json.loads(document.model_dump_json())
    validator.validate(written)
    written["metrics"][0]["value"] = "large"
    assert [error.json_path for error in validator.iter_errors(written)] == ["$.metrics[0].value"]


def test_the_schema_is_closed_and_versioned() -> None:
    schema = metrics_schema()
    assert schema["type"] == "object"
    assert schema["properties"]["schema_version"]["const"] == 2
    assert schema["additionalProperties"] is False
