"""Presets: those that ship load, and whatever is wrong is named with its place."""

from pathlib import Path

import pytest

from cloudchamber.errors import InputError
from cloudchamber.events import Level
from cloudchamber.process.sampler import SAMPLERS
from cloudchamber.recipes.config import load_preset, preset_names


def test_the_promised_presets_ship() -> None:
    assert {"ep-dis-10x275", "ep-dis-10x275-stable"} <= set(preset_names())
    assert load_preset("ep-dis-10x275").level is Level.PRIMARY
    assert load_preset("ep-dis-10x275-stable").level is Level.STABLE
    assert load_preset("ep-dis-10x275-stable").fold_decays


@pytest.mark.parametrize("name", preset_names())
def test_every_shipped_preset_is_whole(name: str) -> None:
    preset = load_preset(name)
    assert preset.name == name
    assert preset.description
    assert preset.sampling.sampler in SAMPLERS
    for stage in (preset.species.width, preset.cloud.width):
        assert stage % 4 == 0
    assert preset.cloud.width % preset.cloud.heads == 0


def test_the_published_model_is_trained_and_sampled_as_published() -> None:
    """Arguments of the public code of arXiv:2410.22421, and the number of neighbours of its text."""
    preset, masked = load_preset("omnilearn"), load_preset("omnilearn-masked")
    assert (preset.family, preset.level) == ("omnilearn", Level.STABLE)
    training, sampling, particles = preset.training, preset.sampling, preset.particles
    assert (training.optimizer, training.betas, training.weight_decay) == ("lion", (0.95, 0.99), 0.0)
    assert (training.clip_norm, training.clip_by, training.ema_decay) == (1.0, "parameter", 0.999)
    assert (sampling.sampler, sampling.calls, sampling.stage_calls) == ("ddim-midpoint", 1000, {"event": 1024})
    assert (particles.neighbours, particles.body_blocks, particles.head_blocks, particles.heads) == (10, 8, 2, 4)
    for process in (particles.process, preset.event.process):
        assert (process.schedule, process.target, process.times) == ("cosine", "v", "uniform")
    assert (particles.hide_padding, particles.azimuth) == (False, "line")
    assert (masked.particles.hide_padding, masked.particles.azimuth) == (True, "circle")


def test_a_file_overrides_the_defaults_it_names(tiny_toml: Path) -> None:
    preset = load_preset(str(tiny_toml))
    assert (preset.cloud.width, preset.cloud.heads, preset.training.steps) == (8, 2, 3)
    assert preset.sampling.calls == 16


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("name = ", "not valid TOML"),
        ("name = 'a'\nname = 'b'", "not valid TOML"),
        ("", "description|level|name"),
        ("{tiny}\nspeed = 3", "at training.speed: Extra inputs"),
        ("{tiny}\n[colour]\nwidth = 3", "at colour: Extra inputs"),
        ("{tiny}\n[sampling]\ncalls = 'many'", "at sampling.calls: Input should be a valid integer"),
        ("{tiny}\n[sampling]\ncalls = 0", "at sampling.calls: .*greater than or equal to 1"),
        ("{tiny}\n[sampling]\ncalls = nan", "at sampling.calls"),
        ("{tiny}\n[sampling]\nstage_calls = { cloud = 0 }", "at sampling.stage_calls.cloud: .*greater than or equal"),
        ("{tiny}\n[sampling]\nstage_calls = { event = 5 }", "the stages that take calls are electron, cloud"),
        ("family = 'vae'\n{tiny}", "at family: Input should be 'cascade', .*, 'calo-points' or 'zjets'"),
        ("family = 'omnilearn'\n{tiny}", "the family omnilearn knows only species of the level stable"),
    ],
)
def test_what_is_wrong_is_named_with_its_place(tmp_path: Path, text: str, word: str) -> None:
    tiny = 'name = "t"\ndescription = "d"\nlevel = "primary"\n[training]\nsteps = 3'
    (tmp_path / "wrong.toml").write_text(text.replace("{tiny}", tiny))
    with pytest.raises(InputError, match=word) as error:
        load_preset(str(tmp_path / "wrong.toml"))
    assert "wrong.toml" in str(error.value)
    assert len(str(error.value).splitlines()) == 1


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("level", '"half"'),
        ("name", '"No Spaces"'),
        ("cloud", "{ width = 10 }"),
        ("cloud", "{ depth = 0 }"),
        ("cloud", "{ width = 96, heads = 5 }"),
        ("particles", "{ width = 96, heads = 5 }"),
        ("sampling", '{ sampler = "hean" }'),
        ("sampling", '{ stage_samplers = { cloud = "hean" } }'),
        ("training", "{ learning_rate = -1.0 }"),
        ("training", '{ optimizer = "sgd" }'),
        ("training", "{ ema_decay = 1 }"),
    ],
)
def test_impossible_values_are_refused(tiny_toml: Path, key: str, value: str) -> None:
    lines = [line for line in tiny_toml.read_text().splitlines() if not line.startswith(f"{key} =")]
    tiny_toml.write_text("\n".join([*lines, f"{key} = {value}"]))
    with pytest.raises(InputError, match=f"is wrong at {key}"):
        load_preset(str(tiny_toml))


def test_files_that_are_no_text_are_refused(tmp_path: Path) -> None:
    (tmp_path / "bytes.toml").write_bytes(bytes(range(128, 256)))
    with pytest.raises(InputError, match="not valid TOML"):
        load_preset(str(tmp_path / "bytes.toml"))


def test_only_stable_events_can_be_folded(tiny_toml: Path) -> None:
    """Cards from before the field was there have no folding."""
    assert not load_preset(str(tiny_toml)).fold_decays
    text = "fold_decays = true\n" + tiny_toml.read_text()
    tiny_toml.write_text(text)
    with pytest.raises(InputError, match="fold_decays and fold_resonances need level stable"):
        load_preset(str(tiny_toml))
    tiny_toml.write_text(text.replace('"primary"', '"stable"'))
    assert load_preset(str(tiny_toml)).fold_decays


def test_unknown_presets_are_refused() -> None:
    with pytest.raises(InputError, match=r"'ep-pis' is unknown; choose one of calo-points, .*ep-dis, ep-dis-10x275"):
        load_preset("ep-pis")
    with pytest.raises(InputError, match="does not exist"):
        load_preset("missing.toml")
