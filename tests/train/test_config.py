import math
from typing import Any

import pytest

from cloudchamber.errors import InputError
from cloudchamber.train.config import TrainingConfig


def test_rate_warms_up_linearly_and_falls_as_a_cosine() -> None:
    config = TrainingConfig(steps=200, learning_rate=4.0, warm_up_steps=20, floor=0.25)
    cosine = [0.25 + 0.75 * (1 + math.cos(math.pi * n / 200)) / 2 for n in range(201)]
    for step in range(201):
        expected = 4.0 * min((step + 1) / 20, 1) * cosine[step]
        assert config.rate(step, 0.0) == pytest.approx(expected, rel=1e-12)
    assert config.rate(300, 0.0) == config.rate(200, 0.0) == pytest.approx(1.0)


def test_rate_by_time_follows_whichever_end_is_nearer() -> None:
    config = TrainingConfig(steps=100, max_time=60.0, schedule="time", learning_rate=1.0, warm_up_steps=0, floor=0.0)
    assert config.rate(10, 30.0) == pytest.approx(0.5)
    assert config.rate(50, 6.0) == pytest.approx(0.5)
    assert config.rate(0, 60.0) == pytest.approx(0.0)
    assert config.done(10, 45.0) == 0.75
    assert config.done(10, 90.0) == 1.0


def test_rate_by_steps_does_not_depend_on_time() -> None:
    config = TrainingConfig(steps=100, max_time=60.0, warm_up_steps=0)
    assert config.rate(10, 0.0) == config.rate(10, 59.0)
    assert config.done(10, 59.0) == pytest.approx(59 / 60)


@pytest.mark.parametrize(
    "setting",
    [
        {"steps": 0},
        {"steps": -5},
        {"max_time": 0.0},
        {"learning_rate": 0.0},
        {"learning_rate": math.nan},
        {"weight_decay": -1.0},
        {"warm_up_steps": -1},
        {"ema_decay": 1.5},
        {"floor": -0.1},
        {"clip_norm": 0.0},
        {"betas": (0.9, 1.0)},
        {"optimizer": "sgd"},
        {"clip_by": "layer"},
        {"precision": "float16"},
        {"schedule": "linear"},
        {"validation_steps": 0},
        {"log_steps": 0},
        {"checkpoint_minutes": -1.0},
        {"snapshot_minutes": -1.0},
        {"seed": -1},
    ],
)
def test_impossible_settings_are_named(setting: dict[str, Any]) -> None:
    with pytest.raises(InputError, match=next(iter(setting))):
        TrainingConfig(**{"steps": 10, **setting})


def test_a_run_needs_an_end() -> None:
    with pytest.raises(InputError, match="needs steps"):
        TrainingConfig(max_time=10.0)
    with pytest.raises(InputError, match="needs max_time"):
        TrainingConfig(steps=10, schedule="time")
