from collections.abc import Iterator

import pytest
import torch


@pytest.fixture(autouse=True)
def fixed_weights() -> Iterator[None]:
    """The same initial weights whatever ran before, and one thread for networks this small."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    with torch.random.fork_rng():
        torch.manual_seed(12)
        yield
    torch.set_num_threads(threads)
