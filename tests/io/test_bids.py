"""From a BIDS data set on disk to a fitted DCM: what a run's files say arrives where it belongs, and what they lack is said."""

import json

import bids_sets
import made
import nibabel
import nifti_images
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose

import ltc_causal as lc
from ltc_causal.io.bids import read_bids
from ltc_causal.io.nifti import from_nifti

RUN = {"subject": "01", "task": "motion"}


@pytest.fixture(scope="module")
def raw(tmp_path_factory):
    return bids_sets.write(tmp_path_factory.mktemp("raw"))


@pytest.fixture(scope="module")
def prepared(tmp_path_factory, raw):
    """As fMRIPrep leaves it, within the data set."""
    return bids_sets.write_derivatives(raw / "derivatives" / "fmriprep")


@pytest.fixture
def atlas(raw):
    return {"atlas": raw / "atlas.nii.gz", "labels": bids_sets.LABELS}


def path_of(folder, name, sub="01"):
    return folder / f"sub-{sub}" / "func" / name


# --- what arrives ---------------------------------------------------------------------------------------------------------------------


def test_a_raw_run_arrives_whole(raw, atlas):
    recording = read_bids(raw, **RUN, **atlas)
    truth = made.simulated(0, bids_sets.N_SCAN)
    assert recording.regions == ("V1", "V5") and recording.series.dt == 2.0
    assert recording.echo_time == 0.03  # the subject's own, not the root's 0.05
    centred = truth.series.values - truth.series.values.mean(axis=0)
    assert_allclose(recording.series.values, centred, atol=1e-5)  # images hold single precision
    wanted = recording.inputs.select(made.INPUTS)
    assert np.array_equal(wanted.values, made.inputs(bids_sets.N_SCAN).values) and wanted.dt == 0.125
    assert np.array_equal(recording.confounds, np.ones((120, 1)))


def test_delays_are_those_of_the_regions_slices(raw, atlas):
    """Both regions lie in slices 2 to 5, the hole of the first takes a voxel out of slice 3."""
    recording = read_bids(raw, **RUN, **atlas)
    timing = np.array(bids_sets.TIMING)
    full = timing[2:6].mean()
    assert recording.delays[1] == pytest.approx(full)
    assert recording.delays[0] == pytest.approx((40 * full - timing[3]) / 39)
    assert read_bids(raw, **RUN, **atlas, delays=0.4).delays.tolist() == [0.4, 0.4]


def test_the_image_is_read_as_from_nifti_reads_it(raw, atlas):
    image = path_of(raw, "sub-01_task-motion_bold.nii.gz")
    spheres = {"V1": (24.0, -15.0, -6.0), "V5": (15.0, -15.0, -6.0)}
    for options in (atlas, {"spheres": spheres, "radius": 5.0, "percent": False, "summary": "eigenvariate"}):
        assert np.array_equal(read_bids(raw, **RUN, **options).series.values, from_nifti(image, **options).values)


def test_fmripreps_output_with_its_confounds(raw, prepared, atlas):
    recording = read_bids(raw, **RUN, derivatives=prepared, **atlas)
    assert recording.delays.tolist() == [0.975, 0.975] and recording.echo_time == 0.03
    table = bids_sets.confounds()
    names = [*table.columns[:6], "cosine00", "cosine01"]
    chosen = table[names].to_numpy()
    expected = np.column_stack([np.ones(120), (chosen - chosen.mean(axis=0)) / chosen.std(axis=0)])
    assert_allclose(recording.confounds, expected, atol=1e-12)
    assert set(recording.inputs.names) == set(made.INPUTS)


def test_missing_first_rows_take_the_first_value_known(raw, prepared, atlas):
    wanted = ["trans_x_derivative1", "framewise_displacement", "motion_outlier*"]
    recording = read_bids(raw, **RUN, derivatives=prepared, **atlas, confounds=wanted)
    column = bids_sets.confounds()["trans_x_derivative1"].to_numpy(copy=True)
    column[0] = column[1]
    assert_allclose(recording.confounds[:, 1], (column - column.mean()) / column.std(), atol=1e-12)
    outlier = recording.confounds[:, 3]
    assert np.argmax(outlier) == 17 and np.ptp(np.delete(outlier, 17)) == 0
    assert read_bids(raw, **RUN, derivatives=prepared, **atlas, confounds=()).confounds.shape == (120, 1)


def test_confounds_leave_an_eigenvariate_before_it_is_taken(raw, prepared, atlas):
    recording = read_bids(raw, **RUN, derivatives=prepared, **atlas, summary="eigenvariate")
    assert np.abs(recording.confounds.T @ recording.series.values).max() < 1e-9 * 120
    mean = read_bids(raw, **RUN, derivatives=prepared, **atlas)
    assert np.abs(mean.confounds.T @ mean.series.values).max() > 0.1


def test_conditions_and_grid_are_chosen(raw, atlas):
    recording = read_bids(raw, **RUN, **atlas, conditions=["attention"], input_dt=0.5)
    assert recording.inputs.names == ("attention",) and recording.inputs.dt == 0.5


# --- to a fitted DCM ------------------------------------------------------------------------------------------------------------------


def test_a_dcm_fitted_to_the_data_set_is_the_one_fitted_to_the_signal_itself(raw, atlas):
    recording = read_bids(raw, **RUN, **atlas, conditions=made.INPUTS, delays=1.0)
    truth = made.simulated(0, bids_sets.N_SCAN)
    known = lc.Recording(truth.series, truth.inputs, echo_time=bids_sets.TE)
    found, direct = lc.fit(made.model(), recording), lc.fit(made.model(), known)
    assert found.status.ok
    assert direct.distance(found) < 1e-3  # posterior sd
    for name, value in (("A[V1->V5]", 0.4), ("B[attention: V1->V5]", 0.5)):
        place = found.coupling_posterior.index(name)
        lower, upper = found.coupling_posterior.interval(0.999)
        assert lower[place] < value < upper[place]


# --- which files ----------------------------------------------------------------------------------------------------------------------


def test_runs_are_told_apart(tmp_path, atlas):
    folder = bids_sets.write(tmp_path, runs=(1, 2))
    with pytest.raises(
        lc.InputError, match=r"2 images of .* answer to sub-01, task-motion \(.*run-01_bold.nii.gz, .*run-02.*\): say which by run"
    ):
        read_bids(folder, **RUN, **atlas)
    second = read_bids(folder, **RUN, **atlas, run=2)
    assert np.array_equal(second.series.values, read_bids(folder, **RUN, **atlas, run="02").series.values)
    third = read_bids(folder, **RUN, **atlas, entities={"run": "1"})
    assert not np.array_equal(second.series.values, third.series.values)


def test_spaces_are_told_apart(tmp_path, raw, atlas):
    place = bids_sets.write_derivatives(tmp_path, spaces=("T1w", "MNI152NLin2009cAsym"))
    with pytest.raises(lc.InputError, match="say which by space"):
        read_bids(raw, **RUN, **atlas, derivatives=place)
    assert read_bids(raw, **RUN, **atlas, derivatives=place, space="T1w").series.values.shape == (120, 2)


def test_sessions_inherit_and_override(tmp_path, atlas):
    """A sidecar in the session's folder beats the subject's and the root's; one for another task does not apply."""
    func = tmp_path / "sub-7" / "ses-a" / "func"
    bids_sets.image(func / "sub-7_ses-a_task-motion_bold.nii")
    bids_sets.write_json(tmp_path / "bold.json", RepetitionTime=2.0, EchoTime=0.01)
    bids_sets.write_json(tmp_path / "task-rest_bold.json", EchoTime=0.02)
    bids_sets.write_json(tmp_path / "sub-7" / "ses-a" / "sub-7_ses-a_bold.json", EchoTime=0.035)
    bids_sets.write_json(func / "sub-7_ses-a_task-rest_bold.json", EchoTime=0.06)
    bids_sets.write_tsv(tmp_path / "task-motion_events.tsv", bids_sets.events())
    recording = read_bids(tmp_path, subject="sub-7", task="motion", session="a", **atlas)
    assert recording.echo_time == 0.035 and set(recording.inputs.names) == set(made.INPUTS)
    bids_sets.write_json(func / "sub-7_ses-a_task-motion_bold.json", EchoTime=0.04)
    assert read_bids(tmp_path, subject="7", task="motion", **atlas).echo_time == 0.04


def test_without_events_and_slice_times_it_is_a_recording_at_rest(tmp_path, atlas):
    bids_sets.image(path_of(tmp_path, "sub-01_task-rest_bold.nii.gz"))
    bids_sets.write_json(tmp_path / "task-rest_bold.json", RepetitionTime=2.0, EchoTime=0.03)
    recording = read_bids(tmp_path, subject="01", task="rest", **atlas)
    assert recording.inputs.names == () and recording.delays.tolist() == [1.0, 1.0]


def test_a_standard_space_without_correction_has_no_slices(tmp_path, raw, atlas):
    place = bids_sets.write_derivatives(tmp_path)
    sidecar = next((tmp_path / "sub-01" / "func").glob("*preproc_bold.json"))
    sidecar.write_text(json.dumps({"RepetitionTime": 2.0, "SliceTimingCorrected": False}))
    assert read_bids(raw, **RUN, **atlas, derivatives=place).delays.tolist() == [1.0, 1.0]


# --- what is refused ------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"subject": "02"}, r"Unknown subject '02' in .*: choose one of \['01'\]"),
        ({"task": "rest"}, "No image of .* answers to sub-01, task-rest: the subject has sub-01_task-motion_bold.nii.gz"),
        ({"conditions": ["motoin"]}, "Unknown condition 'motoin'"),
        ({"confounds": ["trans_x"]}, "Confounds are in fMRIPrep's output: give its folder by derivatives="),
        ({"derivatives": "absent"}, "There is no folder of a derivatives at absent"),
        ({"atlas": None}, "give atlas= or spheres="),
        ({"delays": 3.0}, "delays must hold 2 values"),
        ({"input_dt": -1}, "input_dt must be a positive number of seconds"),
    ],
)
def test_what_is_not_there_is_said(raw, atlas, options, said):
    with pytest.raises(lc.InputError, match=said):
        read_bids(raw, **{**RUN, **atlas, **options})


@pytest.mark.parametrize(
    ("wanted", "said"),
    [
        (["trans_w"], "Unknown confound 'trans_w' in .*: did you mean 'trans_"),
        (["a_comp_cor_*"], r"Unknown confound 'a_comp_cor_\*'"),
        (["global_signal"], "Confound 'global_signal' of .* is missing in row 51, after others"),
        (["framewise_displacement"], "Confound 'framewise_displacement' of .* has no value at all"),
    ],
)
def test_bad_confounds_are_named(tmp_path, raw, atlas, wanted, said):
    place = bids_sets.write_derivatives(tmp_path)
    table = bids_sets.confounds()
    table.loc[50, "global_signal"] = np.nan
    table["framewise_displacement"] = np.nan
    bids_sets.write_tsv(path_of(place, "sub-01_task-motion_desc-confounds_timeseries.tsv"), table)
    with pytest.raises(lc.InputError, match=said):
        read_bids(raw, **RUN, **atlas, derivatives=place, confounds=wanted)


def test_a_table_of_another_length_is_refused(tmp_path, raw, atlas):
    place = bids_sets.write_derivatives(tmp_path)
    bids_sets.write_tsv(path_of(place, "sub-01_task-motion_desc-confounds_timeseries.tsv"), bids_sets.confounds()[:-3])
    with pytest.raises(lc.InputError, match="has 117 rows, but .* has 120 scans"):
        read_bids(raw, **RUN, **atlas, derivatives=place)


@pytest.mark.parametrize(
    ("sidecar", "said"),
    [
        ({"RepetitionTime": 2.0}, "No sidecar of .* gives its EchoTime, which the signal depends on: give echo_time= in seconds"),
        (
            {"RepetitionTime": 2.5, "EchoTime": 0.03},
            r"says a scan takes 2.5 s \(RepetitionTime\), the image's header 2 s: say which by dt=",
        ),
        ({"RepetitionTime": "2", "EchoTime": 0.03}, "says RepetitionTime '2': it must be a number of seconds"),
        ({"RepetitionTime": 0, "EchoTime": 0.03}, "RepetitionTime of .* must be a positive number of seconds"),
        ({"EchoTime": 30}, "echo times lie below 0.1 s: give seconds, not milliseconds"),
        ({"EchoTime": 0.03, "SliceTiming": [0.0, 1.0]}, "SliceTiming gives 2 times, but .* has 8 slices"),
        ({"EchoTime": 0.03, "SliceTiming": [250.0 * k for k in range(8)]}, r"SliceTiming of .* goes to .* but a scan takes 2 s"),
        ({"EchoTime": 0.03, "SliceTiming": "interleaved"}, "SliceTiming must be an array of numbers"),
        ({"EchoTime": 0.03, "SliceTiming": bids_sets.TIMING, "SliceEncodingDirection": "z"}, "SliceEncodingDirection must be one of"),
    ],
)
def test_sidecars_that_lack_or_contradict_are_said(tmp_path, atlas, sidecar, said):
    bids_sets.image(path_of(tmp_path, "sub-01_task-rest_bold.nii.gz"))
    bids_sets.write_json(tmp_path / "task-rest_bold.json", **sidecar)
    with pytest.raises(lc.InputError, match=said):
        read_bids(tmp_path, subject="01", task="rest", **atlas)


@pytest.mark.parametrize("content", ["{", "[1]", ""])
def test_a_sidecar_that_is_no_json_is_named(tmp_path, atlas, content):
    bids_sets.image(path_of(tmp_path, "sub-01_task-rest_bold.nii.gz"))
    (tmp_path / "task-rest_bold.json").write_text(content)
    with pytest.raises(lc.InputError, match="The sidecar .*task-rest_bold.json"):
        read_bids(tmp_path, subject="01", task="rest", **atlas)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3) | st.sampled_from([2.0, 0.03, "k", "j-"]),
    lambda parts: st.lists(parts, max_size=8) | st.dictionaries(st.text(max_size=2), parts, max_size=2),
    max_leaves=10,
)
FIELDS = ["RepetitionTime", "EchoTime", "SliceTiming", "SliceEncodingDirection", "SliceTimingCorrected", "StartTime"]
KNOWN = {"RepetitionTime": 2.0, "EchoTime": 0.03}


@given(changes=st.dictionaries(st.sampled_from(FIELDS), JSON, max_size=3))
def test_any_sidecar_gives_a_recording_or_one_sentence(tmp_path_factory, atlas_of, changes):
    folder = tmp_path_factory.mktemp("any")
    path = path_of(folder, "sub-01_task-motion_bold.nii")
    path.parent.mkdir(parents=True)
    path.symlink_to(atlas_of["image"])
    (folder / "task-motion_bold.json").write_text(json.dumps(KNOWN | changes))
    try:
        recording = read_bids(folder, **RUN, atlas=atlas_of["atlas"])
    except lc.InputError as error:
        assert "\n" not in str(error)
    else:
        assert 0 <= recording.delays.min() <= recording.delays.max() <= recording.series.dt == 2.0


@pytest.fixture(scope="module")
def atlas_of(tmp_path_factory):
    """An image of twelve scans on disk, and its atlas."""
    path = tmp_path_factory.mktemp("image") / "short.nii"
    image = nifti_images.bold(np.random.default_rng(0).standard_normal((12, 2)), nifti_images.labels(2))
    nibabel.save(image, path)
    return {"image": path, "atlas": nifti_images.labels(2)}


def test_an_image_in_whole_numbers_is_read_as_well(tmp_path, raw, atlas):
    """As scanners write them: 16 bits."""
    stem = path_of(tmp_path, "sub-01_task-motion_bold.nii.gz")
    bids_sets.image(stem, dtype=np.int16)
    assert nibabel.load(stem).get_data_dtype() == np.int16
    bids_sets.write_json(tmp_path / "task-motion_bold.json", RepetitionTime=2.0, EchoTime=0.03)
    bids_sets.write_tsv(tmp_path / "task-motion_events.tsv", bids_sets.events())
    rounded = read_bids(tmp_path, **RUN, **atlas).series.values
    assert_allclose(rounded, read_bids(raw, **RUN, **atlas).series.values, atol=0.2)


def test_events_beside_the_derivative_are_found_where_the_raw_data_have_none(tmp_path, atlas):
    place = bids_sets.write_derivatives(tmp_path / "out")
    (tmp_path / "raw").mkdir()
    bids_sets.write_tsv(path_of(place, "sub-01_task-motion_events.tsv"), bids_sets.events())
    recording = read_bids(tmp_path / "raw", **RUN, **atlas, derivatives=place, echo_time=0.03)
    assert set(recording.inputs.names) == set(made.INPUTS)
