"""A table on disk is the table."""

import made
import pandas as pd

from ltc_causal.io.tables import write_coupling, write_table


def test_coupling_table_reads_back_exactly(tmp_path):
    fit = made.fit()
    write_coupling(fit, tmp_path / "coupling.csv", 0.8)
    read = pd.read_csv(tmp_path / "coupling.csv", keep_default_na=False)
    pd.testing.assert_frame_equal(read, fit.to_frame(0.8), check_exact=True, check_dtype=False)


def test_table_in_utf8_and_nothing_beside_it(tmp_path):
    write_table(pd.DataFrame({"do": ["V1 → V5 cut"], "x": [0.1 + 0.2]}), tmp_path / "deep" / "table.csv")
    assert (tmp_path / "deep" / "table.csv").read_bytes() == "do,x\nV1 → V5 cut,0.30000000000000004\n".encode()
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["table.csv"]
