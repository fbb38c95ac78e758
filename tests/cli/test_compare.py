"""`cloudchamber compare`: a table of two evaluations, and one clear sentence on bad input."""

import json
from pathlib import Path

import pytest

from cloudchamber.cli.main import main
from cloudchamber.evaluate.document import (
    ClassifierRecord,
    MetricsDocument,
    ScoreRecord,
    SettingsRecord,
    VerdictRecord,
    WassersteinRecord,
    WeightsRecord,
)

NO_WEIGHTS = WeightsRecord(levels=(), candidate_quantiles=(), reference_quantiles=(), edges=(), candidate_histogram=(),
                           reference_histogram=())  # fmt: skip


def score(value: float, floor: float, error: float) -> ScoreRecord:
    return ScoreRecord(value=value, error=error, floor=floor, floor_spread=error, ratio=value / floor, p_value=0.5,
                       n=1000, n_pairs=4, pair_size=1000, floor_scale=1.0)  # fmt: skip


def write(path: Path, area: float, distance: float) -> Path:
    document = MetricsDocument(
        settings=SettingsRecord(version="1", budget="quick", n=1000, n_reference=1000, effective_n=1000.0,
                                effective_n_reference=1000.0, n_pairs=4, pair_size=1000, level="stable",
                                beams="10x275", candidate={"name": path.stem}, reference={"name": "truth"}),
        verdict=VerdictRecord(indistinguishable=None, p_value=None, sentence=f"The verdict on {path.stem}.",
                              reasons=(), tests=()),
        classifier=ClassifierRecord(area=score(area, 0.5, 0.004), importance=(), weights=NO_WEIGHTS,
                                    cloud_weights=None),
        particles=(WassersteinRecord(species="pi+", quantity="[pT]", unit="GeV", description="",
                                     score=score(distance, 0.01, 0.001)),),
        events=(), multiplicities=(), conservation=(), metrics=(),
    )  # fmt: skip
    path.write_text(document.model_dump_json())
    return path


def run(*words: object) -> int:
    with pytest.raises(SystemExit) as left:
        main(["compare", *map(str, words)])
    return int(str(left.value.code))


def test_the_better_one_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    one, two = write(tmp_path / "one.json", 0.6, 0.011), write(tmp_path / "two.json", 0.51, 0.03)
    assert run(one, two) == 0
    said = capsys.readouterr().out
    rows = [[cell.strip() for cell in line.strip("│").split("│")] for line in said.splitlines() if "±" in line]
    assert rows[0][2:] == ["0.6 ± 0.004", "0.5", "1.20", "0.51 ± 0.004", "0.5", "1.02", "B"]
    assert rows[1][:2] == ["[pT] of pi+", "GeV"]
    assert rows[1][-1] == "A"
    assert "The verdict on one." in said
    assert "of 2 numbers, A is better in 1, B in 1" in said


def test_what_is_equal_is_shown_on_request_only(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    one, two = write(tmp_path / "one.json", 0.51, 0.011), write(tmp_path / "two.json", 0.51, 0.011)
    assert run(one, two) == 0
    assert "[pT] of pi+" not in capsys.readouterr().out
    assert run(one, two, "--all") == 0
    assert "[pT] of pi+" in capsys.readouterr().out


def test_a_folder_of_a_report_will_do(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        write(tmp_path / name / "metrics.json", 0.5, 0.01)
    assert run(tmp_path / "a", tmp_path / "b") == 0
    assert "of 2 numbers" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("content", "says"),
    [(None, "does not exist"), ("{", "is not JSON"), ("[]", "no document of metrics"), (b"\xff\xfe", "is not JSON"),
     ('{"schema_version": 99}', "no document of metrics")],
)  # fmt: skip
def test_bad_input(content: str | bytes | None, says: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    good, bad = write(tmp_path / "good.json", 0.5, 0.01), tmp_path / "bad.json"
    if content is not None:
        bad.write_bytes(content if isinstance(content, bytes) else content.encode())
    for words in ((good, bad), (bad, good)):
        assert run(*words) == 2
        said = capsys.readouterr()
        assert says in said.err
        assert "bad.json" in said.err
        assert (said.out, said.err.count("\n")) == ("", 1)


def test_unlike_evaluations(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    one, two = write(tmp_path / "one.json", 0.5, 0.01), write(tmp_path / "two.json", 0.5, 0.01)
    content = json.loads(two.read_text())
    content["settings"]["beams"] = "18x275"
    two.write_text(json.dumps(content))
    assert run(one, two) == 2
    assert "compare like with like" in capsys.readouterr().err


def test_help_shows_an_example(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--help") == 0
    assert "cloudchamber compare report/metrics.json" in capsys.readouterr().out
