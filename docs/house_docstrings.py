"""Docstrings of this package as reStructuredText.

They are written to be read in an editor: `name : meaning` for arguments and columns, indented lines for equations, backticks for code. Lives here:
the translation, paragraph by paragraph.
"""

import re

ENTRY = re.compile(r"^([A-Za-z_][\w.]*(?:, [A-Za-z_][\w.]*)*) : (.*)$")
CODE = re.compile(r"`([^`]+)`")
SPECIAL = re.compile(r"([*|\\])|(\w)_(?=\W|$)")


def to_restructured_text(app, what, name, obj, options, lines):
    """Translate in place, as Sphinx's event asks for."""
    translated = []
    for block in _blocks(lines):
        translated += [*_translated(block), ""]
    lines[:] = translated


def _blocks(lines):
    block = []
    for line in lines:
        if line.strip():
            block.append(line)
        elif block:
            yield block
            block = []
    if block:
        yield block


def _translated(block):
    if all(line.startswith("    ") for line in block):
        return ["::", "", *(f"    {line}" for line in block)]
    if any(ENTRY.match(line) for line in block):
        return _entries(block)
    return _prose(block)


def _entries(block):
    """A list of what is explained, each with the lines that go on below it; lines before the first stay a paragraph."""
    before, entries = [], []
    for line in block:
        entry = ENTRY.match(line)
        if entry:
            entries.append([f"- **{entry[1]}** : {_escaped(entry[2])}"])
        elif entries:
            entries[-1].append(f"  {_escaped(line.strip())}")
        else:
            before.append(_escaped(line))
    return [*before, *([""] if before else []), *(line for entry in entries for line in entry)]


def _prose(block):
    """A paragraph; what is indented inside it is an equation."""
    out, equation = [], False
    for line in block:
        if line.startswith("    "):
            if not equation:
                out += ["", "::", ""]
            equation = True
            out.append(f"    {line}")
        else:
            if equation:
                out.append("")
            equation = False
            out.append(_escaped(line))
    return out


def _escaped(text):
    """Text whose stars and bars stand for themselves; single backticks become code."""
    parts = CODE.split(text)
    for i in range(0, len(parts), 2):
        parts[i] = SPECIAL.sub(lambda found: f"\\{found[1]}" if found[1] else f"{found[2]}\\_", parts[i])
    for i in range(1, len(parts), 2):
        parts[i] = f"``{parts[i]}``"
    return "".join(parts)
