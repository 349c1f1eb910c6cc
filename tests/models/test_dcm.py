"""The model class: its parameters by name, its border, and the symmetries that its prediction must have."""

import json
from dataclasses import replace

import made
import numpy as np
import pytest
import spm_reference
from hypothesis import given, settings
from hypothesis import strategies as st

import ltc_causal as lc

REGIONS, INPUTS = ["V1", "V5", "SPC"], ["photic", "motion"]
SETTINGS = dict(
    regions=REGIONS,
    inputs=INPUTS,
    intrinsic=[("V1", "V5"), ("V5", "SPC")],
    modulatory={"motion": [("V1", "V5")]},
    driving=[("photic", "V1")],
)


def _recording(seed=0, regions=REGIONS, inputs=INPUTS, delays=None):
    rng = np.random.default_rng(seed)
    u = np.repeat(rng.integers(0, 2, (16, len(inputs))), 20, axis=0).astype(float)
    series = lc.TimeSeries(np.cumsum(rng.standard_normal((40, len(regions))), axis=0), 2.0, regions)
    return lc.Recording(series, lc.Inputs(u, 0.25, inputs), delays=delays)


def test_pairs_and_arrays_say_the_same():
    a = np.zeros((3, 3), dtype=bool)
    a[1, 0] = a[2, 1] = True
    b = np.zeros((2, 3, 3), dtype=bool)
    b[1, 1, 0] = True
    c = np.zeros((3, 2), dtype=bool)
    c[0, 0] = True
    by_pairs, by_arrays = lc.DCM(**SETTINGS), lc.DCM(REGIONS, INPUTS, a, b, c)
    mixed = lc.DCM(REGIONS, INPUTS, a, {"motion": b[1]}, [("photic", "V1")])
    assert by_pairs.prior.names == by_arrays.prior.names == mixed.prior.names
    assert by_pairs.edge_names == ("A[V1->V1]", "A[V1->V5]", "A[V5->V5]", "A[V5->SPC]", "A[SPC->SPC]", "B[motion: V1->V5]", "C[photic->V1]")


def test_coupling_is_in_hz_with_the_true_self_coupling():
    model = lc.DCM(**SETTINGS)
    theta = np.zeros(len(model.prior.names))
    for name, value in {"A[V1->V5]": 0.4, "A[V5->V5]": np.log(1.2), "B[motion: V1->V5]": -0.1, "C[photic->V1]": 1.6}.items():
        theta[model.prior.index(name)] = value
    coupling = model.coupling(theta)
    assert coupling.A[1, 0] == 0.4 and coupling.A[0, 1] == 0
    assert coupling.A[1, 1] == pytest.approx(-0.6) and coupling.A[0, 0] == -0.5
    assert coupling.B[1, 1, 0] == -0.1
    assert coupling.C[0, 0] == pytest.approx(0.1)  # C/16
    names = dict(zip(model.edge_names, model.edge_values(theta), strict=True))
    assert names["A[V5->V5]"] == pytest.approx(-0.6) and names["C[photic->V1]"] == pytest.approx(0.1)


STATED = {("V1", "V5"): (0.3, 0.1), ("photic", "V1"): (2.0, 0.5), "B[motion: V1->V5]": (0.2, 0.3), "epsilon": (0.1, 0.0)}


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"neuronal": "liquid", "per_edge": ["tau", "kappa"], "gating": {"SPC": [("V1", "V5")]}},
        {"neuronal": "two_state", "flow": "true"},
        {"prior": STATED, "signal_range": None, "noise": lc.NoisePrior(2.0, 3.0)},
        {"neuronal": "nonlinear", "gating": {"SPC": [("V1", "V5")]}, "flow": "spm"},
    ],
)
def test_specification_survives_json(options):
    model = lc.DCM(**SETTINGS, **options, centre_inputs=True)
    again = lc.DCM.from_spec(json.loads(json.dumps(model.to_spec())))
    assert again.to_spec() == model.to_spec() and again.prior.names == model.prior.names
    np.testing.assert_array_equal(again.prior.mean, model.prior.mean)
    np.testing.assert_array_equal(again.prior.cov, model.prior.cov)
    assert again.noise == model.noise and again.flow == model.flow


def test_a_stated_prior_takes_the_place_of_the_usual_one():
    model, usual = lc.DCM(**SETTINGS, prior=STATED), lc.DCM(**SETTINGS).prior
    stated = {"A[V1->V5]": (0.3, 0.1), "C[photic->V1]": (2.0, 0.5), "B[motion: V1->V5]": (0.2, 0.3), "epsilon": (0.1, 0.0)}
    for name, mean, sd in zip(model.prior.names, model.prior.mean, model.prior.sd, strict=True):
        expected = stated.get(name, (usual.mean[usual.index(name)], usual.sd[usual.index(name)]))
        assert (mean, sd) == pytest.approx(expected)
    assert not model.prior.free[model.prior.index("epsilon")]
    liquid = model.with_flow("true").with_neuronal("liquid")
    assert liquid.prior.mean[liquid.prior.index("A[V1->V5]")] == 0.3
    with pytest.raises(lc.InputError, match="scale of a bilinear model"):
        model.with_neuronal("two_state")


def test_a_fixed_parameter_stays_and_costs_nothing():
    """Fixed at its prior mean it is as if it were no parameter: the derivative has no column for it, and the others' are the same."""
    recording = _recording()
    free, fixed = lc.DCM(**SETTINGS), lc.DCM(**SETTINGS, prior={"epsilon": (0.0, 0.0), ("V1", "V5"): (1 / 128, 0.0)})
    theta = free.prior.mean
    kept = [p for p, name in enumerate(free.prior.names) if name not in ("epsilon", "A[V1->V5]")]
    jacobian = free.linearise(theta, free.features(recording))[1][..., kept]
    np.testing.assert_allclose(fixed.linearise(theta, fixed.features(recording))[1], jacobian, rtol=1e-12, atol=1e-15)


def test_features_of_another_model_are_refused():
    recording = _recording()
    one, other = lc.DCM(**SETTINGS), lc.DCM(**{**SETTINGS, "intrinsic": [("V1", "V5"), ("SPC", "V5")]})
    with pytest.raises(lc.InputError, match="other free parameters"):
        one.linearise(one.prior.mean, other.features(recording))


def test_the_signal_is_scaled_only_if_asked():
    recording = _recording()
    span = np.ptp(recording.series.values - recording.series.values.mean(axis=0))
    assert span > 4
    assert lc.DCM(**SETTINGS).features(recording).scale == pytest.approx(4 / span)
    assert lc.DCM(**SETTINGS, signal_range=2).features(recording).scale == pytest.approx(2 / span)
    assert lc.DCM(**SETTINGS, signal_range=None).features(recording).scale == 1


def test_principal_modes_confine_the_priors_of_intrinsic_connections():
    """With as many modes as regions nothing changes; with fewer, all that is left of A lies in their space, on either side."""
    names = [f"R{i}" for i in range(4)]
    recording = _recording(regions=names)
    model = lc.DCM(names, INPUTS, np.ones((4, 4), dtype=bool), driving=[("photic", "R0")])
    np.testing.assert_allclose(model.with_principal_modes(recording, 4).prior.cov, model.prior.cov, atol=1e-14)
    prior = model.with_principal_modes(recording, 2).prior
    own = [prior.index(f"A[{source}->{target}]") for source in names for target in names]
    values, vectors = np.linalg.eigh(prior.cov[np.ix_(own, own)])
    assert (values > 1e-12).sum() == 4  # two modes on two modes
    signal = recording.series.values - recording.series.values.mean(axis=0)
    V = np.linalg.eigh(signal.T @ signal)[1][:, -2:]
    for vector in vectors.T[values > 1e-12]:
        A = vector.reshape(4, 4).T  # columns are sources
        np.testing.assert_allclose(V @ V.T @ A @ V @ V.T, A, atol=1e-12)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"intrinsic": [("V1", "V4")]}, "Unknown target 'V4' in DCM intrinsic: choose one of"),
        ({"intrinsic": ["V1", "V5"]}, "pairs"),
        ({"intrinsic": np.zeros((2, 2), dtype=bool)}, r"shape \(3, 3\)"),
        ({"intrinsic": np.full((3, 3), 0.3)}, "True and False"),
        ({"modulatory": {"motino": [("V1", "V5")]}}, "did you mean 'motion'"),
        ({"modulatory": np.zeros((3, 3), dtype=bool)}, r"\(2, 3, 3\)"),
        ({"modulatory": [("V1", "V5")]}, "connections of each input"),
        ({"driving": [("V1", "photic")]}, "Unknown"),
        ({"regions": ["V1", "V1", "SPC"]}, "distinct"),
        ({"regions": "V1"}, "single string"),
        ({"neuronal": "cubic"}, "one of"),
        ({"flow": "exact"}, "flow='bilinear' or flow='true'"),
        ({"gating": {"SPC": [("V1", "V5")]}}, "needs neuronal='nonlinear' or 'liquid'"),
        ({"gating": {"SCP": [("V1", "V5")]}, "neuronal": "nonlinear"}, "did you mean 'SPC'"),
        ({"per_edge": ["kappa"]}, "this one is bilinear"),
        ({"per_edge": ["kapa"], "neuronal": "liquid"}, "one of"),
        ({"neuronal": "two_state", "modulatory": {"motion": [("SPC", "V1")]}}, "not intrinsic"),
        ({"signal_range": 0}, "positive number"),
        ({"prior": {("V1", "V4"): (0, 1)}}, r"Unknown parameter 'A\[V1->V4\]' in DCM.prior: did you mean"),
        ({"prior": [0.3]}, "or a Gaussian"),
        ({"noise": (4, 4)}, "write NoisePrior"),
        ({"prior": {"decay": 0.3}}, r"must be \(mean, sd\)"),
        ({"prior": {"decay": (0.3, -1)}}, "sd of at least 0"),
        ({"neuronal": "liquid", "flow": "bilinear"}, "only flow='true'"),
        ({"driving": [], "modulatory": {}}, "flat signal"),
        ({"inputs": ["V1", "motion"], "driving": [("motion", "V5")]}, "both a region and an input"),
    ],
)
def test_a_wrong_model_is_refused_in_a_sentence(change, words):
    with pytest.raises(lc.InputError, match=words):
        lc.DCM(**{**SETTINGS, **change})


@pytest.mark.parametrize(
    ("regions", "inputs", "words"), [(["V1", "V5", "PFC"], INPUTS, "Unknown region 'SPC'"), (REGIONS, ["photic", "colour"], "'motion'")]
)
def test_a_recording_that_lacks_a_name_is_refused(regions, inputs, words):
    with pytest.raises(lc.InputError, match=words):
        lc.fit(lc.DCM(**SETTINGS), _recording(regions=regions, inputs=inputs))


GATING = {"SPC": [("V1", "V5"), ("V1", "V1")]}
# All but SPM's scheme for nonlinear models, which has neither symmetry: it renews its frozen terms by the first region's delay, and takes
# finite differences of one size whatever the input's.
EVERY_KIND = st.sampled_from(
    [
        {"flow": "bilinear"},
        {"flow": "true"},
        {"neuronal": "two_state", "flow": "bilinear"},
        {"neuronal": "two_state", "flow": "true"},
        {"neuronal": "nonlinear", "gating": GATING},
        {"neuronal": "liquid"},
        {"neuronal": "liquid", "gating": GATING, "per_edge": ["kappa", "tau", "lambda"]},
    ]
)


@settings(max_examples=40)
@given(seed=st.integers(0, 1000), kind=EVERY_KIND, order=st.permutations([0, 1, 2]))
def test_relabelling_regions_permutes_the_prediction(seed, kind, order):
    rng = np.random.default_rng(seed)
    model = lc.DCM(**SETTINGS, **kind)
    permuted = lc.DCM(**{**SETTINGS, "regions": [REGIONS[i] for i in order]}, **kind)
    recording = _recording(seed, delays=[0.5, 1.0, 1.75])
    values = dict(zip(model.prior.names, model.prior.mean + 0.2 * rng.standard_normal(len(model.prior.names)), strict=True))
    theta = np.array([values[name] for name in permuted.prior.names])
    prediction = model.predict(np.array(list(values.values())), model.features(recording))[0]
    np.testing.assert_allclose(permuted.predict(theta, permuted.features(recording))[0], prediction[:, order], rtol=1e-10, atol=1e-13)


@pytest.mark.parametrize("path", ["spm", "fixed_point"])
def test_relabelling_regions_permutes_the_fit(path):
    model, recording, _ = spm_reference.case("bilinear3_1")
    order = [2, 0, 1]
    names = [recording.regions[i] for i in order]
    masks = model.intrinsic[np.ix_(order, order)], model.modulatory[np.ix_([0, 1, 2], order, order)], model.driving[order]
    permuted = lc.DCM(names, model.inputs, *masks, centre_inputs=model.centre_inputs)
    method = lc.VariationalLaplace(path=path)
    one, other = lc.fit(model, recording, method), lc.fit(permuted, recording.select(names), method)
    at = [other.posterior.index(name) for name in one.posterior.names]
    np.testing.assert_allclose(other.posterior.mean[at], one.posterior.mean, atol=1e-6)
    np.testing.assert_allclose(other.posterior.cov[np.ix_(at, at)], one.posterior.cov, atol=1e-7)
    assert other.free_energy == pytest.approx(one.free_energy, abs=1e-6)
    np.testing.assert_allclose(other.prediction, one.prediction[:, order], atol=1e-6)


@settings(max_examples=40)
@given(seed=st.integers(0, 1000), kind=EVERY_KIND)
def test_doubling_an_input_and_halving_what_it_does_leaves_the_prediction(seed, kind):
    rng = np.random.default_rng(seed)
    model = lc.DCM(**SETTINGS, **kind)
    recording = _recording(seed)
    doubled = lc.Recording(recording.series, lc.Inputs(2 * recording.inputs.values, 0.25, INPUTS))
    theta = model.prior.mean + 0.2 * rng.standard_normal(len(model.prior.names))
    halved = np.where([name[0] in "BC" for name in model.prior.names], theta / 2, theta)
    np.testing.assert_allclose(
        model.predict(theta, model.features(recording))[0], model.predict(halved, model.features(doubled))[0], rtol=1e-10, atol=1e-13
    )


def test_scaling_to_a_range_of_four_is_undone_in_the_fit():
    """Fits of a signal and of ten times that signal are the same model in different units."""
    model, recording, _ = spm_reference.case("bilinear3_1")
    larger = lc.Recording(
        lc.TimeSeries(10 * recording.series.values, recording.series.dt, recording.regions),
        recording.inputs,
        recording.confounds,
        delays=recording.delays,
    )
    assert np.ptp(recording.series.values) > 4
    small, large = lc.fit(model, recording), lc.fit(model, larger)
    np.testing.assert_allclose(large.posterior.mean, small.posterior.mean, atol=1e-8)
    np.testing.assert_allclose(large.prediction, 10 * small.prediction, rtol=1e-8, atol=1e-10)


def test_system_is_the_fitted_model():
    """What simulation and interventions integrate is what the inversion predicts, for both flows and for every neuronal model."""
    recording = _recording(3, delays=[0.5, 1.0, 1.75])
    kinds = [({"neuronal": kind, "flow": "bilinear"}, 1e-4) for kind in ("bilinear", "two_state")]
    kinds += [({"neuronal": kind, "flow": "true"}, 1e-10) for kind in ("bilinear", "two_state", "nonlinear", "liquid")]
    for kind, tolerance in kinds:
        model = lc.DCM(**SETTINGS, **kind, gating=GATING if kind["neuronal"] == "nonlinear" else {})
        theta = model.prior.mean.copy()
        theta[model.prior.index("A[V1->V5]")], theta[model.prior.index("C[photic->V1]")] = 0.5, 4.0
        prediction = model.predict(theta, model.features(recording))[0]
        simulated = lc.simulate(model, theta, recording.inputs, dt=2.0, delays=recording.delays)
        assert np.abs(simulated.series.values - prediction).max() <= tolerance * np.abs(prediction).max()


def test_a_model_of_some_of_the_recorded_regions_fits_those():
    recording = _recording(regions=["PFC", "SPC", "V5", "V1"], delays=[0.25, 0.5, 1.0, 1.75])
    fit = lc.fit(lc.DCM(**SETTINGS), recording)
    same = lc.fit(lc.DCM(**SETTINGS), recording.select(REGIONS))
    assert fit.recording.regions == tuple(REGIONS) and fit.residuals.shape == (40, 3)
    np.testing.assert_array_equal(fit.recording.delays, [1.75, 1.0, 0.5])
    np.testing.assert_array_equal(fit.posterior.mean, same.posterior.mean)


def test_a_prior_is_stated_once():
    with pytest.raises(lc.InputError, match=r"DCM\.prior states 'A\[V1->V5\]' twice, as \('V1', 'V5'\) and as 'A\[V1->V5\]'"):
        replace(made.model(), prior={("V1", "V5"): (0.1, 0.2), "A[V1->V5]": (0.3, 0.2)})


def test_scan_times_in_milliseconds_are_noticed():
    series = lc.TimeSeries(np.random.default_rng(0).normal(size=(20, 2)), 2000.0, ("V1", "V5"))
    recording = lc.Recording(series, lc.Inputs(np.zeros((40, 2)), 1000.0, made.model().inputs))
    with pytest.raises(lc.InputError, match="a scan every 2000 s, too slow for BOLD"):
        lc.fit(made.model(), recording)
