"""How the documentation is built: `make docs`, with every warning an error.

Sources are read from the root of the repository, so that links between pages, case studies and the README work here as they do in an editor.
"""

import os
import sys
from importlib import metadata
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(Path(__file__).resolve().parent))
os.environ.setdefault("MPLBACKEND", "Agg")

import api_pages  # noqa: E402 - these two lie beside this file
import house_docstrings  # noqa: E402

project = "ltc_causal"
author = "The ltc_causal developers"
version = release = metadata.version("ltc_causal")

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.autosummary", "sphinx.ext.mathjax", "sphinx_gallery.gen_gallery"]
root_doc = "docs/index"
include_patterns = ["docs/**", "case_studies/*/README.md", "README.md", "CONTRIBUTING.md", "CHANGELOG.md", "ltc_causal/datasets/README.md"]
exclude_patterns = ["docs/templates/**", "docs/gallery/**", "docs/examples/GALLERY_HEADER.rst", "**/.ipynb_checkpoints"]
source_suffix = {".rst": "restructuredtext", ".md": "markdown"}

myst_enable_extensions = ["dollarmath"]
myst_heading_anchors = 3
suppress_warnings = ["config.cache", "misc.highlighting_failure"]

autosummary_generate = ["docs/api.rst"]
templates_path = [str(ROOT / "docs" / "templates")]
autodoc_typehints = "signature"
autodoc_member_order = "bysource"
autodoc_default_options = {"members": True}

sphinx_gallery_conf = {
    "examples_dirs": [str(ROOT / "docs" / "gallery")],
    "gallery_dirs": [str(ROOT / "docs" / "examples")],
    "filename_pattern": r".*\.py",
    "abort_on_example_error": True,
    "within_subsection_order": "FileNameSortKey",
    "capture_repr": (),
    "first_notebook_cell": None,
    "download_all_examples": False,
    "show_memory": False,
    "show_signature": False,
    "remove_config_comments": True,
}

html_theme = "pydata_sphinx_theme"
html_title = "ltc_causal"
html_theme_options = {
    "show_prev_next": False,
    "navigation_with_keys": False,
    "show_toc_level": 2,
    "secondary_sidebar_items": ["page-toc"],
    "footer_start": ["copyright"],
    "footer_end": [],
}
html_show_sourcelink = False


def setup(app):
    """Have docstrings read in the style of this house, and the list of public names written first."""
    app.connect("autodoc-process-docstring", house_docstrings.to_restructured_text)
    app.connect("builder-inited", lambda app: api_pages.write(ROOT / "docs" / "api.rst"), priority=100)  # before autosummary looks for it
