"""What each intervention does to a system, against closed forms, against systems built without the thing, and against another solver."""

import numpy as np
import pytest
from linear_systems import DT, N_BIN, ON_OFF, TIMES, course, linear
from scipy.integrate import solve_ivp
from scipy.linalg import expm
from strategies import REGIONS, TRUTH, stable_matrix, three_regions

import ltc_causal as lc
from ltc_causal.core.intervention import Drive, Lesion, Pulse, Scale
from ltc_causal.models.intervened import Acting
from ltc_causal.models.simulate import Segment

NAMES = REGIONS[:3]
RNG = np.random.default_rng(3)
A = stable_matrix(RNG, 3)
SYSTEM = linear(A, np.array([[1.0], [0.0], [0.0]]))
e = np.eye(3)


# --- pulse and drive: closed forms ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("at", [0.0, 1.0, 1.234])
def test_pulse_by_is_the_matrix_exponential(at):
    exact = [expm(A * (t - at)) @ e[1] * 0.7 if t >= at - 1e-9 else np.zeros(3) for t in TIMES]
    np.testing.assert_allclose(course(SYSTEM, [Pulse("V5", by=0.7, at=at)]), exact, atol=1e-6)


def test_pulse_to_jumps_from_where_the_system_was():
    usual = course(SYSTEM, values=ON_OFF)
    to, by = (course(SYSTEM, [pulse], ON_OFF) for pulse in (Pulse("V5", to=0.4, at=3.0), Pulse("V5", by=0.4 - usual[60, 1], at=3.0)))
    assert to[60, 1] == 0.4 and (to[:60] == usual[:60]).all()
    np.testing.assert_allclose(to, by, atol=1e-15)


def test_pulses_at_one_time_add_up_and_a_reading_there_comes_after():
    both = course(SYSTEM, [Pulse("V5", by=0.25, at=2.0), Pulse("V5", by=0.5, at=2.0)])
    assert both[40, 1] == 0.75 and (both[:40] == 0).all()
    assert (both == course(SYSTEM, [Pulse("V5", by=0.75, at=2.0)])).all()


def test_drive_is_the_step_response():
    start, stop, s = 1.05, 5.3, 0.6
    full = np.linalg.solve(A, e[2] * s)

    def step(t):
        return (expm(A * t) - np.eye(3)) @ full

    exact = [np.zeros(3) if t < start else step(t - start) if t < stop else expm(A * (t - stop)) @ step(stop - start) for t in TIMES]
    np.testing.assert_allclose(course(SYSTEM, [Drive("SPC", s, start, stop)]), exact, atol=1e-6)


def test_drive_by_a_series_is_its_bins_one_by_one():
    series = np.repeat([0.3, -0.2, 0.0], N_BIN // 3)
    windows = [Drive("V1", 0.3, 0.0, 4.0), Drive("V1", -0.2, 4.0, 8.0)]
    np.testing.assert_allclose(course(SYSTEM, [Drive("V1", series)]), course(SYSTEM, windows), atol=1e-14)


def test_drive_by_a_function_of_state_is_another_self_coupling():
    """s = -k x_j within the whole run: A_jj - k."""
    k, changed = 0.8, A.copy()
    changed[1, 1] -= k
    do = [Pulse("V1", by=1.0), Drive("V5", lambda t, x: -k * x["V5"])]
    np.testing.assert_allclose(course(SYSTEM, do), [expm(changed * t) @ e[0] for t in TIMES], atol=1e-6)


def test_drive_by_a_function_of_time_in_a_window():
    start, stop = 2.03, 7.5

    def flow(t, x):
        return A @ x + e[0] * np.sin(3 * t) * (start <= t < stop)

    parts, x, exact = [0.0, start, stop, TIMES[-1]], np.zeros(3), np.zeros((N_BIN, 3))
    for first, last in zip(parts[:-1], parts[1:], strict=True):
        here = (TIMES >= first) & (TIMES <= last)
        found = solve_ivp(flow, (first, last - 1e-12), x, t_eval=np.minimum(TIMES[here], last - 1e-12), rtol=1e-10, atol=1e-12)
        exact[here] = found.y.T
        x = solve_ivp(flow, (first, last - 1e-12), x, rtol=1e-10, atol=1e-12).y[:, -1]
    do = [Drive("V1", lambda t, x: np.sin(3 * t), start, stop)]
    np.testing.assert_allclose(course(SYSTEM, do), exact, atol=2e-6)


# --- clamp ------------------------------------------------------------------------------------------------------------------------------


def test_a_function_that_is_constant_clamps_as_the_constant_does():
    constant, function = (course(SYSTEM, [lc.Clamp("V5", value, 1.0, 6.05)], ON_OFF) for value in (0.3, lambda t, x: 0.3))
    assert (constant == function).all()


def test_clamp_by_a_function_of_time_leaves_the_reduced_system():
    rest, j = [0, 2], 1

    def flow(t, x):
        return A[np.ix_(rest, rest)] @ x + A[rest, j] * np.cos(2 * t)

    exact = solve_ivp(flow, (0, TIMES[-1]), np.zeros(2), t_eval=TIMES, rtol=1e-10, atol=1e-12).y.T
    found = course(SYSTEM, [lc.Clamp("V5", lambda t, x: np.cos(2 * t))])
    np.testing.assert_allclose(found[:, rest], exact, atol=2e-6)
    np.testing.assert_array_equal(found[:, j], np.cos(2 * TIMES))


def test_clamp_by_a_function_of_state_closes_the_loop():
    """x_j := k x_i throughout: A_RR + k A_Rj e_i'."""
    k, rest = -0.5, [0, 2]
    closed = A[np.ix_(rest, rest)].copy()
    closed[:, 1] += k * A[rest, 1]
    found = course(SYSTEM, [Pulse("V1", by=1.0), lc.Clamp("V5", lambda t, x: k * x["SPC"])])
    np.testing.assert_allclose(found[:, rest], [expm(closed * t) @ [1, 0] for t in TIMES], atol=1e-6)
    np.testing.assert_allclose(found[:, 1], k * found[:, 2], atol=1e-15)


def test_a_function_clamp_is_the_limit_of_a_stiff_controller():
    k, policy = 1e6, lambda t, x: 0.3 * np.sin(t) + 0.5 * x["V1"]

    def flow(t, x):
        return A @ x + e[0] * 0.4 + e[1] * k * (policy(t, {"V1": x[0]}) - x[1])

    exact = solve_ivp(flow, (0, TIMES[-1]), np.zeros(3), method="Radau", t_eval=TIMES, rtol=1e-9, atol=1e-11).y.T
    found = course(SYSTEM, [lc.Clamp("V5", policy), Drive("V1", 0.4)])
    np.testing.assert_allclose(found, exact, atol=5e-6)


def test_a_region_is_released_where_the_function_left_it():
    do = [lc.Clamp("V5", lambda t, x: t, 1.0, 3.0)]
    found = course(SYSTEM, do)
    free = [expm(A * (t - 3.0)) @ np.array([found[60, 0], 3.0, found[60, 2]]) for t in TIMES[60:]]
    np.testing.assert_allclose(found[60:], free, atol=1e-6)


def test_clamp_holds_within_every_step_and_not_after_it():
    """Bins of 2 s take four steps each: setting the region after each step instead is another intervention."""
    held, rest, dt = 0.5, [0, 2], 2.0
    reduced = A[np.ix_(rest, rest)]
    settled = -np.linalg.solve(reduced, A[rest, 1] * held)
    times = dt * np.arange(int(N_BIN * DT / dt))
    exact = np.array([settled - expm(reduced * t) @ settled for t in times])
    found = course(SYSTEM, [lc.Clamp("V5", held)], dt=dt)[:, rest]
    x, afterwards = np.array([0.0, held, 0.0]), []
    for _ in times:
        afterwards.append(x[rest])
        for _ in range(4):
            x = expm(A * 0.5) @ x
            x[1] = held
    error, other = (np.abs(values - exact).max() for values in (found, np.array(afterwards)))
    assert error < 5e-4 and other > 50 * error


def test_regions_that_functions_hold_do_not_see_one_another():
    do = [lc.Clamp("V1", lambda t, x: x["V5"]), lc.Clamp("V5", lambda t, x: x["V1"])]
    with pytest.raises(lc.InputError, match="The function given for 'V1' asks for 'V5', but it sees the activity of .'SPC'. only"):
        course(SYSTEM, do)


def test_a_function_of_the_wrong_shape_is_said():
    with pytest.raises(lc.InputError, match=r"must return a number or one value a draw, shape \(1,\), got shape \(2,\)"):
        course(SYSTEM, [Drive("V1", lambda t, x: np.zeros(2))])


# --- connections ------------------------------------------------------------------------------------------------------------------------


def network(seed=5):
    """A raw synaptic network of three regions with tonic activity: a dense one, rest away from zero."""
    rng = np.random.default_rng(seed)
    off = 1 - np.eye(3)
    return lc.SynapticNetwork(
        NAMES, ("u",), leak=rng.uniform(0.8, 1.2, 3), weight=off * rng.uniform(0.2, 0.8, (3, 3)), slope=off * rng.uniform(1, 3, (3, 3)),
        threshold=rng.normal(0, 0.3, (3, 3)), reversal=rng.choice([-1.0, 1.5], (3, 3)), bias=rng.normal(0, 0.2, 3), drive=rng.normal(0, 1, (3, 1)),
    )  # fmt: skip


RAW = network()
REST = RAW.equilibrium().state


def solved(flow, start, values=ON_OFF):
    """Another solver's course, restarted at every bin."""
    x, states = start, []
    for u in values:
        states.append(x)
        x = solve_ivp(lambda t, x, u=u: flow(x, np.array([u])), (0, DT), x, rtol=1e-9, atol=1e-11).y[:, -1]
    return np.array(states)


def test_deviation_cut_sees_the_source_at_rest_and_tonic_cut_has_no_synapse():
    def cut(x, u):
        rate, seen = RAW.flow(x[:, None], u)[:, 0], x.copy()
        seen[0] = REST[0]
        rate[1] = RAW.flow(seen[:, None], u)[1, 0]
        return rate

    weight = RAW.weight[0].copy()
    weight[1, 0] = 0.0
    without = lc.SynapticNetwork(
        NAMES, ("u",), RAW.leak, weight, RAW.slope[0], RAW.threshold[0], RAW.reversal[0], bias=RAW.bias, drive=RAW.drive
    )
    by_rest, gone = course(RAW, [lc.Cut("V1", "V5")], ON_OFF), course(RAW, [lc.Cut("V1", "V5", tonic=True)], ON_OFF)
    np.testing.assert_allclose(by_rest, solved(cut, REST), atol=1e-6)
    np.testing.assert_allclose(gone, solved(lambda x, u: without.flow(x[:, None], u)[:, 0], REST), atol=1e-6)
    assert np.abs(by_rest - gone).max() > 0.02


def test_only_the_tonic_cut_moves_a_network_at_rest():
    assert np.abs(course(RAW, [lc.Cut("V1", "V5"), Lesion("SPC")]) - REST).max() < 1e-12
    moved = course(RAW, [lc.Cut("V1", "V5", tonic=True)])
    assert np.abs(moved[-1] - REST).max() > 0.02
    settled = RAW.with_scaled(0, 1, 0.0).equilibrium(start=REST)
    assert settled.stable and np.abs(moved[-1] - settled.state).max() < 1e-3


KINDS = ("bilinear", "nonlinear", "two_state", "liquid")


def dcm_system(kind):
    gating = {"gating": {"V5": [("V1", "SPC")]}} if kind in ("nonlinear", "liquid") else {}
    model = three_regions(neuronal=kind, intrinsic=[("V1", "V5"), ("V5", "V1"), ("V5", "SPC"), ("V1", "SPC")], **gating)
    truth = TRUTH | ({"log_kappa": 0.4} if kind == "liquid" else {}) | ({"D[V5: V1->SPC]": 0.4} if gating else {})
    theta = model.prior.mean + 0.1 * np.random.default_rng(0).standard_normal((2, len(model.prior.mean)))
    for name, value in truth.items():
        theta[:, model.prior.index(name)] = value
    return model.system(theta)


def flow_under(system, do, x, u):
    """The flow with these interventions in force from the start, shape (unit, draw)."""
    rest = system.initial_state()[0]
    segment = Acting(do, dict.fromkeys(system.inputs, 0.0), 1.0, rest).on(Segment(0.0, 1.0, u, system))
    return segment.system.flow(x, u)


def liquid_system(hidden):
    model = lc.LiquidNetwork(NAMES, ("photic", "motion"), hidden=hidden)
    theta = 0.5 * np.random.default_rng(1).standard_normal((2, len(model.prior.names)))
    return model.system(theta)


SYSTEMS = {kind: dcm_system(kind) for kind in KINDS} | {"liquid network": liquid_system(0), "synaptic": RAW}
HIDDEN = liquid_system(2)


def points(system, count=3):
    rng = np.random.default_rng(7)
    rest = system.initial_state()[0]
    return [(rest + 0.3 * rng.standard_normal(rest.shape), rng.uniform(0, 1, len(system.inputs))) for _ in range(count)]


@pytest.mark.parametrize("tonic", [False, True])
@pytest.mark.parametrize("name", list(SYSTEMS))
def test_lesion_is_the_cut_of_every_connection_out(name, tonic):
    system = SYSTEMS[name]
    for x, u in points(system):
        for source in NAMES:
            cuts = [lc.Cut(source, target, tonic=tonic) for target in NAMES if target != source]
            lesion = flow_under(system, [Lesion(source, tonic=tonic)], x, u)
            np.testing.assert_array_equal(lesion, flow_under(system, cuts, x, u))


@pytest.mark.parametrize("tonic", [False, True])
@pytest.mark.parametrize("name", list(SYSTEMS))
def test_scale_by_one_is_the_usual_flow_and_by_zero_the_cut(name, tonic):
    system = SYSTEMS[name]
    for x, u in points(system):
        np.testing.assert_array_equal(flow_under(system, [Scale("V1", "V5", 1.0, tonic=tonic)], x, u), system.flow(x, u))
        scaled, cut = (flow_under(system, [one], x, u) for one in (Scale("V1", "V5", 0.0, tonic=tonic), lc.Cut("V1", "V5", tonic=tonic)))
        np.testing.assert_array_equal(scaled, cut)
        assert (cut[1] != system.flow(x, u)[1]).all()


@pytest.mark.parametrize("tonic", [False, True])
@pytest.mark.parametrize("name", ["bilinear", "two_state", "nonlinear"])
def test_scaled_connection_carries_that_much(name, tonic):
    """V1 -> V5 is linear in V1 here: f(scaled) - f(cut) = factor (f - f(cut))."""
    system, factor = SYSTEMS[name], 0.37
    for x, u in points(system):
        usual, cut = system.flow(x, u), flow_under(system, [lc.Cut("V1", "V5", tonic=tonic)], x, u)
        scaled = flow_under(system, [Scale("V1", "V5", factor, tonic=tonic)], x, u)
        np.testing.assert_allclose(scaled - cut, factor * (usual - cut), atol=1e-14)


def test_deviation_cut_takes_gating_along_and_strength_does_not():
    """V5 gates V1 -> SPC. Seen at rest it no longer does; with V5 -> SPC at strength zero it still does."""
    system = dcm_system("nonlinear")
    (x, u), *_ = points(system)
    gated = system.D[1, 2, 0] * x[1] * x[0]
    seen, strength = (flow_under(system, [lc.Cut("V5", "SPC", tonic=tonic)], x, u) for tonic in (False, True))
    np.testing.assert_allclose((strength - seen)[2], gated, atol=1e-14)


def test_lesion_reaches_hidden_units_too():
    (x, u), *_ = points(HIDDEN)
    seen = x.copy()
    seen[0] = 0.0
    exact = HIDDEN.flow(seen, u)
    exact[0] = HIDDEN.flow(x, u)[0]
    np.testing.assert_array_equal(flow_under(HIDDEN, [Lesion("V1")], x, u), exact)
    cuts = flow_under(HIDDEN, [lc.Cut("V1", "V5"), lc.Cut("V1", "SPC")], x, u)
    assert (cuts[:3] == exact[:3]).all() and (cuts[3:] == HIDDEN.flow(x, u)[3:]).all()


def test_a_two_state_strength_cannot_turn_its_sign():
    system = SYSTEMS["two_state"]
    (x, u), *_ = points(system)
    with pytest.raises(lc.InputError, match="connections are positive"):
        flow_under(system, [Scale("V1", "V5", -1.0, tonic=True)], x, u)
    assert np.isfinite(flow_under(system, [Scale("V1", "V5", -1.0)], x, u)).all()


def test_strengths_are_asked_of_systems_that_have_them():
    with pytest.raises(lc.InputError, match="an Expansion does not|a Expansion does not"):
        course(SYSTEM, [lc.Cut("V1", "V5", tonic=True)])
