"""What the pages of one study and of a group share: how a template is filled, how figures are put in, where the numbers come from.

Lives here: that. Does not live here: what stands on a page (`report`, `group_report`), the layouts (*.html.j2).
"""

import platform
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from importlib.metadata import version
from importlib.resources import files
from typing import Any

from jinja2 import Environment, FunctionLoader, StrictUndefined
from markupsafe import Markup

from ltc_causal.experiments import narrative
from ltc_causal.io.archive import package_version
from ltc_causal.plotting.coupling import connection_group, connection_label
from ltc_causal.plotting.svg import inline_svg

LIBRARIES = ("numpy", "scipy", "numba", "pandas", "networkx", "matplotlib")


def fill(template: str, **values: Any) -> str:
    """A page as text."""
    environment = Environment(
        loader=FunctionLoader(_template), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters |= {"number": narrative.number, "share": narrative.share, "listed": narrative.listed}
    environment.filters |= {"group": connection_group, "label": connection_label}
    return environment.get_template(template).render(**values)


def _template(name: str) -> str:
    return files("ltc_causal.experiments").joinpath(name).read_text(encoding="utf-8")


def drawn(figures: Mapping[str, tuple[Callable[[], Any], str]]) -> dict[str, Markup]:
    """Each figure as an SVG element: {name: (what draws it, what it shows, for those who cannot see it)}."""
    return {name: Markup(inline_svg(draw(), words, name)) for name, (draw, words) in figures.items()}


def provenance(seconds: float, seed: int | None, digest: str) -> dict[str, str]:
    """When, how long, with what; `digest` is the settings' fingerprint."""
    return {
        "Written": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "Took": f"{seconds:.1f} s",
        "ltc_causal": package_version(),
        "Python": f"{platform.python_version()} on {platform.system()} {platform.machine()}",
        "Libraries": ", ".join(f"{name} {version(name)}" for name in LIBRARIES),
        "Seed": str(seed),
        "Settings": f"fingerprint {digest}; config.toml beside this page",
    }
