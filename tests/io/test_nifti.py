"""Series from images: against nilearn's own maskers, SPM's formula of the eigenvariate in Octave, and closed forms."""

import shutil
import subprocess
import sys

import nibabel
import nifti_images
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from nilearn.maskers import NiftiLabelsMasker, NiftiMasker, NiftiSpheresMasker
from numpy.testing import assert_allclose
from scipy.io import loadmat, savemat

import ltc_causal as lc
from ltc_causal.io.nifti import from_nifti, region_voxels, slice_delays
from ltc_causal.io.voxels import first_eigenvariate

SPHERES = {"left": (10.0, -10.0, -4.0), "right": (0.0, 2.0, 0.0)}


@pytest.fixture(scope="module")
def atlas():
    return nifti_images.labels()


@pytest.fixture(scope="module")
def image(atlas):
    series = np.random.default_rng(1).standard_normal((40, 3))
    return nifti_images.bold(series, atlas)


# --- which voxels, and their mean -----------------------------------------------------------------------------------------------------


def test_means_of_labels_are_those_of_nilearn(image, atlas):
    ours = from_nifti(image, atlas=atlas, percent=False)
    assert_allclose(ours.values, NiftiLabelsMasker(atlas, standardize=None).fit_transform(image), rtol=1e-12)
    assert ours.regions == ("region10", "region20", "region30") and ours.dt == 2.0 and ours.unit == "a.u."


@pytest.mark.parametrize("radius", [4.0, 9.0])
def test_means_of_spheres_are_those_of_nilearn(image, radius):
    ours = from_nifti(image, spheres=SPHERES, radius=radius, percent=False)
    theirs = NiftiSpheresMasker(list(SPHERES.values()), radius=radius, allow_overlap=True, standardize=None).fit_transform(image)
    assert_allclose(ours.values, theirs, rtol=1e-6)  # nilearn counts in single precision here
    assert ours.regions == ("left", "right")


def test_an_atlas_on_another_grid_is_brought_onto_the_images(image, atlas):
    """The same labels in voxels of half the width."""
    affine = nifti_images.AFFINE @ np.diag([0.5, 0.5, 0.5, 1])
    affine[:3, 3] -= nifti_images.AFFINE[:3, :3] @ np.full(3, 0.25)
    finer = nibabel.Nifti1Image(np.kron(np.asarray(atlas.dataobj), np.ones((2, 2, 2), np.int16)), affine)
    here = from_nifti(image, atlas=finer, percent=False)
    assert_allclose(here.values, from_nifti(image, atlas=atlas, percent=False).values, rtol=1e-12)


def test_percent_is_of_the_regions_own_mean(image, atlas):
    raw = from_nifti(image, atlas=atlas, percent=False).values
    ours = from_nifti(image, atlas=atlas)
    assert_allclose(ours.values, 100 * (raw / raw.mean(axis=0) - 1), atol=1e-10)
    assert ours.unit == "% signal change"


def test_a_planted_series_comes_back_in_percent(atlas):
    series = np.random.default_rng(2).standard_normal((80, 3))
    found = from_nifti(nifti_images.bold(series, atlas, noise=0.0), atlas=atlas)
    centred = series - series.mean(axis=0)
    assert_allclose(found.values, centred, atol=1e-10)


def test_names_choose_regions(image, atlas, tmp_path):
    every = from_nifti(image, atlas=atlas)
    (tmp_path / "dseg.tsv").write_text("index\tname\n0\tnothing\n10\tV1\n20\tV5\n30\tSPC\n")
    for labels in (["V1", "V5", "SPC"], ["Background", "V1", "V5", "SPC"], tmp_path / "dseg.tsv"):
        named = from_nifti(image, atlas=atlas, labels=labels)
        assert named.regions == ("V1", "V5", "SPC") and np.array_equal(named.values, every.values)
    some = from_nifti(image, atlas=atlas, labels={"SPC": 30, "V1": 10})
    assert some.regions == ("SPC", "V1") and np.array_equal(some.values, every.values[:, [2, 0]])

    class Bunch:
        maps, labels = atlas, ["Background", "V1", "V5", "SPC"]

    assert from_nifti(image, atlas=Bunch()).regions == ("V1", "V5", "SPC")


def test_a_mask_and_dead_voxels_are_left_out(image, atlas):
    values = np.array(image.dataobj)
    where = np.argwhere(np.asarray(atlas.dataobj) == 10)
    values[tuple(where[0])] = 0.0
    values[tuple(where[1])] = np.nan
    mask = np.ones(nifti_images.SHAPE, np.int8)
    mask[tuple(where[2])] = 0
    found = from_nifti(
        nibabel.Nifti1Image(values, image.affine), atlas=atlas, mask=nibabel.Nifti1Image(mask, image.affine), percent=False, dt=2.0
    )
    expected = values[tuple(where[3:].T)].mean(axis=0)
    assert_allclose(found.values[:, 0], expected, rtol=1e-12)


@pytest.mark.parametrize(("unit", "zoom", "dt"), [("sec", 0.72, 0.72), ("msec", 720.0, 0.72), ("usec", 2e6, 2.0)])
def test_the_header_gives_the_scan_time(image, atlas, unit, zoom, dt, tmp_path):
    other = nibabel.Nifti1Image(np.asarray(image.dataobj), image.affine)
    other.header.set_xyzt_units("mm", unit)
    other.header.set_zooms((3.0, 3.0, 4.0, zoom))
    nibabel.save(other, tmp_path / "a.nii.gz")
    assert from_nifti(tmp_path / "a.nii.gz", atlas=atlas).dt == dt
    assert from_nifti(tmp_path / "a.nii.gz", atlas=atlas, dt=1.5).dt == 1.5


# --- the eigenvariate -----------------------------------------------------------------------------------------------------------------

OCTAVE = """
load in.mat
[vectors, values] = eig(y' * y);
[s, first] = max(diag(values));
v = vectors(:, first); v = v * sign(sum(v));
Y = (y * v / sqrt(s)) * sqrt(s / columns(y));
save -v7 out.mat Y
"""


@pytest.mark.skipif(shutil.which("octave-cli") is None, reason="needs GNU Octave")
@pytest.mark.parametrize("shape", [(40, 12), (12, 40)])
def test_eigenvariate_is_spms_formula_worked_out_by_eigenvectors_in_octave(tmp_path, shape):
    """Y = u sqrt(s / voxels), u = y v / sqrt(s), v the first eigenvector of y'y with the sign of its sum."""
    y = np.random.default_rng(3).standard_normal(shape) - 0.4
    savemat(tmp_path / "in.mat", {"y": y})
    run = subprocess.run(["octave-cli", "--no-init-file", "--eval", OCTAVE], cwd=tmp_path, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    assert_allclose(first_eigenvariate(y), loadmat(tmp_path / "out.mat")["Y"][:, 0], atol=1e-12)


@given(seed=st.integers(0, 10**6), n=st.integers(1, 30), flip=st.booleans())
def test_eigenvariate_of_one_course_in_many_voxels_is_in_closed_form(seed, n, flip):
    """y_j = a_j x: x sqrt(mean a^2), with the sign of sum a; of identical voxels x itself."""
    rng = np.random.default_rng(seed)
    x, a = rng.standard_normal(25), rng.uniform(-1, 2, n) * (-1 if flip else 1)
    assert_allclose(first_eigenvariate(np.outer(x, a)), x * np.sqrt((a**2).mean()) * np.sign(a.sum()), atol=1e-10)
    assert_allclose(first_eigenvariate(np.outer(x, np.ones(n))), x, atol=1e-10)


@given(seed=st.integers(0, 10**6), shape=st.tuples(st.integers(2, 30), st.integers(2, 30)))
def test_eigenvariate_explains_the_most(seed, shape):
    """Its square is the largest eigenvalue over the voxels; its sum of products with the voxels' mean is not negative."""
    y = np.random.default_rng(seed).standard_normal(shape)
    found = first_eigenvariate(y)
    assert_allclose(found @ found, np.linalg.eigvalsh(y @ y.T)[-1] / shape[1], rtol=1e-9)
    assert found @ y.mean(axis=1) >= -1e-9


def test_eigenvariate_of_an_image_is_that_of_its_voxels(image, atlas):
    """The voxels as nilearn's masker gives them; their means removed, confounds with them if there are any."""
    found = from_nifti(image, atlas=atlas, summary="eigenvariate", percent=False)
    mask = nibabel.Nifti1Image((np.asarray(atlas.dataobj) == 20).astype(np.int8), image.affine)
    y = NiftiMasker(mask, standardize=None).fit_transform(image)
    assert_allclose(found.values[:, 1], first_eigenvariate(y - y.mean(axis=0)), atol=1e-8)
    drift = np.linspace(-1, 1, 40)[:, None]
    X = np.column_stack([np.ones(40), drift])
    cleaned = y - X @ np.linalg.solve(X.T @ X, X.T @ y)
    adjusted = from_nifti(image, atlas=atlas, summary="eigenvariate", percent=False, confounds=drift)
    assert_allclose(adjusted.values[:, 1], first_eigenvariate(cleaned), atol=1e-8)
    in_percent = from_nifti(image, atlas=atlas, summary="eigenvariate")
    assert_allclose(in_percent.values[:, 1], 100 * found.values[:, 1] / y.mean(), rtol=1e-9)


# --- when ---------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("direction", ["k", "k-", "j", "i-"])
def test_a_region_is_sampled_when_its_slices_are(image, atlas, direction):
    axis = "ijk".index(direction[0])
    timing = np.random.default_rng(4).uniform(0, 2, nifti_images.SHAPE[axis])
    delays = slice_delays(image, region_voxels(image, atlas=atlas), timing, direction)
    along = timing[::-1] if "-" in direction else timing
    for place, value in enumerate((10, 20, 30)):
        slices = np.argwhere(np.asarray(atlas.dataobj) == value)[:, axis]
        assert_allclose(delays[place], np.mean([along[one] for one in slices]))


# --- what is refused ------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({}, "give atlas= or spheres=, one of the two"),
        ({"atlas": "absent.nii"}, "There is no atlas at absent.nii"),
        ({"atlas": 3}, "The atlas must be a path or a nibabel image, got int"),
        ({"spheres": {"V1": (500.0, 0, 0)}}, "Region 'V1' has no voxel in the image: check that atlas or coordinates are in its space"),
        ({"spheres": {"V1": (0, 0)}}, r"The centre of sphere 'V1' must be \(x, y, z\) in mm, got 2 numbers"),
        ({"spheres": SPHERES, "radius": -1}, "radius must be a positive number of mm"),
        ({"spheres": SPHERES, "summary": "median"}, "summary must be one of"),
        ({"spheres": SPHERES, "confounds": np.ones((3, 1))}, r"one row a scan \(40\), got 3"),
        ({"labels": ["V1"]}, "The atlas has 3 labels but 1 names are given"),
        ({"labels": {"V1": 11}}, "The atlas has no label 11 .of region 'V1'.: its labels are 10, 20, 30"),
        ({"labels": ["V1", "V1", "V2"]}, "'V1' occurs 2 times"),
    ],
)
def test_what_does_not_fit_is_one_sentence(image, atlas, options, said):
    options = {"atlas": atlas} | options if "labels" in options else options
    with pytest.raises(lc.InputError, match=said):
        from_nifti(image, **options)


def test_images_that_are_none_are_named(image, atlas, tmp_path):
    for name, content, said in (("a.nii", b"text", "cannot be read as a NIfTI image"), ("b.nii.gz", b"\x1f\x8b", "cannot be read")):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(lc.InputError, match=said):
            from_nifti(tmp_path / name, atlas=atlas)
    nibabel.save(image, tmp_path / "c.nii")
    whole = (tmp_path / "c.nii").read_bytes()
    (tmp_path / "c.nii").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(lc.InputError, match="check that it is one and whole"):
        from_nifti(tmp_path / "c.nii", atlas=atlas)
    with pytest.raises(lc.InputError, match=r"The image the image must have 4 dimensions, got shape \(12, 13, 8\)"):
        from_nifti(atlas, atlas=atlas)
    with pytest.raises(lc.InputError, match="must hold whole-number labels"):
        from_nifti(image, atlas=nibabel.Nifti1Image(np.full(nifti_images.SHAPE, 0.5), image.affine))


def test_an_atlas_of_another_place_is_said(image, atlas):
    elsewhere = atlas.affine.copy()
    elsewhere[:3, 3] += 1000
    with pytest.raises(lc.InputError, match="The atlas has no place in common with .*: bring both into one space"):
        from_nifti(image, atlas=nibabel.Nifti1Image(np.asarray(atlas.dataobj), elsewhere))


def test_a_header_that_promises_more_than_the_file_holds_is_refused_before_memory_is_asked_for(image, atlas, tmp_path):
    nibabel.save(image, tmp_path / "a.nii")
    content = bytearray((tmp_path / "a.nii").read_bytes())
    content[42:50] = np.array([32767] * 4, dtype="<i2").tobytes()
    (tmp_path / "a.nii").write_bytes(content)
    with pytest.raises(lc.InputError, match="its header does not fit its content"):
        from_nifti(tmp_path / "a.nii", atlas=atlas)


def test_a_header_without_a_scan_time_and_a_mean_of_zero_are_said(image, atlas):
    bare = nibabel.Nifti1Image(np.asarray(image.dataobj), image.affine)
    with pytest.raises(lc.InputError, match="The header of .* gives no scan time with a unit: give dt= in seconds"):
        from_nifti(bare, atlas=atlas)
    centred = nibabel.Nifti1Image(np.asarray(image.dataobj) - 600, image.affine)
    with pytest.raises(lc.InputError, match="so there is no change in percent of it"):
        from_nifti(centred, atlas=atlas, dt=2.0)


def test_missing_packages_are_named_with_their_extra():
    code = (
        "import sys; sys.modules['nibabel'] = None\n"
        "from ltc_causal.io.nifti import from_nifti\n"
        "try: from_nifti('a.nii', atlas='b.nii')\n"
        "except ValueError as error: print(error)"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert run.stdout.strip() == "Reading NIfTI images needs the package nibabel: install it with pip install 'ltc_causal[neuro]'."


@pytest.fixture(scope="module")
def on_disk(image, tmp_path_factory):
    path = tmp_path_factory.mktemp("whole") / "a.nii"
    nibabel.save(image.slicer[..., :12], path)
    return path


@given(place=st.integers(0, 360), content=st.binary(min_size=1, max_size=4), kept=st.floats(0, 1) | st.just(1.0))
def test_a_damaged_header_gives_a_series_or_one_sentence(tmp_path_factory, on_disk, atlas, place, content, kept):
    path = tmp_path_factory.mktemp("damaged") / "a.nii"
    whole = on_disk.read_bytes()
    path.write_bytes((whole[:place] + content + whole[place + len(content) :])[: int(kept * len(whole))])
    try:
        series = from_nifti(path, atlas=atlas)
    except lc.InputError as error:
        assert "\n" not in str(error)
    else:
        assert np.isfinite(series.values).all()
