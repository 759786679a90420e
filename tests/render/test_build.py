"""The bundled page is what its source builds."""

import shutil
import subprocess
from importlib.resources import files
from pathlib import Path

import pytest

WEB = Path(__file__).parents[2] / "web"
BUILT = ("page.css", "page.js")


@pytest.mark.skipif(
    shutil.which("node") is None or not (WEB / "node_modules" / "esbuild").exists(),
    reason="node or web/node_modules is not installed: make page",
)
def test_the_committed_page_is_what_the_source_builds(tmp_path: Path) -> None:
    """Byte for byte."""
    subprocess.run(["node", "build.mjs", str(tmp_path)], cwd=WEB, check=True, timeout=120)
    for name in BUILT:
        committed = (files("agentmeter.render") / "page" / name).read_text("utf-8")
        assert (tmp_path / name).read_text("utf-8") == committed, f"{name}: run make page"


def test_the_page_is_small_and_names_no_host() -> None:
    """Below 100 kB; the only addresses are names of vocabularies."""
    texts = [(files("agentmeter.render") / "page" / name).read_text("utf-8") for name in BUILT]
    assert sum(map(len, texts)) < 100_000
    assert "".join(texts).replace("http://www.w3.org/2000/svg", "").count("://") == 0


def test_the_lock_names_no_address() -> None:
    """Packages come from wherever npm is told to look."""
    assert "://" not in (WEB / "package-lock.json").read_text().replace(
        "https://opencollective", ""
    )
