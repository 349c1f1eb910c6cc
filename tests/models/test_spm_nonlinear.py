"""SPM's step for gated coupling: its own numbers, each step against a matrix exponential, and the flow that it comes to in short steps."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import spm_reference
from scipy.integrate import solve_ivp
from scipy.linalg import expm
from test_house import begins

from ltc_causal.models import haemodynamics, spm_nonlinear
from ltc_causal.models.haemodynamics import DIFFERENCE_STEP
from ltc_causal.models.neuronal import Weights
from ltc_causal.numerics.schedule import cut_into_steps, sample_bins

TRANSIT, DECAY = np.array([0.1, -0.2, 0.05]), 0.07


def _unpack(d):
    """Matrices and haemodynamic parameters of a reference case, by its masks alone: A, B, C, D column by column."""
    masks = [d["a"], d["b"].transpose(1, 2, 0), d["c"], d["d"].transpose(1, 2, 0)]
    values = [np.zeros(mask.shape) for mask in masks]
    rest = list(d["posterior_mean"])
    for mask, value in zip(masks, values, strict=True):
        for entry in zip(*np.nonzero(mask.T), strict=True):
            value[entry[::-1]] = rest.pop(0)
    A, B, C, D = values
    *transit, decay, epsilon = rest
    return Weights(A, B.transpose(2, 0, 1), C, D.transpose(2, 0, 1)), np.array(transit), decay, epsilon


@pytest.mark.parametrize("name", ["nonlinear3_1", "attention_nonlinear"])
def test_prediction_at_spms_posterior(name):
    d = spm_reference.arrays(name)
    u = d["u"] - d["u"].mean(axis=0)
    bins = sample_bins(len(u), len(d["y"]), d["delays"], d["udt"])
    steps = cut_into_steps(u, d["udt"], bins, spm_nonlinear.refresh_bins(len(u), len(d["y"]), d["dt"], bins[0, 0]))
    weights, transit, decay, epsilon = _unpack(d)
    h, stable = spm_nonlinear.course(weights, transit, decay, steps)
    assert d["centre"] and stable
    np.testing.assert_allclose(haemodynamics.bold(h[..., 0], h[..., 1], epsilon, 0.04), d["prediction"], rtol=0, atol=1e-10)


def _weights(seed=0, scale=0.3):
    """Three regions, two inputs, everything connected, modulated and gated."""
    rng = np.random.default_rng(seed)
    A, B, C, D = (scale * rng.standard_normal(shape) for shape in ((3, 3), (2, 3, 3), (3, 2), (3, 3, 3)))
    return Weights(A, B, 4 * C, 2 * D)


def _off_diagonal(weights):
    """The same without self-modulation and self-gating, so that the flow is a polynomial of second order."""
    between = ~np.eye(3, dtype=bool)
    return Weights(weights.A, weights.B * between, weights.C, weights.D * between)


def test_expansion_has_the_closed_form_of_its_differences():
    w, h = _weights(), DIFFERENCE_STEP
    E = spm_nonlinear.expansion(w)
    for i in range(3):
        own = -np.exp(w.A[i, i] + h * w.D[i, i, i]) / 2
        for j in range(3):
            assert E.linear[i, j] == pytest.approx(own if i == j else w.A[i, j] + h * w.D[j, i, j], abs=1e-11)
            for k in range(2):
                modulated = own * np.expm1(h * w.B[k, i, i]) / h if i == j else w.B[k, i, j]
                assert E.by_input[k, i, j] == pytest.approx(modulated, abs=1e-9)
            for l in range(3):
                # The pair (j, l) of activities, of which neither, one or both are of the target itself.
                if i not in (j, l):
                    second = w.D[j, i, l] + w.D[l, i, j]
                elif j == l:
                    second = 2 * own * np.expm1(h * w.D[i, i, i]) / h
                else:
                    other = j if l == i else l
                    second = w.D[i, i, other] + own * np.expm1(h * w.D[other, i, i]) / h
                assert E.by_activity[j, i, l] == pytest.approx(second, abs=1e-9)
    np.testing.assert_allclose(E.drive, w.C / 16, rtol=1e-12)


@pytest.mark.parametrize("local", [False, True])
def test_two_steps_are_two_matrix_exponentials(local):
    """Two steps of 7 s, written as one matrix over (1, x, h)."""
    w = _weights(1)
    u, dt, transit = np.array([0.8, -0.5]), 7.0, TRANSIT
    steps = cut_into_steps(np.tile(u, (4, 1)), dt / 2, np.array([[2, 2, 2], [4, 4, 4]]))
    E = spm_nonlinear.expansion(w)
    H = haemodynamics.rest_expansion(transit, DECAY, "spm")
    z = np.zeros(16)
    z[0] = 1.0
    for scan in range(2):
        a = z[1:4]
        gated = np.tensordot(a, E.by_activity, 1)
        M = np.zeros((16, 16))
        M[1:4, 0] = E.drive @ u + (-gated @ a / 2 if local else E.linear @ a)
        M[1:4, 1:4] = E.linear + np.tensordot(u, E.by_input, 1) + gated
        for i in range(3):
            at = 4 + 4 * i
            M[at : at + 4, at : at + 4] = H[i]
            M[at, 1 + i] = 1.0
            M[at, 0] = 0.0 if local else a[i]
        z = expm(M * dt) @ z
        h, stable = spm_nonlinear.course(w, transit, DECAY, steps, local)
        assert stable
        np.testing.assert_allclose(h[scan], z[4:].reshape(3, 4)[:, 2:], rtol=1e-12, atol=1e-14)


def _stated_flow(weights, u, seconds):
    """log v and log q of the stated neuronal flow with haemodynamics linear about rest, from rest, by a tight general solver."""
    H = haemodynamics.rest_expansion(TRANSIT, DECAY, "spm")

    def rate(t, z):
        x, h = z[:3], z[3:].reshape(3, 4)
        W = weights.A + np.tensordot(u, weights.B, 1) + np.tensordot(x, weights.D, 1)
        s = np.diag(W)
        dh = np.einsum("ist,it->is", H, h)
        dh[:, 0] += x
        return np.concatenate([(W - np.diag(s + np.exp(s) / 2)) @ x + weights.C @ u / 16, dh.ravel()])

    end = solve_ivp(rate, (0, seconds), np.zeros(15), method="DOP853", rtol=1e-11, atol=1e-13).y[:, -1]
    return end[3:].reshape(3, 4)[:, 2:]


def _errors(weights, truth, u, seconds, local):
    """Largest difference from the truth at the end, with 8, 16, 32 and 64 steps."""
    errors = []
    for n in (8, 16, 32, 64):
        steps = cut_into_steps(np.tile(u, (n, 1)), seconds / n, np.full((1, 3), n), np.arange(n))
        errors.append(np.abs(spm_nonlinear.course(weights, TRANSIT, DECAY, steps, local)[0][0] - truth).max())
    return np.array(errors)


def test_in_short_steps_it_is_another_flow_with_doubled_coupling_and_drive():
    """A and C doubled, B and D kept: SPM's step approaches that flow, at first order, and stays away from the one that is stated."""
    w, u, seconds = _off_diagonal(_weights(2)), np.array([1.0, 0.4]), 4.0
    A = 2 * w.A
    np.fill_diagonal(A, np.diag(w.A) + np.log(2))  # the decay exp(A)/2 doubled
    # The forward differences put h D into L: the flow that is approached has it, too.
    A += np.where(np.eye(3, dtype=bool), 0, 2 * DIFFERENCE_STEP * np.einsum("jij->ij", w.D))
    doubled = _stated_flow(Weights(A, w.B, 2 * w.C, w.D), u, seconds)
    errors = _errors(w, doubled, u, seconds, local=False)
    slopes = np.diff(np.log(errors)) / np.log(0.5)
    assert slopes[-1] == pytest.approx(1.0, abs=0.1)
    assert errors[-1] < 0.03 * np.abs(doubled).max()
    stated = _stated_flow(w, u, seconds)
    assert _errors(w, stated, u, seconds, local=False).min() > 0.1 * np.abs(stated).max()


def test_the_plain_local_linearisation_is_of_second_order():
    w, u, seconds = _off_diagonal(_weights(2)), np.array([1.0, 0.4]), 4.0
    A = w.A + np.where(np.eye(3, dtype=bool), 0, DIFFERENCE_STEP * np.einsum("jij->ij", w.D))
    errors = _errors(w, _stated_flow(Weights(A, w.B, w.C, w.D), u, seconds), u, seconds, local=True)
    slopes = np.diff(np.log(errors)) / np.log(0.5)
    assert slopes[-1] == pytest.approx(2.0, abs=0.15)


def test_refreshing_comes_about_once_a_second_and_with_every_reading_of_the_first_region():
    for n_bin, n_scan, dt, delays, a_scan in (
        (5760, 360, 3.22, [1.61, 3.0], 3),
        (4096, 256, 2.0, [1.0, 0.5], 2),
        (800, 100, 0.7, [0.2], 1),
    ):
        bins = sample_bins(n_bin, n_scan, delays, dt * n_scan / n_bin)
        refresh = spm_nonlinear.refresh_bins(n_bin, n_scan, dt, bins[0, 0])
        assert len(refresh) == a_scan * n_scan and (np.diff(refresh) > 0).all()
        np.testing.assert_array_equal(refresh[::a_scan], bins[:, 0])


def test_a_course_that_leaves_its_bounds_ends_with_zeros():
    w = _weights(0)
    A = w.A.copy()
    A[0, 1] = A[1, 0] = 2.0
    steps = cut_into_steps(np.ones((40, 2)), 1.0, np.arange(0, 40, 2)[:, None].repeat(3, axis=1), np.arange(40))
    h, stable = spm_nonlinear.course(Weights(A, w.B, w.C, w.D), TRANSIT, DECAY, steps)
    assert not stable and np.isfinite(h).all() and h[1].any() and not h[-1].any()


@pytest.mark.slow
def test_the_case_study_prints_what_its_page_shows(tmp_path):
    root = Path(__file__).resolve().parents[2]
    study = root / "case_studies" / "spm_nonlinear"
    run = subprocess.run([sys.executable, study / "run.py", tmp_path], cwd=root, capture_output=True, text=True, check=True)
    shown = (study / "README.md").read_text(encoding="utf-8").partition("```text\n")[2].partition("```")[0]
    assert len(shown) > 1000
    for line, printed in zip(shown.splitlines(), run.stdout.splitlines(), strict=True):
        # The differences from SPM's stored prediction are rounding, which no two machines share.
        assert begins(line, printed) or "e-1" in line, f"shown: {line}\nprinted: {printed}"
    assert (tmp_path / "figure.svg").stat().st_size > 10_000
