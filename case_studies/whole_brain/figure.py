"""The figure of run.py."""

import numpy as np

from ltc_causal.plotting import style

COLOURS = {"corrected, sparse": style.BLUE, "TAPAS 1.5, ridge": style.VERMILLION, "TAPAS 1.5, sparse": style.GREEN}


@style.styled
def draw(A, sent, found, hubs, folder):
    """True connections and their probabilities, regions in order of what they send; what each sends, found against true. Writes figure.svg."""
    n = len(A)
    order = np.argsort(-sent)
    figure = style.new_figure(height=5.4)
    panels = figure.subplot_mosaic([["truth", "found"], ["hubs", "sent"]])
    shown = 60
    first = np.ix_(order[:shown], order[:shown])
    there = np.where(np.eye(n, dtype=bool), 0.0, (A != 0).astype(float))
    pictures = (("truth", there, "A: true connections"), ("found", found["corrected, sparse"][0], "B: probability found"))
    for name, matrix, title in pictures:
        panels[name].imshow(np.where(np.eye(n, dtype=bool), 0.0, matrix)[first], cmap="Greys", vmin=0, vmax=1, interpolation="nearest")
        panels[name].set(title=title, xlabel=f"source, {shown} strongest of {n}", ylabel="target", xticks=[], yticks=[])
    for (name, (_, told)), marker in zip(reversed(found.items()), style.MARKERS, strict=False):
        scaled = told / np.abs(told).max()
        panels["sent"].plot(sent, scaled, marker, markersize=2.5, linestyle="none", color=COLOURS[name], label=name)
    panels["sent"].set(
        xlabel="what a region sends, true (Hz)", ylabel="found (share of largest)", title="D: hubs against the rest", ylim=(0, 1.55)
    )
    panels["sent"].set_yticks([0, 0.5, 1])
    panels["sent"].legend(loc="upper left", ncols=1)
    strongest = order[:hubs]
    panels["hubs"].barh(np.arange(hubs) + 0.2, sent[strongest], 0.38, color=style.GREY, label="true")
    told = found["corrected, sparse"][1][strongest]
    panels["hubs"].barh(np.arange(hubs) - 0.2, told, 0.38, color=COLOURS["corrected, sparse"], label="found")
    panels["hubs"].set_yticks(range(hubs), [f"R{i:03d}" for i in strongest])
    panels["hubs"].invert_yaxis()
    panels["hubs"].set(xlabel="what the region sends (Hz)", title="C: the ten true hubs", xlim=(0, 1.35 * max(sent.max(), told.max())))
    panels["hubs"].legend(loc="lower right")
    style.save(figure, folder / "figure.svg")
    return figure
