import pytest
import torch
from torch import Tensor, nn
from toy_training import Regression, ToyStream, held_out, settings

from cloudchamber.errors import InputError
from cloudchamber.tensors.batch import Batch
from cloudchamber.tensors.rng import Rng
from cloudchamber.train.learner import Learner
from cloudchamber.train.team import Team, choose_device

ALONE = Team(0, 1, torch.device("cpu"))


class Mean(nn.Module):
    """Loss (x - m)^2 / 2, whose gradient is the weighted mean of m - x."""

    def __init__(self) -> None:
        super().__init__()
        self.m = nn.Parameter(torch.zeros(1, dtype=torch.float64))

    def losses(self, rows: Batch, rng: Rng) -> dict[str, Tensor]:
        return {"half_square": (rows.x[:, 0] - self.m).square() / 2}


def rows_of(x: list[float], weight: list[float]) -> Batch:
    return Batch(torch.tensor(x, dtype=torch.float64)[:, None], torch.tensor(weight, dtype=torch.float64))


def test_gradient_is_that_of_the_weighted_mean() -> None:
    model = Mean()
    report = Learner(model, settings(steps=1, clip_norm=None), ALONE).advance(rows_of([1.0, 3.0], [3.0, 1.0]), 0.0)
    assert model.m.grad.item() == pytest.approx(-1.5)
    assert report["loss"] == pytest.approx((3 * 0.5 + 1 * 4.5) / 4)
    assert report["norm_model"] == pytest.approx(1.5)


def test_validation_averages_over_weights_not_batches() -> None:
    batches = [rows_of([1.0, 3.0, 2.0], [1.0, 0.0, 2.0]), rows_of([5.0], [5.0])]
    learner = Learner(Mean(), settings(steps=1), ALONE)
    expected = (1 * 0.5 + 2 * 2.0 + 5 * 12.5) / 8
    assert learner.validate(batches) == pytest.approx({"loss": expected, "loss_half_square": expected})


def test_validation_draws_the_same_noise_every_time_and_changes_nothing() -> None:
    learner = Learner(Regression(dropout=0.5), settings(steps=1), ALONE)
    before = {name: values.clone() for name, values in learner.model.state_dict().items()}
    random = torch.get_rng_state()
    assert learner.validate(held_out()) == learner.validate(held_out())
    assert torch.equal(random, torch.get_rng_state())
    assert all(torch.equal(before[name], values) for name, values in learner.model.state_dict().items())
    assert learner.model.training


def test_no_validation_rows_no_validation() -> None:
    assert Learner(Regression(), settings(steps=1), ALONE).validate([]) == {}


def test_parts_are_clipped_each_by_its_own_norm() -> None:
    free, clipped = Regression(), Regression()
    rows = next(ToyStream())
    norms = Learner(free, settings(steps=1, clip_norm=None), ALONE).advance(rows, 0.0)
    Learner(clipped, settings(steps=1, clip_norm=0.1), ALONE).advance(rows, 0.0)
    for name in ("first", "second"):
        pairs = list(zip(free.parts()[name].parameters(), clipped.parts()[name].parameters(), strict=True))
        whole = torch.cat([p.grad.flatten() for p, _ in pairs])
        short = torch.cat([p.grad.flatten() for _, p in pairs])
        assert whole.norm().item() == pytest.approx(norms[f"norm_{name}"], rel=1e-5)
        assert whole.norm() > 0.1
        torch.testing.assert_close(short, whole * 0.1 / whole.norm(), rtol=1e-4, atol=1e-7)


def test_parameters_can_be_clipped_each_by_its_own_norm() -> None:
    free, clipped = Regression(), Regression()
    rows = next(ToyStream())
    norms = Learner(free, settings(steps=1, clip_norm=None), ALONE).advance(rows, 0.0)
    limit = float(torch.stack([p.grad.norm() for p in free.parameters()]).median())  # about half are clipped
    report = Learner(clipped, settings(steps=1, clip_norm=limit, clip_by="parameter"), ALONE).advance(rows, 0.0)
    assert report == pytest.approx(norms)  # what is reported is the norm of a part before clipping
    for whole, short in zip(free.parameters(), clipped.parameters(), strict=True):
        expected = whole.grad * min(1.0, limit / float(whole.grad.norm()))
        torch.testing.assert_close(short.grad, expected, rtol=1e-4, atol=1e-7)


def test_what_belongs_to_no_part_is_clipped_together() -> None:
    class Loose(Regression):
        def parts(self) -> dict[str, nn.Module]:
            return {"first": self.first}

    report = Learner(Loose(), settings(steps=1), ALONE).advance(next(ToyStream()), 0.0)
    assert {"norm_first", "norm_other"} <= report.keys()


def test_frozen_parameters_stay() -> None:
    model = Regression()
    model.second.requires_grad_(False)
    before = model.second.weight.clone()
    Learner(model, settings(steps=1), ALONE).advance(next(ToyStream()), 0.0)
    assert torch.equal(model.second.weight, before)


def test_rows_are_divided_without_gap_or_overlap() -> None:
    for total, size in ((7, 3), (8, 2), (5, 5), (256, 7)):
        shares = [Team(rank, size, torch.device("cpu")).rows(total) for rank in range(size)]
        assert [row for share in shares for row in share] == list(range(total))
        assert max(map(len, shares)) - min(map(len, shares)) <= 1


def test_fewer_rows_than_processes_are_explained() -> None:
    with pytest.raises(InputError, match="batch of 2 events cannot be divided among 3 processes"):
        Team(0, 3, torch.device("cpu")).rows(2)


@pytest.mark.parametrize("name", ["tpu-please", "cuda:99"])
def test_devices_that_are_not_there_are_explained(name: str) -> None:
    with pytest.raises(InputError, match=f"the device '{name}' is not"):
        choose_device(name)
