import torch

from cloudchamber.nets.embed import Fourier


def test_features_are_sines_and_cosines_of_every_entry() -> None:
    embed = Fourier(2, frequencies=3, lowest=0.5, highest=2.0)
    x = torch.randn(4, 5, 2)
    features = embed(x)
    assert features.shape == (4, 5, embed.out_features)
    w = torch.tensor([0.5, 1.0, 2.0])
    torch.testing.assert_close(embed.frequencies, w)
    first, second = x[..., :1] * w, x[..., 1:] * w
    expected = [x, first.sin(), second.sin(), first.cos(), second.cos()]
    torch.testing.assert_close(features, torch.cat(expected, dim=-1))
