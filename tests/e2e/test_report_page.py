"""The report from the command line to the browser: files, numbers, page, light and dark, no network."""

import json
import re
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path

import pytest

from cloudchamber.cli.main import main
from cloudchamber.evaluate.classifier import TREES
from cloudchamber.evaluate.displays import GROUPS, SHOWN
from cloudchamber.evaluate.document import MetricsDocument
from cloudchamber.evaluate.figures.gallery import DRAWINGS
from cloudchamber.events import Beams
from cloudchamber.formats import parquet
from cloudchamber.simulate.pythia import DISSetting, simulate_shard

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-component-update",
    "--disable-background-networking", "--disable-sync", "--enable-logging=stderr", "--virtual-time-budget=2000",
)  # fmt: skip


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A report made by the command; the candidate's file name must be escaped on the page."""
    folder = tmp_path_factory.mktemp("report")
    events = simulate_shard(DISSetting(Beams.parse("10x275"), 25.0), 7000, seed=9, shard=0)
    candidate, reference = folder / "<b>&.parquet", folder / "reference.parquet"
    parquet.write(candidate, events[:1000])
    parquet.write(reference, events[1000:])
    words = ["evaluate", str(candidate), "--reference", str(reference), "--out", str(folder / "out")]
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(TREES, "max_iter", 10)
        patch.setattr("cloudchamber.evaluate.figures.gallery.DPI", 40)
        patch.setattr("cloudchamber.recipes.evaluation.available_cores", lambda: 1)
        with pytest.raises(SystemExit) as left:
            main([*words, "--budget", "quick", "--events", "1000"])
    assert left.value.code == 0
    return folder / "out"


@pytest.fixture(scope="module")
def document(report: Path) -> MetricsDocument:
    return MetricsDocument.model_validate_json((report / "metrics.json").read_text())


class Links(HTMLParser):
    """Collects what a page would load or link to, and its scripts."""

    def __init__(self) -> None:
        super().__init__()
        self.targets: list[str] = []
        self.scripts = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.scripts += tag == "script"
        self.targets += [value or "" for name, value in attrs if name in ("href", "src", "xlink:href")]


def test_every_figure_is_there_as_png_and_pdf(report: Path) -> None:
    names = {path.name for path in (report / "figures").iterdir()}
    assert names == {f"{d.name}.{suffix}" for d in DRAWINGS for suffix in ("png", "pdf", "svg")}
    assert (report / "figures" / "ratios.png").read_bytes().startswith(b"\x89PNG")


def test_the_numbers_say_how_they_were_made(document: MetricsDocument) -> None:
    settings = document.settings
    assert (settings.n, settings.n_pairs, settings.pair_size) == (1000, 3, 1000)
    assert settings.level == "stable"
    assert settings.candidate["generator"] == "Pythia8"


def test_the_page_loads_nothing_from_elsewhere(report: Path) -> None:
    page = (report / "index.html").read_text()
    links = Links()
    links.feed(page)
    assert links.scripts == 2
    for target in links.targets:
        assert re.match(r"#|data:|figures/[a-z-]+\.(png|pdf|svg)$|metrics\.json$", target), target
        if target.startswith("figures/"):
            assert (report / target).exists()
    assert not re.search(r"url\((?!#)|@import|fetch\(|XMLHttpRequest|import\(", page)
    assert "default-src 'none'" in page
    assert "<b>&.parquet" not in page
    assert "&lt;b&gt;&amp;.parquet" in page


def test_the_page_is_readable_without_eyes_and_on_paper(report: Path, document: MetricsDocument) -> None:
    page = (report / "index.html").read_text()
    assert page.count('role="img" aria-label=') == len(DRAWINGS) + 2 * SHOWN + 2
    assert "prefers-color-scheme: dark" in page
    assert "@media print" in page
    assert '<html lang="en">' in page
    for drawing in DRAWINGS:
        assert f'id="{drawing.name}"' in page
    assert document.verdict.sentence in page


def browse(page: Path, profile: Path, *flags: str) -> subprocess.CompletedProcess[str]:
    assert CHROMIUM is not None
    command = [CHROMIUM, *FLAGS, f"--user-data-dir={profile}", *flags, page.as_uri()]
    return subprocess.run(command, capture_output=True, text=True, timeout=300, check=True)


@pytest.mark.skipif(CHROMIUM is None, reason="needs chromium, which pip cannot install")
def test_a_browser_shows_the_verdict_without_errors(report: Path, document: MetricsDocument, tmp_path: Path) -> None:
    seen = browse(report / "index.html", tmp_path / "profile", "--dump-dom")
    assert document.verdict.sentence in seen.stdout
    assert seen.stdout.count("<svg") == len(DRAWINGS) + 2 * SHOWN + len(GROUPS)
    assert f"event 1 of {SHOWN}" in seen.stdout
    assert 'aria-pressed="true"' in seen.stdout
    assert "CONSOLE" not in seen.stderr


@pytest.mark.skipif(CHROMIUM is None, reason="needs chromium, which pip cannot install")
def test_events_stand_still_where_motion_is_unwelcome(report: Path, tmp_path: Path) -> None:
    seen = browse(report / "index.html", tmp_path / "profile", "--dump-dom", "--force-prefers-reduced-motion")
    assert f"event 1 of {SHOWN}" in seen.stdout
    assert 'aria-pressed="false"' in seen.stdout


@pytest.mark.skipif(CHROMIUM is None, reason="needs chromium, which pip cannot install")
def test_keys_turn_and_buttons_change_the_event(report: Path, tmp_path: Path) -> None:
    """A copy of the page presses its own keys, and writes what the picture then holds into its title."""
    press = """<script>
      const canvas = document.getElementById("candidate-3d"), seen = [];
      const look = () => seen.push(canvas.toDataURL().length + ":" + canvas.toDataURL().slice(-4000));
      canvas.dispatchEvent(new KeyboardEvent("keydown", { key: "ArrowDown" })); look();
      canvas.dispatchEvent(new KeyboardEvent("keydown", { key: "ArrowRight" })); look();
      document.getElementById("next").click(); look();
      document.title = "different: " + new Set(seen).size;
    </script></body>"""
    pressed = tmp_path / "pressed.html"
    pressed.write_text((report / "index.html").read_text().replace("</body>", press))
    seen = browse(pressed, tmp_path / "profile", "--dump-dom")
    assert "<title>different: 3</title>" in seen.stdout
    assert f"event 2 of {SHOWN}" in seen.stdout


@pytest.mark.skipif(CHROMIUM is None, reason="needs chromium, which pip cannot install")
@pytest.mark.parametrize(("scheme", "bright"), [("1", True), ("0", False)])
def test_light_and_dark(report: Path, scheme: str, bright: bool, tmp_path: Path) -> None:
    from matplotlib.image import imread

    shot = tmp_path / "page.png"
    size = "--window-size=1000,700"
    browse(report / "index.html", tmp_path / "profile", f"--screenshot={shot}", size,
           f"--blink-settings=preferredColorScheme={scheme}")  # fmt: skip
    pixels = imread(shot)
    assert (pixels[..., :3].mean() > 0.5) == bright


def test_the_document_is_strict_json(report: Path) -> None:
    def refuse(constant: str) -> float:
        raise ValueError(constant)

    json.loads((report / "metrics.json").read_text(), parse_constant=refuse)
