"""The figure of run.py."""

from schemes import SECONDS, STEPS

from ltc_causal.plotting import style

COLOURS = (style.GREEN, style.VERMILLION, style.BLUE)


@style.styled
def draw(error, gains, bold, times, folder):
    """Error by step length; free energy over the bilinear model's; and what V5 does at one set of parameters. Writes figure.svg."""
    figure = style.new_figure(height=5.2)
    panels = figure.subplot_mosaic([["error", "gain"], ["bold", "bold"]])
    for (name, values), colour, marker in zip(error.items(), COLOURS, style.MARKERS, strict=False):
        panels["error"].loglog(SECONDS / STEPS, values, marker=marker, markersize=3, color=colour, label=name)
    panels["error"].set(xlabel="step (s)", ylabel="difference from the stated flow", title="A: closed-form example", ylim=(3e-6, 1e5))
    panels["error"].legend(["local linearisation", "SPM's step", "SPM's step, from flow at 2A, 2C"], handlelength=1.5)
    for row, name in enumerate(reversed(gains)):
        for offset, value, colour, label in zip(
            (0.18, -0.18), gains[name], (style.GREY, style.PURPLE), ("no gating", "gating"), strict=True
        ):
            panels["gain"].barh(row + offset, value, 0.32, color=colour, label=label if row == 0 else None)
    panels["gain"].set_yticks(range(len(gains)), [name.replace(", ", ",\n") for name in reversed(gains)])
    panels["gain"].set(xlabel="free energy over the bilinear (nats)", title="B: attention recording")
    panels["gain"].legend(loc="lower right", bbox_to_anchor=(1.0, 0.38))
    for (name, values), colour, line in zip(bold.items(), COLOURS, ("-", "-", ":"), strict=True):
        panels["bold"].plot(times, values[:, 1], line, color=colour, label=name)
    panels["bold"].set(xlim=(0, 500), xlabel="time (s)", ylabel="BOLD (%)", title="C: V5 at the posterior mean that SPM found")
    panels["bold"].margins(y=0.25)
    panels["bold"].legend(ncols=3, loc="upper right")
    style.save(figure, folder / "figure.svg")
    return figure
