"""The command line: parse, call, exit code. The work is done in `experiments`.

Exit codes: 0 done; 2 something given cannot be used (one sentence says what); 3 done, but a fit did not converge or a subject was left out; 130
stopped by Ctrl-C.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(
    name="ltc-causal",
    help="Causal analysis of dynamical systems.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

BAD_INPUT, NOT_CONVERGED, STOPPED = 2, 3, 130


def _show_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"ltc-causal {version('ltc_causal')}")
        raise typer.Exit()


@app.callback()
def _main(
    version: Annotated[bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version and end.")] = False,
) -> None:
    """Causal analysis of dynamical systems, above all the brain."""


@contextmanager
def _one_sentence() -> Iterator[None]:
    """Bad input ends in its sentence and Ctrl-C in a hint, never in a traceback."""
    from ltc_causal.errors import InputError

    try:
        yield
    except InputError as error:
        typer.echo(f"Error: {error}", err=True)
        raise typer.Exit(BAD_INPUT) from None
    except KeyboardInterrupt:
        typer.echo("Stopped; run the same command to go on.", err=True)
        raise typer.Exit(STOPPED) from None


@app.command()
def run(
    config: Annotated[Path, typer.Argument(help="The study's config.toml.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for the report, tables, figures and fits.")],
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Say nothing on the way.")] = False,
    fresh: Annotated[bool, typer.Option("--fresh", help="Compute every fit again, also those that are there.")] = False,
) -> None:
    """Run a study: fit its models, compare, reduce, draw the graph, predict the interventions, and write a report."""
    with _one_sentence():
        # Imported here, so that --help does not wait for the compiler and the plotting library.
        from ltc_causal.experiments.progress import Silent, Terminal
        from ltc_causal.experiments.runner import run_study

        results = run_study(config, out, Silent() if quiet else Terminal(), fresh)
    if results.unconverged:
        typer.echo(f"Not converged: {', '.join(results.unconverged)}; see {out / 'report.html'}.", err=True)
        raise typer.Exit(NOT_CONVERGED)


@app.command()
def group(
    config: Annotated[Path, typer.Argument(help="The group's config.toml.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for the report, tables and fits.")],
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Say nothing on the way.")] = False,
    fresh: Annotated[bool, typer.Option("--fresh", help="Fit every subject again, also those that are there.")] = False,
    workers: Annotated[
        int | None, typer.Option("--workers", "-w", min=1, help="Processes; as many as there are cores unless given.")
    ] = None,
) -> None:
    """Study a group: fit its models to every subject, compare, ask what subjects have in common and how they differ, and write a report."""
    with _one_sentence():
        from ltc_causal.experiments.group_runner import run_group
        from ltc_causal.experiments.progress import Silent, Terminal

        results = run_group(config, out, Silent() if quiet else Terminal(), fresh, workers)
    doubtful = [*results.failures, *results.unconverged]
    if doubtful:
        typer.echo(f"Left out or not converged: {', '.join(doubtful)}; see {out / 'report.html'}.", err=True)
        raise typer.Exit(NOT_CONVERGED)


@app.command()
def report(
    folder: Annotated[Path, typer.Argument(help="Folder that ltc-causal run or ltc-causal group wrote.")],
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Say nothing on the way.")] = False,
) -> None:
    """Write tables and report again from the fits that are in a folder."""
    with _one_sentence():
        from ltc_causal.experiments.progress import Silent, Terminal
        from ltc_causal.experiments.settings_file import read_toml

        progress = Silent() if quiet else Terminal()
        if "group" in read_toml(folder / "config.toml"):
            from ltc_causal.experiments.group_runner import rebuild_group

            rebuild_group(folder, progress)
        else:
            from ltc_causal.experiments.runner import run_study

            run_study(folder / "config.toml", folder, progress)


@app.command()
def fit(
    source: Annotated[Path, typer.Argument(help="A study's config.toml, or a DCM file of SPM (.mat).")],
    out: Annotated[Path | None, typer.Option("--out", "-o", help="File for the fit, which ltc_causal.load reads.")] = None,
    model: Annotated[str | None, typer.Option("--model", "-m", help="Which of the study's models; else the one that it asks.")] = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Do not print the summary.")] = False,
) -> None:
    """Fit one model to one recording, print what was found and keep it in a file."""
    with _one_sentence():
        from ltc_causal.experiments.one_fit import fit_one
        from ltc_causal.io.archive import save

        result = fit_one(source, model)
        if out is not None:
            save(result, out)
    if not quiet:
        typer.echo(result.summary())
    if not result.status.converged:
        typer.echo(f"{result.status}", err=True)
        raise typer.Exit(NOT_CONVERGED)


@app.command()
def doctor(fit: Annotated[Path, typer.Argument(help="A kept fit.")]) -> None:
    """Say what may be wrong with a fit and with its recording, by fitting again under each suspicion."""
    with _one_sentence():
        from ltc_causal.core.result import Fit
        from ltc_causal.errors import InputError
        from ltc_causal.experiments.doctor import doctor as examine
        from ltc_causal.io.archive import load

        kept = load(fit)
        if not isinstance(kept, Fit):
            raise InputError(f"{fit} holds a {type(kept).__name__}, and the doctor looks at fits: keep one with ltc-causal fit --out.")
        typer.echo(str(examine(kept)))


def main() -> None:
    """Run the command line."""
    app()


if __name__ == "__main__":
    main()
