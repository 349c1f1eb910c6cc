"""The documentation builds without a warning: every page, every gallery script, every public name."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

import ltc_causal

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    out = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-q", "-c", ROOT / "docs", "-b", "html", ROOT, out]
    built = subprocess.run([str(part) for part in command], capture_output=True, text=True)
    assert built.returncode == 0, built.stdout + built.stderr
    return out


def test_every_public_name_has_its_page(site):
    missing = [name for name in ltc_causal.__all__ if not list((site / "docs" / "generated").glob(f"ltc_causal.{name}.html"))]
    assert not missing


def test_every_example_ran_and_left_what_it_prints_or_draws(site):
    scripts = sorted((ROOT / "docs" / "gallery").glob("plot_*.py"))
    assert len(scripts) >= 10
    for script in scripts:
        page = (site / "docs" / "examples" / f"{script.stem}.html").read_text(encoding="utf-8")
        assert "sphx-glr-script-out" in page or "sphx_glr_" in page, script.name


def test_arguments_and_equations_of_docstrings_are_set_as_such(site):
    page = (site / "docs" / "generated" / "ltc_causal.rank_by_information.html").read_text(encoding="utf-8")
    assert "<strong>about</strong>" in page
    set_apart = [re.sub("<[^>]+>", "", block) for block in re.findall(r"<pre>.*?</pre>", page, re.DOTALL)]
    assert any("information = 1/2 log |S| / |S_after|" in block for block in set_apart)
