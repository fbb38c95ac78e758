import torch

from cloudchamber.tensors.named import named, part


def test_part_is_the_inverse_of_named() -> None:
    state = {"x": torch.arange(3.0), "inner.y": torch.ones(1)}
    whole = named("map", state) | named("mapping", {"z": torch.zeros(1)})
    again = part(whole, "map")
    assert again.keys() == state.keys()
    assert all(torch.equal(again[name], tensor) for name, tensor in state.items())
