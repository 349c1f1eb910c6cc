"""Tables in the manner of BIDS hold the fit's own numbers, and can be read back by who knows BIDS only."""

import json
from functools import cache

import made
import numpy as np
import pandas as pd
import pytest

import ltc_causal as lc
from ltc_causal.io.bids import Name
from ltc_causal.io.derivatives import write_derivatives
from ltc_causal.io.recording import read_recording

RUN = {"subject": "01", "task": "motion"}


@cache
def fit():
    return made.fit()


def test_tables_and_their_json(tmp_path):
    paths = write_derivatives(fit(), tmp_path, **RUN, probability=0.8)
    assert [path.relative_to(tmp_path).as_posix() for path in paths] == [
        f"sub-01/func/sub-01_task-motion_desc-dcm_{suffix}.tsv" for suffix in ("coupling", "relmat", "timeseries")
    ]
    coupling, relmat, predicted = (pd.read_csv(path, sep="\t", na_values="n/a") for path in paths)
    pd.testing.assert_frame_equal(coupling.fillna({"by": ""}), fit().to_frame(0.8), check_exact=True, check_dtype=False)
    assert np.array_equal(relmat.to_numpy(), fit().coupling.A) and list(relmat) == ["V1", "V5"]
    assert relmat["V1"][1] == fit().coupling.edge("V1", "V5")  # row = target
    assert np.array_equal(predicted.to_numpy(), fit().prediction)
    words = [json.loads(path.with_suffix(".json").read_text()) for path in paths]
    assert set(words[0]["Columns"]) == set(coupling.columns) and words[0]["IntervalProbability"] == 0.8
    assert words[1]["Rows"] == "target" and words[1]["Units"] == "Hz"
    assert words[2]["SamplingFrequency"] == 0.5 and words[2]["Units"] == "% signal change"
    for one in words:
        assert one["Status"] == str(fit().status) and one["FreeEnergyNats"] == fit().free_energy and one["Seed"] == 0
        assert lc.DCM.from_spec(one["Specification"]).describe() == fit().model.describe()
    description = json.loads((tmp_path / "dataset_description.json").read_text())
    assert description["DatasetType"] == "derivative" and description["GeneratedBy"][0]["Name"] == "ltc_causal"


def test_missing_cells_are_those_of_bids(tmp_path):
    path = write_derivatives(fit(), tmp_path, **RUN)[0]
    row = next(line for line in path.read_text().splitlines() if line.startswith("C\t"))
    assert row.split("\t")[:4] == ["C", "photic", "V1", "n/a"]


def test_the_predicted_signal_reads_back_as_a_recording(tmp_path):
    path = write_derivatives(fit(), tmp_path, **RUN)[2]
    assert np.array_equal(read_recording(path, dt=2.0).series.values, fit().prediction)


def test_names_hold_every_entity(tmp_path):
    path = write_derivatives(fit(), tmp_path, **RUN, session="a", run=2, desc="liquid")[0]
    assert path.parent == tmp_path / "sub-01" / "ses-a" / "func"
    assert Name.of(path).entities == {"sub": "01", "ses": "a", "task": "motion", "run": "2", "desc": "liquid"}


def test_a_description_that_is_there_stays(tmp_path):
    (tmp_path / "dataset_description.json").write_text("{}")
    write_derivatives(fit(), tmp_path, **RUN)
    assert (tmp_path / "dataset_description.json").read_text() == "{}"


def test_sessions_have_a_predicted_signal_each(tmp_path):
    one, other = made.fit(seed=1), made.fit(seed=2)
    both = type(one)(**{**vars(one), "sessions": one.sessions + other.sessions})
    paths = write_derivatives(both, tmp_path, **RUN)
    assert [path.name.split("_")[2] for path in paths[2:]] == ["desc-dcmSession1", "desc-dcmSession2"]
    assert np.array_equal(pd.read_csv(paths[3], sep="\t").to_numpy(), other.prediction)


def test_a_reduction_has_its_certificate_beside_it(tmp_path):
    fitted = made.with_recording(made.fit(), made.simulated(n_scan=60))
    reduction = lc.reduce_to_dcm(fitted)
    paths = write_derivatives(reduction, tmp_path, **RUN, desc="reduced")
    assert len(paths) == 2
    assert json.loads(paths[0].with_suffix(".json").read_text())["Certificate"] == reduction.certificate.verdict


@pytest.mark.parametrize("change", [{"subject": "0 1"}, {"task": "a_b"}, {"run": "../x"}, {"desc": ""}])
def test_labels_are_letters_and_digits(tmp_path, change):
    with pytest.raises(lc.InputError, match="may hold letters and digits only"):
        write_derivatives(fit(), tmp_path, **{**RUN, **change})
    assert not list(tmp_path.rglob("*.tsv"))
