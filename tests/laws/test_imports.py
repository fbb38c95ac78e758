"""The package costs little to import, and the command's help too: heavy tools load where they are used."""

import json
import subprocess
import sys

import pytest

HEAVY = ("torch", "pythia8mc", "matplotlib", "pyhepmc", "uproot", "sklearn")


def loaded_after(code: str) -> list[str]:
    """Which of the heavy modules a fresh interpreter has loaded after running `code`."""
    report = f"\nimport json, sys\nprint(json.dumps([m for m in {HEAVY!r} if m in sys.modules]))"
    run = subprocess.run([sys.executable, "-c", code + report], capture_output=True, text=True, check=True)
    found: list[str] = json.loads(run.stdout.splitlines()[-1])
    return found


@pytest.mark.parametrize(
    "module",
    ["cloudchamber", "cloudchamber.events", "cloudchamber.physics.dis", "cloudchamber.simulate.pythia",
     "cloudchamber.simulate.decay", "cloudchamber.formats.parquet", "cloudchamber.cli.main",
     "cloudchamber.cli.mcmc", "cloudchamber.simulate.posteriors"],
)  # fmt: skip
def test_importing_costs_little(module: str) -> None:
    assert loaded_after(f"import {module}") == []


@pytest.mark.parametrize("words", [["--help"], ["simulate", "dis", "--help"], ["--version"]])
def test_the_help_costs_little(words: list[str]) -> None:
    code = (
        "from cloudchamber.cli.main import main\n"
        f"try:\n    main({words!r})\nexcept SystemExit as stop:\n    assert not stop.code"
    )
    assert loaded_after(code) == []
