"""Simulation: against an independent integrator, the fitted model's own prediction, and its stated noise."""

import numpy as np
import pytest
from scipy.integrate import solve_ivp
from strategies import TRUTH, blocks, three_regions

import ltc_causal as lc
from ltc_causal.models.simulate import neuronal_course, simulate_states
from ltc_causal.numerics.schedule import sample_bins

DELAYS = [0.5, 1.0, 1.75]


def theta_of(model, values):
    theta = model.prior.mean.copy()
    for name, value in values.items():
        theta[model.prior.index(name)] = value
    return theta


def by_solve_ivp(system, inputs, reads):
    """One draw, integrated bin by bin with an adaptive method, read at whole bins: (scan, region) of activity and signal."""

    def flow(_, y, u):
        y = y.reshape(5, -1, 1)
        return np.concatenate([system.flow(y[0], u)[None], system.observation_flow(y[1:], y[0])]).ravel()

    y = np.concatenate([part.reshape(-1, 3, 1) for part in system.initial_state()]).ravel()
    states = [y]
    for u in inputs.values:
        y = solve_ivp(flow, (0, inputs.dt), y, args=(u,), method="DOP853", rtol=1e-10, atol=1e-12).y[:, -1]
        states.append(y)
    states = np.array(states).reshape(-1, 5, 3, 1)
    signal = np.array([system.observe(state[:1].reshape(-1, state.shape[-1]), state[1:]) for state in states])
    columns = np.arange(3)
    return states[reads, 0, columns, 0], signal[reads, columns, 0]


@pytest.mark.parametrize("neuronal", ["bilinear", "liquid"])
def test_agrees_with_an_adaptive_integrator(neuronal):
    model = three_regions(neuronal=neuronal)
    inputs = blocks(60.0, 0.5)
    system = model.system(theta_of(model, TRUTH)[None])
    neuronal_states, observed, stable = simulate_states(system, inputs, 30, DELAYS)
    exact_states, exact_signal = by_solve_ivp(system, inputs, sample_bins(120, 30, DELAYS, 0.5))
    assert stable.all()
    assert np.abs(neuronal_states[..., 0] - exact_states).max() < 1e-4 * np.abs(exact_states).max()
    assert np.abs(observed[..., 0] - exact_signal).max() < 1e-4 * np.abs(exact_signal).max()


def test_error_falls_with_the_fourth_power_of_the_step():
    model = three_regions()
    system, inputs = model.system(theta_of(model, TRUTH)[None]), blocks(60.0, 1.0)
    fine = simulate_states(system, inputs, 30, DELAYS, max_step=0.02)[1]
    errors = [np.abs(simulate_states(system, inputs, 30, DELAYS, max_step=step)[1] - fine).max() for step in (0.5, 0.25, 0.125)]
    assert np.polyfit(np.log([0.5, 0.25, 0.125]), np.log(errors), 1)[0] == pytest.approx(4, abs=0.4)


@pytest.mark.parametrize(("flow", "tolerance"), [("true", 1e-4), ("bilinear", 1e-4)])
def test_a_noiseless_recording_is_what_the_model_predicts_of_it(flow, tolerance):
    model = three_regions(flow=flow)
    recording = lc.simulate(model, TRUTH, blocks(), dt=2.0, delays=DELAYS)
    features = model.features(recording)
    predicted, stable = model.predict(theta_of(model, TRUTH), features)
    assert stable
    assert np.abs(predicted - recording.series.values).max() < tolerance * np.ptp(predicted)


def test_draws_are_independent_of_one_another():
    model = three_regions()
    theta = theta_of(model, TRUTH) + 0.05 * model.prior.sample(4, seed=1)
    together = simulate_states(model.system(theta), blocks(60.0), 30, DELAYS)[1]
    for draw in range(4):
        alone = simulate_states(model.system(theta[[draw]]), blocks(60.0), 30, DELAYS)[1]
        assert np.abs(together[..., draw] - alone[..., 0]).max() < 1e-12


def test_an_unstable_draw_is_set_aside_and_the_others_go_on():
    model = three_regions()
    calm, wild = theta_of(model, TRUTH), theta_of(model, {**TRUTH, "A[V1->V5]": 4.0, "A[V5->V1]": 4.0})
    _, observed, stable = simulate_states(model.system(np.stack([calm, wild])), blocks(60.0), 30, DELAYS)
    alone = simulate_states(model.system(calm[None]), blocks(60.0), 30, DELAYS)[1]
    assert stable.tolist() == [True, False]
    assert np.abs(observed[..., 0] - alone[..., 0]).max() < 1e-12
    assert np.isnan(observed[-1, :, 1]).all()


def test_neuronal_course_is_the_one_of_the_whole_system():
    model = three_regions()
    system, inputs = model.system(theta_of(model, TRUTH)[None]), blocks(40.0)
    course = neuronal_course(system, inputs)
    reads = sample_bins(len(inputs.values), 20, DELAYS, inputs.dt)
    states = simulate_states(system, inputs, 20, DELAYS)[0]
    assert np.abs(course[reads, np.arange(3), 0] - states[..., 0]).max() < 5e-5


def test_snr_is_sd_of_signal_over_sd_of_noise_in_each_region():
    model, inputs = three_regions(), blocks(2000.0, 0.5)
    clean = lc.simulate(model, TRUTH, inputs, dt=2.0).series.values
    noisy = lc.simulate(model, TRUTH, inputs, dt=2.0, snr=4.0, seed=3).series.values
    noise = noisy - clean
    ratio = clean.std(axis=0) / noise.std(axis=0)
    assert np.allclose(ratio, 4.0, rtol=4 / np.sqrt(2 * len(noise)))  # four standard errors of an sd
    white = np.array([np.corrcoef(column[:-1], column[1:])[0, 1] for column in noise.T])
    assert np.abs(white).max() < 4 / np.sqrt(len(noise))
    assert np.abs(np.corrcoef(noise.T) - np.eye(3)).max() < 4 / np.sqrt(len(noise))


def test_noise_follows_the_seed():
    model, inputs = three_regions(), blocks(60.0)
    first, again, other = (lc.simulate(model, TRUTH, inputs, dt=2.0, snr=2, seed=seed).series.values for seed in (5, 5, 6))
    assert np.array_equal(first, again) and not np.array_equal(first, other)


def test_names_and_vector_give_the_same():
    model, inputs = three_regions(), blocks(60.0)
    by_name = lc.simulate(model, TRUTH, inputs, dt=2.0)
    by_position = lc.simulate(model, theta_of(model, TRUTH), inputs, dt=2.0)
    assert np.array_equal(by_name.series.values, by_position.series.values)


def test_centred_inputs_are_kept_as_given_in_the_recording():
    inputs = blocks(60.0)
    recording = lc.simulate(three_regions(centre_inputs=True), {**TRUTH, "C[photic->V1]": 2.0}, inputs, dt=2.0)
    assert np.array_equal(recording.inputs.values, inputs.values)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"parameters": {"A[V1->V6]": 0.3}}, "Unknown parameter 'A.V1->V6.'.*'A.V1->V5.'"),
        ({"parameters": np.zeros(3)}, "must hold 13 values"),
        ({"parameters": {"A[V1->V5]": np.nan}}, "Parameter 'A.V1->V5.' must be finite"),
        ({"parameters": {**TRUTH, "A[V1->V5]": 9.0, "A[V5->V1]": 9.0}}, "left the model's bounds"),
        ({"dt": -1.0}, "positive number of seconds"),
        ({"n_scan": 40}, "cover"),
        ({"n_scan": 5, "dt": 12.0}, "at least 10"),
        ({"snr": 0.0}, "positive number"),
        ({"delays": [0.1, 0.1, 5.0]}, "delays"),
        ({"delays": [0.1, 0.1]}, "delays"),
        ({"echo_time": 40.0}, "seconds, not milliseconds"),
    ],
)
def test_bad_input_is_said_in_a_sentence(changes, sentence):
    arguments = {"parameters": TRUTH, "inputs": blocks(60.0), "dt": 2.0, **changes}
    with pytest.raises(lc.InputError, match=sentence):
        lc.simulate(three_regions(), **arguments)
