r"""Bayesian versions of models: linear layers whose weights have distributions instead of values.

Every weight theta_i of a chosen layer is normal and independent under q, with mean m_i and variance v_i, and under the
prior p it is normal with mean zero and variance 1 / tau. For losses l_b of N training events and a temperature T, q
minimises

    sum_b E_q[l_b(theta)] + T KL(q, p),     KL(q, p) = 1/2 sum_i [tau (m_i^2 + v_i) - 1 - ln(tau v_i)],

so that among all distributions, not only those of this form, the best is proportional to p exp(-sum_b l_b / T). With
T = 1 and l_b = -ln p(x_b | theta) it is the posterior of Bayes; other losses need another T. The second term is told
as a loss `kl` of T KL / N of every event, so event weights and the division of a batch among processes change nothing.

In training each row has noise of its own in the outputs of a layer instead of in its weights (local reparametrisation,
arXiv:1506.02557): with y = x theta^T,

    y_j = sum_i m_ji x_i + e_j sqrt(sum_i v_ji x_i^2),     e_j unit normal, one for each output,

which has the mean and variance that random weights would give. Elements of a row, such as the particles of an event,
have e_j of their own too: their outputs are then less alike than with one weight for all, but the loss of a cloud is
closer to that of random weights than if they shared e_j. A draw (`drawn`) is an ordinary model with weights
m_i + sqrt(v_i) e_i, or m_i, and is what is sampled.
"""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from copy import deepcopy
from fnmatch import fnmatchcase
from typing import Any, TypeVar, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from cloudchamber.errors import InputError
from cloudchamber.models.base import Samplable, Scorable, Trainable
from cloudchamber.tensors.batch import Rows
from cloudchamber.tensors.rng import Rng

__all__ = ["Bayesian", "GaussianLinear", "LogVariance", "drawn", "is_bayesian"]

M = TypeVar("M", bound=nn.Module)

_OUTPUTS = "outputs"
"""What networks call the layers that give their output."""
_TINY = 1e-20
"""Least variance of an output; its square root has a derivative where all inputs are zero."""


class LogVariance(nn.Parameter):
    """Logarithms of variances: optimisers let them move faster than weights, and never decay."""


class GaussianLinear(nn.Module):
    """A linear layer with normal weights.

    Called without noise it is the layer of the means.

    Args:
        mean: the layer that gives the means, with a `mask` (out, in) of its weights or without.
        log_variance: natural logarithm of v of all weights at the start.
    """

    bias_log_variance: LogVariance | None

    def __init__(self, mean: nn.Linear, log_variance: float) -> None:
        super().__init__()
        self.mean = mean
        self.weight_log_variance = LogVariance(torch.full_like(mean.weight, log_variance))
        bias: Tensor | None = mean.bias
        self.bias_log_variance = None if bias is None else LogVariance(torch.full_like(bias, log_variance))
        self.noise: Callable[[Tensor], Tensor] | None = None

    def forward(self, x: Tensor) -> Tensor:
        """The output, shape (..., out).

        Args:
            x: shape (..., in); the first dimension is that of the rows where there is noise.
        """
        y: Tensor = self.mean(x)
        if self.noise is None:
            return y
        variance = functional.linear(x.square(), self._weight_variance(), self._bias_variance())
        return y + variance.clamp(min=_TINY).sqrt() * self.noise(y)

    def kl(self, precision: float) -> Tensor:
        """KL(q, p) of this layer, a number in nats.

        Args:
            precision: tau of the prior.
        """
        mask = self._mask()
        divergence = _divergence(self.mean.weight, self.weight_log_variance, precision)
        total = (divergence if mask is None else divergence * mask).sum()
        if self.bias_log_variance is None:
            return total
        return total + _divergence(self.mean.bias, self.bias_log_variance, precision).sum()

    def drawn(self, generator: torch.Generator | None) -> nn.Linear:
        """An ordinary layer.

        Args:
            generator: of the weights, on the CPU; None for their means.
        """
        layer = deepcopy(self.mean)
        if generator is not None:
            with torch.no_grad():
                layer.weight.add_(_noise(self.weight_log_variance, generator))
                if self.bias_log_variance is not None:
                    layer.bias.add_(_noise(self.bias_log_variance, generator))
        return layer

    def _mask(self) -> Tensor | None:
        return getattr(self.mean, "mask", None)

    def _weight_variance(self) -> Tensor:
        variance, mask = self.weight_log_variance.exp(), self._mask()
        return variance if mask is None else variance * mask

    def _bias_variance(self) -> Tensor | None:
        return None if self.bias_log_variance is None else self.bias_log_variance.exp()


class Bayesian(nn.Module):
    """Another model with normal weights in its linear layers.

    The layers are exchanged inside of the model that is given. Their inputs must have the rows of `losses` as their
    first dimension; of a model that picks some rows, the part that sees only these is what can be made Bayesian.

    Args:
        model: any; its other parameters stay as they are.
        events: number N of events that it is trained on.
        layers: `all` for every linear layer; `last` for those of the part nearest the top that is called `outputs`,
            or without one for the last of those nearest the top; or a pattern such as `denoiser.net.hidden.*`.
        precision: tau of the prior.
        log_variance: natural logarithm of v of all weights at the start.
        temperature: T.

    Raises:
        InputError: if no layer is chosen.
    """

    def __init__(
        self,
        model: nn.Module,
        events: float,
        *,
        layers: str = "all",
        precision: float = 1.0,
        log_variance: float = -9.0,
        temperature: float = 1.0,
    ) -> None:
        super().__init__()
        self.model, self.events, self.precision, self.temperature = model, events, precision, temperature
        for name in _chosen(model, layers):
            model.set_submodule(name, GaussianLinear(cast(nn.Linear, model.get_submodule(name)), log_variance))

    def losses(self, rows: Rows, rng: Rng) -> Mapping[str, Tensor]:
        """The losses of the model with noise of its own for each row, and `kl`.

        Args:
            rows: B events.
            rng: random stream.
        """
        with self._noisy(rng, len(rows)):
            losses = cast(Trainable[Rows], self.model).losses(rows, rng)
        kl = self.kl() * (self.temperature / self.events)
        return {**losses, "kl": kl.expand(len(rows))}

    def kl(self) -> Tensor:
        """KL(q, p) of all layers, a number in nats."""
        return torch.stack([layer.kl(self.precision) for layer in self._layers()]).sum()

    def drawn(self, generator: torch.Generator | None) -> nn.Module:
        """An ordinary model with fixed weights.

        Args:
            generator: of the weights, on the CPU; None for their means.
        """
        model = deepcopy(self.model)
        for name, layer in list(model.named_modules()):
            if isinstance(layer, GaussianLinear):
                model.set_submodule(name, layer.drawn(generator))
        return model

    def sample(self, given: Rows, rng: Rng, *, weights: torch.Generator | None = None, **how: Any) -> Any:  # noqa: ANN401
        """What one draw of the weights makes of all rows.

        Args:
            given: conditions.
            rng: random stream of the rows.
            weights: generator of the weights, on the CPU; None for their means.
            **how: other arguments of the model's `sample`.
        """
        return cast(Samplable[Rows, Any], self.drawn(weights)).sample(given, rng, **how)

    def log_prob(self, rows: Rows, *, weights: torch.Generator | None = None, **how: Any) -> Tensor:  # noqa: ANN401
        """Log-density of each row under one draw of the weights, shape (B,).

        Args:
            rows: B events.
            weights: generator of the weights, on the CPU; None for their means.
            **how: other arguments of the model's `log_prob`.
        """
        return cast(Scorable[Rows], self.drawn(weights)).log_prob(rows, **how)

    @contextmanager
    def _noisy(self, rng: Rng, rows: int) -> Iterator[None]:
        """Layers have noise inside the block."""
        layers = list(self._layers())
        for layer in layers:
            layer.noise = lambda y: _of_rows(y, rng, rows)
        try:
            yield
        finally:
            for layer in layers:
                layer.noise = None

    def _layers(self) -> Iterator[GaussianLinear]:
        return (module for module in self.model.modules() if isinstance(module, GaussianLinear))


def is_bayesian(model: nn.Module) -> bool:
    """Whether any part of a model is Bayesian.

    Args:
        model: any.
    """
    return any(isinstance(module, Bayesian) for module in model.modules())


def drawn(model: M, generator: torch.Generator | None) -> M:
    """A model whose Bayesian parts have fixed weights; the model itself if it has none.

    Args:
        model: not Bayesian as a whole.
        generator: of the weights, on the CPU; None for their means.
    """
    if not is_bayesian(model):
        return model
    fixed = deepcopy(model)
    for name, part in list(fixed.named_modules()):
        if isinstance(part, Bayesian):
            fixed.set_submodule(name, part.drawn(generator))
    return fixed


def _chosen(model: nn.Module, layers: str) -> list[str]:
    """Names of the layers to exchange."""
    names = [name for name, module in model.named_modules() if _is_linear(module)]
    if layers == "last" and names:
        return _last(names)
    found = names if layers == "all" else [name for name in names if fnmatchcase(name, layers)]
    if not found:
        raise InputError(f"the layers '{layers}' of the Bayesian model are none of its linear layers; try 'all'.")
    return found


def _last(names: Sequence[str]) -> list[str]:
    """Of the names of linear layers, those that give the output."""
    depths = {name: parts.index(_OUTPUTS) for name in names if _OUTPUTS in (parts := name.split("."))}
    if depths:
        return [name for name, depth in depths.items() if depth == min(depths.values())]
    top = min(name.count(".") for name in names)
    return [name for name in names if name.count(".") == top][-1:]


def _is_linear(module: nn.Module) -> bool:
    """Whether a layer computes x theta^T, with masked weights or not, when it is called."""
    masked = isinstance(module, nn.Linear) and isinstance(getattr(module, "mask", None), Tensor)
    return type(module) is nn.Linear or masked


def _divergence(mean: Tensor, log_variance: Tensor, precision: float) -> Tensor:
    return (precision * (mean.square() + log_variance.exp()) - 1 - math.log(precision) - log_variance) / 2


def _noise(log_variance: Tensor, generator: torch.Generator) -> Tensor:
    """Deviations of weights from their means; drawn on the CPU, so that they are the same on every device."""
    return (log_variance / 2).exp() * torch.randn(log_variance.shape, generator=generator).to(log_variance)


def _of_rows(y: Tensor, rng: Rng, rows: int) -> Tensor:
    """Noise of each output, shape (B, ..., out)."""
    if y.shape[0] not in (1, rows):
        raise ValueError(f"a Bayesian layer was given {y.shape[0]} rows of {rows}")
    return rng.normal(*y.shape[1:]).to(y)
