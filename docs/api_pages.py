"""The page that lists every public name, written anew at each build. Lives here: the order of its parts."""

import importlib
import inspect
import pkgutil

import ltc_causal

PARTS = {
    "core": "Data, results, interventions",
    "datasets": "Data sets",
    "models": "Models",
    "inference": "Fitting",
    "experiments": "Many fits",
    "group": "Comparing, pruning, groups",
    "reduction": "From one model to another",
    "causal": "Graphs, effects, predictions",
    "io": "Files",
    "errors": "Errors",
}
FUNCTIONS = ("files", "interpret", "ncps", "onnx")  # modules of networks that are there for their functions, the others for their classes
HEAD = """Every public name
=================

``import ltc_causal as lc`` and these are there; arrays have the shapes that each page states, rows are targets and columns sources, coupling is in
Hz, time in seconds, free energy in nats.
"""


def write(path):
    """Write the page, and leave it alone if nothing changed, so that a second build has nothing to do."""
    parts = {package: [] for package in PARTS}
    for name in ltc_causal.__all__:
        thing = getattr(ltc_causal, name)
        module = thing.__name__ if inspect.ismodule(thing) else getattr(thing, "__module__", "ltc_causal.core")
        parts[module.split(".")[1]].append(f"ltc_causal.{name}")
    text = HEAD + "".join(_part(PARTS[package], sorted(names)) for package, names in parts.items() if names)
    text += _part("Networks on sequences, imported from their modules", _networks())
    if not path.exists() or path.read_text(encoding="utf-8") != text:
        path.write_text(text, encoding="utf-8")


def _part(title, names):
    listed = "\n".join(f"   {name}" for name in names)
    return f"\n{title}\n{'-' * len(title)}\n\n.. autosummary::\n   :toctree: generated\n   :nosignatures:\n\n{listed}\n"


def _networks():
    package = importlib.import_module("ltc_causal.networks")
    names = []
    for found in pkgutil.iter_modules(package.__path__):
        module = importlib.import_module(f"ltc_causal.networks.{found.name}")
        own = {name: thing for name, thing in vars(module).items() if getattr(thing, "__module__", "") == module.__name__}
        wanted = inspect.isroutine if found.name in FUNCTIONS else inspect.isclass
        names += [f"{module.__name__}.{name}" for name, thing in own.items() if wanted(thing) and not name.startswith("_")]
    return sorted(names)
