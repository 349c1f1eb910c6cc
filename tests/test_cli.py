"""The command line from end to end: what comes out, and one sentence with exit code 2 for everything that cannot be used."""

import subprocess
import sys
import time
from importlib.metadata import version

import made
import made_group
import numpy as np
import pytest
from typer.testing import CliRunner

import ltc_causal as lc
from ltc_causal import cli
from ltc_causal.experiments import runner


def call(*arguments):
    return CliRunner().invoke(cli.app, [str(argument) for argument in arguments])


def refused(folder, config=made.CONFIG, **changes):
    """The one sentence by which a study is refused; nothing may have been computed."""
    result = call("run", made.write_study(folder, config, **changes), "--out", folder / "out")
    assert result.exit_code == 2, result.output
    lines = result.stderr.strip().splitlines()
    assert len(lines) == 1 and lines[0].startswith("Error: ") and result.stdout == ""
    assert not (folder / "out").exists()
    return lines[0]


def test_run_leaves_a_report_and_says_where(tmp_path):
    result = call("run", made.write_study(tmp_path), "--out", tmp_path / "out")
    assert result.exit_code == 0 and result.stdout == ""
    assert "Fit of liquid: converged" in result.stderr and str(tmp_path / "out" / "report.html") in result.stderr.replace("\n", "")
    assert (tmp_path / "out" / "report.html").stat().st_size > 100_000


def test_unconverged_fit_is_exit_code_3_and_the_report_says_so(tmp_path):
    config = made.CONFIG.replace("[causal]", "[fit]\nmax_iterations = 3\n\n[causal]")
    result = call("run", made.write_study(tmp_path, config), "--out", tmp_path / "out", "--quiet")
    assert result.exit_code == 3 and result.stderr.startswith("Not converged: bilinear, liquid; see ") and result.stdout == ""
    assert "Not converged: bilinear and liquid." in (tmp_path / "out" / "report.html").read_text()


def test_group_leaves_a_report_and_names_who_was_left_out(tmp_path):
    path, out = made_group.write_group(tmp_path), tmp_path / "out"
    result = call("group", path, "--out", out, "--workers", "1")
    assert result.exit_code == 3 and result.stdout == ""
    assert "8 subjects: 7 fitted, 1 failed" in result.stderr and "Left out or not converged: sub-3; see " in result.stderr.replace(
        "\n", " "
    )
    (out / "report.html").unlink()
    again = call("report", out, "--quiet")
    assert again.exit_code == 0 and again.stderr == "" and (out / "report.html").stat().st_size > 100_000


def test_report_writes_a_studys_page_again_from_its_fits(tmp_path, monkeypatch):
    config = made.CONFIG[: made.CONFIG.index("[models.liquid]")] + '[causal]\nmodel = "bilinear"\n\n[predictions]\ndraws = 10\n'
    assert call("run", made.write_study(tmp_path, config), "--out", tmp_path / "out", "--quiet").exit_code == 0
    (tmp_path / "out" / "report.html").unlink()
    monkeypatch.setattr(runner, "fit", lambda *_, **__: pytest.fail("fitted"))
    result = call("report", tmp_path / "out", "--quiet")
    assert result.exit_code == 0 and (tmp_path / "out" / "report.html").exists()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["group", "{folder}/none.toml", "--out", "{folder}/out"], "There is no config file"),
        (["report", "{folder}"], "There is no config file"),
        (["group", "{config}", "--out", "{folder}/out"], "the key 'data' is not known"),
    ],
)
def test_groups_and_reports_refuse_in_a_sentence(tmp_path, arguments, words):
    (tmp_path / "study").mkdir()
    config = made.write_study(tmp_path / "study")
    result = call(*(argument.format(folder=tmp_path, config=config) for argument in arguments))
    assert result.exit_code == 2 and len(result.stderr.strip().splitlines()) == 1 and words in result.stderr
    assert not (tmp_path / "out").exists()


def test_stopped_run_says_how_to_go_on(tmp_path, monkeypatch):
    def stop(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(runner, "fit", stop)
    result = call("run", made.write_study(tmp_path), "--out", tmp_path / "out", "--quiet")
    assert result.exit_code == 130 and result.stderr == "Stopped; run the same command to go on.\n"


def test_fit_prints_what_it_found_and_keeps_it(tmp_path):
    config, out = made.write_study(tmp_path), tmp_path / "bilinear.fit"
    result = call("fit", config, "--model", "bilinear", "--out", out)
    assert result.exit_code == 0 and "Converged" in result.stdout and "Coupling in Hz" in result.stdout
    kept = lc.load(out)
    alone = lc.fit(made.model(), made.simulated())
    np.testing.assert_allclose(kept.posterior.mean, alone.posterior.mean, rtol=1e-12)
    assert kept.model.neuronal == "bilinear" and call("fit", config, "-m", "bilinear", "--quiet").stdout == ""


def test_fit_takes_the_model_that_the_study_asks_with_all_its_options(tmp_path):
    options = """
neuronal = "liquid"
gating = { V5 = [["V1", "V5"]] }
per_edge = ["kappa", "tau"]
prior = { decay = [0.1, 0.0], "C[photic->V1]" = [2.0, 0.5] }
noise = { mean = 4.0, variance = 0.5 }
signal_range = 0
"""
    config = made.CONFIG.replace('neuronal = "liquid"\nstart = "bilinear"', options)
    result = call("fit", made.write_study(tmp_path, config), "--out", tmp_path / "liquid.fit", "--quiet")
    assert result.exit_code in (0, 3)
    model = lc.load(tmp_path / "liquid.fit").model
    assert model.gating[1, 1, 0] and model.per_edge == ("kappa", "tau") and model.noise == lc.NoisePrior(4.0, 0.5)
    assert model.signal_range is None and model.prior.mean[model.prior.index("C[photic->V1]")] == 2.0
    assert not model.prior.free[model.prior.index("decay")]


def test_fit_reads_a_dcm_of_spm(tmp_path):
    fitted = lc.fit(made.model().with_flow("bilinear"), made.simulated())
    lc.write_spm(fitted, tmp_path / "DCM.mat")
    result = call("fit", tmp_path / "DCM.mat", "--out", tmp_path / "again.fit")
    assert result.exit_code == 0, result.output
    np.testing.assert_allclose(lc.load(tmp_path / "again.fit").posterior.mean, fitted.posterior.mean, atol=1e-6)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["{folder}/none.toml"], "There is no config file"),
        (["{folder}/none.mat"], "There is no MATLAB file"),
        (["{config}", "-m", "linear"], "Unknown model"),
    ],
)
def test_fit_refuses_in_a_sentence(tmp_path, arguments, words):
    config = made.write_study(tmp_path)
    result = call("fit", *(argument.format(folder=tmp_path, config=config) for argument in arguments))
    assert result.exit_code == 2 and len(result.stderr.strip().splitlines()) == 1 and words in result.stderr


def values(change):
    """The signal of the study, changed."""
    changed = made.data_fields()["values"].copy()
    change(changed)
    return changed


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"values": np.zeros((2, 2, 2))}, "TimeSeries.values must have shape (time, region), got shape (2, 2, 2)"),
        ({"values": np.zeros((120, 3))}, "TimeSeries.regions must give 3 names"),
        ({"inputs": np.zeros((1920, 3))}, "Inputs.names must give 3 names"),
        ({"confounds": np.ones((119, 1))}, "Recording.confounds must have one row a scan (120), got 119 rows"),
        ({"values": values(lambda y: y.__setitem__((7, 1), np.nan))}, "1 of its values are NaN or infinite, the first at index (7, 1)"),
        ({"inputs": np.full((1920, 2), np.inf)}, "Inputs.values must be finite"),
        ({"values": values(lambda y: y.__setitem__((slice(None), 0), 3.0))}, "The series of region(s) ['V1'] never changes"),
        ({"values": made.data_fields()["values"][:9], "inputs": np.zeros((144, 2))}, "has 9 scans, but at least 10 are needed"),
        ({"input_dt": 0.2}, "The inputs cover 384 s (1920 bins of 0.2 s) but the scans cover 240 s"),
        ({"dt": 0.0}, "TimeSeries.dt must be a positive number of seconds, got 0.0"),
        ({"regions": ["V1", "V3"]}, "Unknown region 'V5' in the recording"),
        ({"input_names": ["photic", "motion"]}, "Unknown input 'attention' in the recording"),
        ({"echo_time": 40.0}, "echo times lie below 0.1 s"),
    ],
)
def test_bad_data_are_one_sentence(tmp_path, changes, said):
    assert said in refused(tmp_path, **changes)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('[["V1", "V5"], ["V5", "V1"]]', '[["V1", "V6"]]', "Unknown target 'V6' in DCM intrinsic"),
        ("{ attention =", "{ atention =", "Unknown input 'atention' in DCM modulatory: did you mean 'attention'?"),
        ('driving = [["photic", "V1"]]', 'driving = [["phobic", "V1"]]', "Unknown source 'phobic' in DCM driving: did you mean 'photic'?"),
        ('flow = "true"', 'flow = "slow"', "models.bilinear.flow"),
        ('neuronal = "liquid"', 'neuronal = "liquid"\nflow = "bilinear"', "a liquid model of bold has, got 'bilinear'"),
        ("data.npz", "dta.npz", "There is no data file at"),
        ("draws = 10", "drawz = 10", "the key 'drawz' is not known; did you mean 'draws'?"),
    ],
)
def test_bad_settings_are_one_sentence(tmp_path, old, new, said):
    assert said in refused(tmp_path, made.CONFIG.replace(old, new))


def test_a_folder_that_cannot_be_made_is_one_sentence(tmp_path):
    (tmp_path / "out").write_text("a file")
    result = call("run", made.write_study(tmp_path), "--out", tmp_path / "out" / "deeper")
    assert result.exit_code == 2 and "cannot be made" in result.stderr


def test_the_doctor_looks_at_a_kept_fit(tmp_path):
    lc.save(lc.fit(made.model(), made.simulated()), tmp_path / "a.fit")
    lc.save(made.simulated(), tmp_path / "recording")
    result = call("doctor", tmp_path / "a.fit")
    assert result.exit_code == 0 and "timing of the inputs" in result.stdout and "convergence" in result.stdout
    other = call("doctor", tmp_path / "recording")
    assert other.exit_code == 2 and other.stderr.startswith("Error: ") and "holds a Recording" in other.stderr


def test_version():
    assert call("--version").stdout == f"ltc-causal {version('ltc_causal')}\n"


def test_help_waits_for_no_heavy_library():
    code = (
        "import sys, ltc_causal.cli; print(sorted({'torch', 'matplotlib', 'numba', 'networkx', 'jinja2', 'pydantic'} & set(sys.modules)))"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert result.stdout.strip() == "[]", result.stdout + result.stderr


def test_ctrl_c_on_a_real_process(tmp_path):
    """A study stopped by the signal itself, wherever it was: exit code 130, and no half-written file."""
    import signal

    path, out = made.write_study(tmp_path), tmp_path / "out"
    process = subprocess.Popen([sys.executable, "-m", "ltc_causal.cli", "run", path, "--out", out], stderr=subprocess.PIPE, text=True)
    while process.poll() is None and not (out / "run.log").exists():
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=120)
    assert process.returncode == 130 and said.endswith("Stopped; run the same command to go on.\n")
    assert not [file.name for file in out.iterdir() if file.name.startswith(".")]
