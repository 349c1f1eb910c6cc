"""The house rules, held by a test: layers, style, a quick import, public names that exist, and documentation that runs."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

import ltc_causal

ROOT = Path(__file__).resolve().parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
BLOCK = re.compile(r"^```(python|text)\n(.*?)^```", re.MULTILINE | re.DOTALL)
NUMBER = re.compile(r"[-+]?\d+(?:\.\d+)?")


def run(*command):
    return subprocess.run([str(part) for part in command], cwd=ROOT, capture_output=True, text=True)


def test_layers_hold():
    result = run(Path(sys.executable).with_name("lint-imports"), "--no-cache", "--no-logo")
    assert result.returncode == 0, result.stdout


@pytest.mark.parametrize("command", [("check", "--no-cache"), ("format", "--check", "--no-cache")], ids=["rules", "format"])
def test_ruff_passes(command):
    result = run(sys.executable, "-m", "ruff", *command, ROOT)
    assert result.returncode == 0, result.stdout


def test_import_brings_no_heavy_library():
    # In a process of its own, because this one has loaded most of them already.
    heavy = {"torch", "matplotlib", "statsmodels", "numba", "sympy"}
    result = run(sys.executable, "-c", f"import sys, ltc_causal; print(sorted({heavy!r} & set(sys.modules)))")
    assert result.stdout.strip() == "[]", result.stdout + result.stderr


@pytest.mark.parametrize("name", ltc_causal.__all__)
def test_public_name_exists(name):
    assert getattr(ltc_causal, name) is not None


def test_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no_such_name"):
        ltc_causal.no_such_name  # noqa: B018


def test_editors_and_python_are_told_the_same():
    tree = ast.parse(Path(ltc_causal.__file__).read_text(encoding="utf-8"))
    guard = next(node for node in tree.body if isinstance(node, ast.If))
    told_editors = {alias.name: block.module for block in guard.body if isinstance(block, ast.ImportFrom) for alias in block.names}
    assert told_editors == ltc_causal._ON_FIRST_USE


@pytest.mark.parametrize("page", PAGES, ids=[str(page.relative_to(ROOT)) for page in PAGES])
def test_documentation_runs(page, tmp_path, monkeypatch, capsys):
    """Every python block of a page, in order and in one namespace, as a reader would type them; every text block is what they print."""
    monkeypatch.chdir(tmp_path)
    text = page.read_text(encoding="utf-8")
    namespace = {"__name__": "__main__"}
    printed = []
    for block in BLOCK.finditer(text):
        kind, content = block.groups()
        if kind == "python":
            blank_lines = "\n" * text[: block.start(2)].count("\n")  # so that a traceback names the page's own line
            exec(compile(blank_lines + content, str(page), "exec"), namespace)
            printed += capsys.readouterr().out.splitlines()
        else:
            for line in content.splitlines():
                assert any(begins(line, other) for other in printed), f"{page.name} shows a line that was not printed: {line}"


def begins(shown, printed):
    """A printed line begins with the shown words, and the same numbers to 2 % or 0.01: the last digits differ between machines."""
    words, numbers = NUMBER.sub("#", shown).split(), [float(number) for number in NUMBER.findall(shown)]
    if NUMBER.sub("#", printed).split()[: len(words)] != words:
        return False
    return [float(number) for number in NUMBER.findall(printed)][: len(numbers)] == pytest.approx(numbers, rel=0.02, abs=0.01)
