"""Targets by name."""

from pathlib import Path

import numpy as np
import pytest

from cloudchamber.errors import InputError
from cloudchamber.recipes.targets import TARGETS, find_target, truth_of


@pytest.mark.parametrize("name", TARGETS)
def test_every_target_can_be_started(name: str) -> None:
    target = find_target(name)
    starts = target.starts(50, seed=1)
    logs = target.log_prob(starts)
    assert logs.shape == (50,)
    assert np.isfinite(logs).all()
    assert len(target.names) == len(target.box) == starts.shape[1]
    truth = truth_of(target.posterior)
    if truth.points is not None:
        weights = np.ones(len(truth.points)) if truth.weights is None else truth.weights
        assert (weights > 0).all()


def test_a_function_of_ones_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "my_density_9.py").write_text("def log_prob(x):\n    return -(x**2).sum()\n")
    monkeypatch.chdir(tmp_path)
    target = find_target("my_density_9:log_prob", "-5:5,0:1")
    assert target.bounds == [(-5.0, 5.0), (0.0, 1.0)]
    assert target.log_prob(np.array([1.0, 2.0])) == -5


@pytest.mark.parametrize(
    ("name", "box", "words"),
    [("himmelbau", None, "'himmelbau' is unknown"), ("no_such_module:f", "0:1", "cannot be imported"),
     ("./my.py:f", "0:1", "'./my.py' is not the name of a module"), (":f", "0:1", "'' is not the name"),
     ("json:nothing", "0:1", "no function 'nothing'"), ("json:dumps", None, "needs --box"),
     ("json:dumps", "1:0", "is not understood"), ("json:dumps", "0:1,2", "is not understood"),
     ("funnel", "0:1", "leave --box out")],
)  # fmt: skip
def test_bad_names_get_one_sentence(name: str, box: str | None, words: str) -> None:
    with pytest.raises(InputError, match=words):
        find_target(name, box)
