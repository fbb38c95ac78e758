import torch

from cloudchamber.process.schedule import Rectified


def test_derivatives_match_autograd() -> None:
    t = torch.linspace(0.01, 0.99, 21).double().requires_grad_()
    scales = Rectified()(t)
    (d_alpha,) = torch.autograd.grad(scales.alpha.sum(), t, retain_graph=True)
    (d_sigma,) = torch.autograd.grad(scales.sigma.sum(), t)
    torch.testing.assert_close(scales.d_alpha, d_alpha)
    torch.testing.assert_close(scales.d_sigma, d_sigma)


def test_the_path_runs_from_data_to_noise_and_the_signal_falls() -> None:
    t = torch.linspace(0, 1, 101).double()
    alpha, sigma, _, _ = Rectified()(t)
    assert (alpha[0], sigma[0], alpha[-1], sigma[-1]) == (1, 0, 0, 1)
    snr = (alpha[1:-1] / sigma[1:-1]) ** 2
    assert (snr.diff() < 0).all()
