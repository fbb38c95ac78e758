"""Distributions of weights: conjugate regressions, moments of the noise, draws by seed, and every kind of model."""

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.distributions import Normal, kl_divergence

from cloudchamber.errors import InputError
from cloudchamber.models.autoregressive import MultisetModel
from cloudchamber.models.bayesian import Bayesian, GaussianLinear, LogVariance, drawn, is_bayesian
from cloudchamber.models.cascade import Cascade
from cloudchamber.models.diffusion import Diffusion
from cloudchamber.models.flow import SplineFlow
from cloudchamber.models.present import Present
from cloudchamber.nets.mlp import VectorNet
from cloudchamber.nets.transformer import SetTransformer
from cloudchamber.process.average import AverageVelocity, Shortcut
from cloudchamber.process.denoise import Denoiser
from cloudchamber.process.schedule import Rectified
from cloudchamber.tensors.batch import Batch, Bundle
from cloudchamber.tensors.rng import RowRng
from cloudchamber.train.config import TrainingConfig
from cloudchamber.train.ema import Ema
from cloudchamber.train.learner import Learner
from cloudchamber.train.optim import make_optimizer, set_rate
from cloudchamber.train.team import gather_team

SIGMA, PRECISION, ROWS = 0.5, 2.0, 200


class Regression(nn.Module):
    """y = theta x + b + noise of known width, whose posterior is known."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(3, 1)

    def losses(self, rows: Batch, rng: RowRng) -> dict[str, Tensor]:
        error = rows.x[:, 3] - self.layer(rows.x[:, :3])[:, 0]
        return {"nll": error.square() / (2 * SIGMA**2)}


def regression_rows() -> Batch:
    generator = torch.Generator().manual_seed(1)
    mix = torch.tensor([[1.0, 0.5, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 2.0]])
    x = torch.randn(ROWS, 3, generator=generator) @ mix
    y = x @ torch.tensor([1.0, -2.0, 0.3]) + 0.7 + SIGMA * torch.randn(ROWS, generator=generator)
    return Batch(torch.cat([x, y[:, None]], 1), torch.ones(ROWS))


def trained(model: Bayesian, rows: Batch, steps: int) -> Bayesian:
    config = TrainingConfig(steps=steps, learning_rate=2e-2, warm_up_steps=10, floor=1e-3)
    optimizer = make_optimizer(model.parameters(), config)
    for step in range(steps):
        optimizer.zero_grad()
        losses = model.losses(rows, RowRng((0, step), len(rows)))
        torch.stack(list(losses.values())).sum(0).mean().backward()
        set_rate(optimizer, config.rate(step, 0.0))
        optimizer.step()
    return model


@pytest.mark.parametrize("temperature", [1.0, 4.0])
def test_a_conjugate_regression_has_the_best_independent_posterior(temperature: float) -> None:
    """A Gaussian posterior with precision P and mean m is met best by N(m_i, 1 / P_ii)."""
    rows = regression_rows()
    model = Bayesian(Regression(), ROWS, precision=PRECISION, log_variance=-5.0, temperature=temperature)
    model.model.layer.mean.load_state_dict({"weight": torch.zeros(1, 3), "bias": torch.zeros(1)})
    trained(model, rows, 800)
    design = torch.cat([rows.x[:, :3], torch.ones(ROWS, 1)], 1)
    posterior = design.T @ design / (SIGMA**2 * temperature) + PRECISION * torch.eye(4)
    mean = torch.linalg.solve(posterior, design.T @ rows.x[:, 3] / (SIGMA**2 * temperature))
    layer = model.model.layer
    found = torch.cat([layer.mean.weight[0], layer.mean.bias]).detach()
    spread = torch.cat([layer.weight_log_variance[0], layer.bias_log_variance]).detach()
    deviation = posterior.diagonal().rsqrt()
    assert ((found - mean).abs() < 0.25 * deviation).all()
    assert torch.allclose(spread, -posterior.diagonal().log(), atol=0.15)


def test_the_divergence_is_that_of_torch() -> None:
    torch.manual_seed(0)
    layer = GaussianLinear(nn.Linear(5, 4), -3.0)
    nn.init.normal_(layer.weight_log_variance)
    assert layer.bias_log_variance is not None
    prior = Normal(0.0, 1 / math.sqrt(PRECISION))
    expected = torch.stack([
        kl_divergence(Normal(mean, (log_variance / 2).exp()), prior).sum()
        for mean, log_variance in (
            (layer.mean.weight, layer.weight_log_variance), (layer.mean.bias, layer.bias_log_variance)
        )
    ]).sum()  # fmt: skip
    assert layer.kl(PRECISION).item() == pytest.approx(float(expected.detach()), rel=1e-6)


def test_noise_has_the_moments_of_random_weights() -> None:
    """Local reparametrisation against draws of weights: the same mean and variance of every output."""
    torch.manual_seed(2)
    model = Bayesian(nn.Sequential(nn.Linear(6, 3)), 1, log_variance=-2.0)
    layer = model.model[0]
    nn.init.normal_(layer.weight_log_variance, mean=-2.0)
    x, n = torch.randn(6), 20_000
    with torch.no_grad():
        with model._noisy(RowRng((3,), n), n):
            noisy = model.model(x.expand(n, 6))
        generator = torch.Generator().manual_seed(4)
        weights = torch.stack([model.drawn(generator)(x) for _ in range(2_000)])
        variance = layer.weight_log_variance.exp() @ x.square() + layer.bias_log_variance.exp()
        mean = layer(x)
    for outputs in (noisy, weights):
        error = (variance / len(outputs)).sqrt()
        assert ((outputs.mean(0) - mean).abs() < 5 * error).all()
        assert torch.allclose(outputs.var(0), variance, rtol=5 * math.sqrt(2 / len(outputs)))


def test_rows_and_their_elements_have_noise_of_their_own() -> None:
    model = Bayesian(nn.Sequential(nn.Linear(2, 3)), 1, log_variance=0.0)
    with model._noisy(RowRng((1,), 4), 4):
        out = model.model(torch.ones(4, 5, 2))
    assert len(out.flatten().unique()) == out.numel()


def test_noise_does_not_depend_on_how_rows_are_divided() -> None:
    torch.manual_seed(0)
    model, rows = Bayesian(vector_model(), 100, log_variance=-3.0), vector_rows()
    whole = model.losses(rows, RowRng((5,), 8))
    parts = [
        model.losses(rows.select(torch.arange(start, start + 4)), RowRng((5,), 8, start, start + 4)) for start in (0, 4)
    ]
    for name, loss in whole.items():
        assert torch.allclose(torch.cat([part[name] for part in parts]), loss, atol=1e-6)


def vector_model(features: int = 2, context: int = 3) -> Diffusion:
    return Diffusion(Denoiser(VectorNet(features, context, width=16, depth=1), Rectified(), "velocity"))


def vector_rows(size: int = 8, features: int = 2) -> Batch:
    generator = torch.Generator().manual_seed(0)
    x, context = torch.randn(size, features, generator=generator), torch.randn(size, 3, generator=generator)
    return Batch(x, torch.ones(size), context)


def set_rows(size: int = 8) -> Batch:
    generator = torch.Generator().manual_seed(0)
    mask = torch.arange(5) < torch.randint(1, 6, (size, 1), generator=generator)
    x = torch.randn(size, 5, 3, generator=generator) * mask[..., None]
    tokens = torch.zeros(size, 5, dtype=torch.long)
    return Batch(x, torch.ones(size), torch.randn(size, 3, generator=generator), mask, tokens)


def kind_rows(size: int = 8) -> Batch:
    mask = torch.ones(size, 4, dtype=torch.bool)
    return Batch(torch.tensor([[0], [0], [1], [1]]).expand(size, 4, 1), torch.ones(size), torch.zeros(size, 3), mask)


def flow_model() -> SplineFlow:
    pytest.importorskip("zuko")
    return SplineFlow(2, 3, couplings=2, width=8, depth=1, bins=4)


def cloud_model() -> Diffusion:
    return Diffusion(Denoiser(SetTransformer(3, 2, 3, width=16, depth=1, neighbours=2), Rectified(), "velocity"))


def shortcut_model() -> Diffusion:
    net = VectorNet(2, 3, width=16, depth=1, times=2)
    return Diffusion(AverageVelocity(net, Rectified()), Shortcut())


MODELS: dict[str, tuple[Callable[[], nn.Module], Callable[[], Batch]]] = {
    "diffusion": (vector_model, vector_rows),
    "shortcut": (shortcut_model, vector_rows),
    "cloud": (cloud_model, set_rows),
    "flow": (flow_model, vector_rows),
    "species": (lambda: MultisetModel(torch.tensor([[1], [-1]]), torch.tensor([0]), 3, width=8, depth=1), kind_rows),
}


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_every_kind_of_model_learns_means_and_variances(name: str, precision: str) -> None:
    build, rows = MODELS[name][0], MODELS[name][1]()
    torch.manual_seed(0)
    model = Bayesian(build(), 1_000)
    before = {key: value.clone() for key, value in model.named_parameters()}
    config = TrainingConfig(steps=2, precision=precision, device="cpu", warm_up_steps=0)
    with gather_team("cpu") as team:
        learner: Learner[Batch] = Learner(model, config, team)
        for _ in range(2):
            report = learner.advance(rows, 0.0)
    assert report["loss_kl"] == pytest.approx(float(model.kl().detach()) / 1_000, rel=0.1)
    moved = [key for key, value in model.named_parameters() if not torch.equal(value, before[key])]
    assert any("mean" in key for key in moved)
    assert all(key in moved for key in before if "log_variance" in key)


@pytest.mark.parametrize("name", MODELS)
def test_a_draw_is_an_ordinary_model_with_weights_of_its_number(name: str) -> None:
    build, rows = MODELS[name][0], MODELS[name][1]()
    torch.manual_seed(0)
    ordinary = build()
    names, state = set(ordinary.state_dict()), {key: value.clone() for key, value in ordinary.state_dict().items()}
    model = Bayesian(ordinary, 10, log_variance=-4.0)
    means = model.drawn(None)
    assert not any(isinstance(module, GaussianLinear) for module in means.modules())
    assert all(torch.equal(value, state[key]) for key, value in means.state_dict().items())
    draws = [model.drawn(torch.Generator().manual_seed(seed)).state_dict() for seed in (1, 1, 2)]
    assert set(draws[0]) == names
    assert all(torch.equal(draws[0][key], draws[1][key]) for key in names)
    assert any(not torch.equal(draws[0][key], draws[2][key]) for key in names)
    sampled = [model.sample(rows, RowRng((1,), len(rows)), weights=torch.Generator().manual_seed(1)) for _ in range(2)]
    for one, other in zip(*((s if isinstance(s, tuple) else (s,)) for s in sampled), strict=True):
        assert torch.equal(one, other)


def test_masked_weights_are_neither_drawn_nor_counted() -> None:
    pytest.importorskip("zuko")
    flow = flow_model()
    model = Bayesian(flow, 10, log_variance=0.0)
    layers = [m for m in model.modules() if isinstance(m, GaussianLinear) and not bool(m._mask().all())]  # type: ignore[union-attr]
    assert layers
    for layer in layers:
        before, mask = layer.kl(1.0).item(), layer._mask()
        assert mask is not None
        with torch.no_grad():
            layer.weight_log_variance[~mask] = 3.0
        assert layer.kl(1.0).item() == pytest.approx(before)


def test_a_state_is_restored_by_name() -> None:
    model, other = (Bayesian(vector_model(), 10, log_variance=start) for start in (-4.0, -6.0))
    other.load_state_dict(model.state_dict())
    one, two = (m.drawn(torch.Generator().manual_seed(3)).state_dict() for m in (model, other))
    assert all(torch.equal(one[key], two[key]) for key in one)
    assert isinstance(other.model.denoiser.net.outputs.weight_log_variance, LogVariance)


@pytest.mark.parametrize(
    ("layers", "expected"),
    [("last", ["denoiser.net.outputs"]), ("*.hidden.*", ["denoiser.net.hidden.0.0", "denoiser.net.hidden.0.2"])],
)
def test_layers_are_chosen_by_place_or_name(layers: str, expected: list[str]) -> None:
    model = Bayesian(vector_model(), 10, layers=layers)
    assert [name for name, m in model.model.named_modules() if isinstance(m, GaussianLinear)] == expected


def test_the_last_layer_of_a_set_transformer_is_its_output() -> None:
    model = Bayesian(cloud_model(), 10, layers="last")
    assert isinstance(model.model.denoiser.net.outputs, GaussianLinear)


def test_the_last_layers_of_a_sequence_are_its_outputs() -> None:
    """JetGPT has one for every number; what tells it of earlier jets stands nearer the top."""

    class Sequence(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.outputs = nn.ModuleList(nn.Linear(4, 2) for _ in range(3))
            self.told = nn.Linear(2, 4)

    model = Bayesian(nn.ModuleDict({"net": Sequence()}), 10, layers="last")
    found = [name for name, module in model.model.named_modules() if isinstance(module, GaussianLinear)]
    assert found == ["net.outputs.0", "net.outputs.1", "net.outputs.2"]


def test_no_layer_of_a_name_is_one_sentence() -> None:
    with pytest.raises(InputError, match="none of its linear layers"):
        Bayesian(vector_model(), 10, layers="nothing")


def test_log_variances_move_faster_and_never_decay() -> None:
    layer = GaussianLinear(nn.Linear(2, 2), -3.0)
    start = {name: p.detach().clone() for name, p in layer.named_parameters()}
    config = TrainingConfig(steps=1, learning_rate=0.01, weight_decay=0.5, warm_up_steps=0)
    optimizer = make_optimizer(layer.parameters(), config)
    for p in layer.parameters():
        p.grad = torch.zeros_like(p)
    set_rate(optimizer, 0.01)
    optimizer.step()
    assert torch.equal(layer.weight_log_variance, start["weight_log_variance"])
    assert torch.allclose(layer.mean.weight, start["mean.weight"] * (1 - 0.01 * 0.5))
    for p in layer.parameters():
        p.grad = torch.ones_like(p)
    optimizer.step()
    steps = [float((p.detach() - start[name]).abs().mean()) for name, p in layer.named_parameters() if "bias" in name]
    assert max(steps) == pytest.approx(10 * min(steps), rel=0.01)


def test_averages_are_kept_of_log_variances_too() -> None:
    layer = GaussianLinear(nn.Linear(2, 2), -3.0)
    ema = Ema(dict(layer.named_parameters()), 0.5)
    with torch.no_grad():
        layer.weight_log_variance += 1.0
    ema.update()
    assert torch.allclose(ema.averages["weight_log_variance"], torch.full((2, 2), -2.1))


def test_a_part_of_a_chain_is_made_bayesian_where_its_rows_are_picked() -> None:
    """The divergence of a stage that half of the events have is told by that half, and drawn stages are ordinary."""
    stages = {"first": vector_model(), "second": Present(Bayesian(vector_model(), 4.0, log_variance=-3.0))}
    model = Cascade(stages)
    rows, present = vector_rows(), torch.arange(8)[:, None] < 4
    bundle = Bundle({"first": rows, "second": Batch(rows.x, rows.weight, rows.context, present)})
    losses = model.losses(bundle, RowRng((1,), 8))
    kl = float(model["second"].model.kl().detach())  # type: ignore[union-attr, operator]
    assert losses["second.kl"].tolist() == pytest.approx([kl / 4] * 4 + [0.0] * 4)
    fixed = drawn(model, torch.Generator().manual_seed(1))
    assert is_bayesian(model)
    assert not is_bayesian(fixed)
    assert isinstance(fixed["second"], Present)
    assert drawn(fixed, None) is fixed


def test_layers_with_other_rows_are_refused() -> None:
    model = Bayesian(Present(vector_model()), 4.0)
    rows = vector_rows()
    with pytest.raises(ValueError, match="rows"):
        model.losses(Batch(rows.x, rows.weight, rows.context, torch.arange(8)[:, None] < 4), RowRng((1,), 8))
