"""A figure as SVG to put into a page.

Lives here: what makes several figures fit into one page. Does not live here: files (`plotting.style.save`).
"""

import html
import io
import re

from matplotlib.figure import Figure

from ltc_causal.plotting.style import styled


@styled
def inline_svg(figure: Figure, title: str, name: str) -> str:
    """The figure as an `<svg>` element.

    title : what the figure shows, for those who cannot see it
    name : distinct within the page; its parts are renamed by it, since matplotlib names the parts of every figure alike
    """
    buffer = io.StringIO()
    figure.savefig(buffer, format="svg", metadata={"Date": None})
    text = buffer.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    text = re.sub(r'\bid="', f'id="{name}-', text)
    text = re.sub(r'(href="#|url\(#)', rf"\g<1>{name}-", text)
    # A hundredth of a point is finer than a screen; the rest is a third of the page's bytes.
    text = re.sub(r'\bd="[^"]*"', lambda path: re.sub(r"(\.\d\d)\d+", r"\1", path.group()), text)
    label = html.escape(title)
    return text.replace("<svg", f'<svg role="img" aria-label="{label}"', 1).replace(">", f"><title>{label}</title>", 1)
