"""Any combination of interventions against the matrix exponential of what is in force, and what must hold of all of them."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from linear_systems import DT, ON_OFF, TIMES, course, linear
from scipy.linalg import expm
from strategies import REGIONS, couplings, stable_matrix

import ltc_causal as lc
from ltc_causal.core.intervention import Drive, Lesion, Pulse, Scale
from ltc_causal.reduction.expansion import Expansion


def independent(A, C, do, values):
    """The linear system under interventions that hold to the bins' grid, each bin by the matrix exponential of what is in force in it."""
    n, x, states = len(A), np.zeros(len(A)), []
    at = {name: i for i, name in enumerate(REGIONS[:n])}
    for number, t in enumerate(TIMES):
        M, drive = A.copy(), C[:, 0] * values[number]
        clamped = {}
        for one in do:
            if isinstance(one, Pulse):
                if abs(one.at - t) < 1e-9:
                    x = x + one.by * np.eye(n)[at[one.region]]
                continue
            if not one.start - 1e-9 <= t < one.stop - 1e-9:
                continue
            match one:
                case lc.SetInput():
                    drive = drive + C[:, 0] * (one.value - values[number])
                case Drive():
                    drive = drive + one.value * np.eye(n)[at[one.region]]
                case Scale():
                    M[at[one.target], at[one.source]] *= one.factor
                case lc.Cut():
                    M[at[one.target], at[one.source]] = 0.0
                case Lesion():
                    column = at[one.region]
                    M[:, column] = np.where(np.arange(n) == column, M[:, column], 0.0)
                case lc.Clamp():
                    clamped[at[one.region]] = one.value
        for region, value in clamped.items():
            M[region], drive[region] = 0.0, 0.0
            x = np.where(np.arange(n) == region, value, x)
        states.append(x)
        whole = np.zeros((n + 1, n + 1))
        whole[:n, :n], whole[:n, n] = M, drive
        x = (expm(whole * DT) @ np.append(x, 1.0))[:n]
    return np.array(states)


@st.composite
def combinations(draw, n):
    """Interventions of every kind on the grid, each on its own region or connection so that none contradicts another."""
    number = st.floats(-1, 1)

    def window():
        start = draw(st.integers(0, 160))
        return DT * start, DT * (start + draw(st.integers(1, 120)))

    order = draw(st.permutations(range(n)))
    do = [lc.SetInput("u", draw(number), *window())] if draw(st.booleans()) else []
    do += [lc.Clamp(REGIONS[order[0]], draw(number), *window())] if draw(st.booleans()) else []
    do += [Pulse(REGIONS[order[1]], by=draw(number), at=DT * draw(st.integers(0, 200))) for _ in range(draw(st.integers(0, 2)))]
    do += [Drive(REGIONS[order[k]], draw(number), *window()) for k in draw(st.lists(st.integers(0, n - 1), max_size=3))]
    do += [Lesion(REGIONS[order[2]], *window())] if draw(st.booleans()) else []
    do += [Scale(REGIONS[order[0]], REGIONS[order[1]], draw(number), *window())] if draw(st.booleans()) else []
    do += [lc.Cut(REGIONS[order[2]], REGIONS[order[0]], *window())] if draw(st.booleans()) else []
    return do


@given(data=st.data(), seed=st.integers(0, 10**6))
@settings(max_examples=25)
def test_any_combination_against_the_matrix_exponential(data, seed):
    rng = np.random.default_rng(seed)
    A, C = stable_matrix(rng, 3), rng.normal(0, 1, (3, 1))
    do = data.draw(combinations(3))
    np.testing.assert_allclose(course(linear(A, C), do, ON_OFF), independent(A, C, do, ON_OFF), atol=2e-5)


@given(data=st.data(), seed=st.integers(0, 10**6))
@settings(max_examples=15)
def test_order_and_labels_do_not_matter(data, seed):
    """The list in another order gives the same; regions in another order give the same, permuted."""
    rng = np.random.default_rng(seed)
    A, C = stable_matrix(rng, 3), rng.normal(0, 1, (3, 1))
    do = data.draw(combinations(3))
    found = course(linear(A, C), do, ON_OFF)
    shuffled = data.draw(st.permutations(do))
    np.testing.assert_allclose(course(linear(A, C), shuffled, ON_OFF), found, atol=1e-13)
    new = np.array(data.draw(st.permutations(range(3))))
    coupling = lc.Coupling(A[np.ix_(new, new)], np.zeros((1, 3, 3)), C[new], tuple(REGIONS[i] for i in new), ("u",))
    permuted = course(Expansion(coupling, np.zeros(3), np.zeros(3), np.zeros(1)), do, ON_OFF)
    np.testing.assert_allclose(permuted, found[:, new], atol=1e-12)


@given(coupling=couplings(density=0.4), data=st.data())
@settings(max_examples=25)
def test_where_no_path_leads_the_effect_is_exactly_zero(coupling, data):
    """What acts on one region changes only what it reaches, to the last bit, windows inside bins included."""
    n = len(coupling.A)
    j = data.draw(st.integers(0, n - 1))
    start = data.draw(st.floats(0, 2))
    one = data.draw(
        st.sampled_from(
            [
                lc.Clamp(REGIONS[j], 0.7, start),
                lc.Clamp(REGIONS[j], lambda t, x: np.sin(t), start, start + 2),
                Drive(REGIONS[j], 0.3, start),
                Pulse(REGIONS[j], by=0.5, at=start),
                Lesion(REGIONS[j], start),
            ]
        )
    )
    system = Expansion(coupling, np.zeros(n), np.zeros(n), np.zeros(len(coupling.inputs)))
    values = np.random.default_rng(0).uniform(0, 1, (60, len(coupling.inputs)))
    links = ((coupling.A != 0) | (coupling.B != 0).any(axis=0)).astype(float)
    reached = np.linalg.matrix_power(np.eye(n) + links, n)[:, j] > 0
    effect = lc.predict(system, [one], inputs=lc.Inputs(values, DT, coupling.inputs)).effect.draws[0]
    assert (effect[:, ~reached] == 0).all()
    assert (effect[: int(np.floor(start / DT))] == 0).all()
