"""Code in the pages of `docs` runs, and does what the page says."""

import re
from pathlib import Path
from typing import Any

DOCS = Path(__file__).parents[2] / "docs"


def test_the_slope_is_found_by_gradients_through_the_sampler() -> None:
    (code,) = re.findall(r"```python\n(.*?)```", (DOCS / "gradients.md").read_text(), re.DOTALL)
    names: dict[str, Any] = {}
    exec(compile(code, "gradients.md", "exec"), names)
    assert names["error"] < 0.3
    assert abs(names["slope"].item() - 1.3) < 3 * names["error"]
