from pathlib import Path

import pytest

from cloudchamber.cli.main import main
from cloudchamber.events import Level, ProtonBeams
from cloudchamber.recipes import store


def models() -> int:
    with pytest.raises(SystemExit) as stop:
        main(["models"])
    return int(stop.value.code or 0)


def test_the_shipped_models_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert models() == 0
    output = capsys.readouterr().out
    for word in ("ep-dis-10x275 ", "ep-dis-10x275-stable ", "10x275", "primary", "stable"):
        assert word in output


def test_shipped_models_are_small_and_whole() -> None:
    assert {"ep-dis-10x275", "ep-dis-10x275-stable"} <= set(store.model_names())
    for name in store.model_names():
        weights = store.pretrained_folder() / f"{name}.safetensors"
        card = store.read_card(weights.with_suffix(".json"))
        assert card.preset.name == name
        assert card.sha256 == store.load_model(name).digest
        phases = [phase for phase in card.training.get("phases", []) if "events" in phase]
        samples = {phase["fingerprint"]: phase["events"] for phase in phases} | {card.fingerprint: card.events}
        assert sum(samples.values()) >= (26_000 if card.preset.family == "calo" else 600_000)
        assert weights.stat().st_size + weights.with_suffix(".json").stat().st_size < 10_000_000


def test_a_damaged_card_is_named(
    saved: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(store, "pretrained_folder", lambda: saved.parent)
    assert models() == 0
    assert "not measured" in capsys.readouterr().out
    saved.with_suffix(".json").write_text("{")
    assert models() == 2
    assert "tiny.json" in capsys.readouterr().err


def test_models_without_beams_of_electrons_are_listed(
    saved: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(store, "pretrained_folder", lambda: saved.parent)
    card = store.read_card(saved.with_suffix(".json"))
    for family, protons, domain, expected in (
        ("calo", None, {"incident_energy_GeV": [1.0, 100.0]}, "showers, 1 to 100 GeV"),
        ("zjets", ProtonBeams(energy=6500), {}, "pp, 13 TeV"),
    ):
        changed = {
            "preset": card.preset.model_copy(update={"family": family, "level": Level.STABLE}),
            "data": card.data.with_(beams=None, protons=protons),
            "domain": domain,
        }
        store.write_card(saved.with_suffix(".json"), card.model_copy(update=changed))
        assert models() == 0
        assert expected in " ".join(capsys.readouterr().out.split())
