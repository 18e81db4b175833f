"""Small tables as they lie on the disk, and what stands for what is missing."""

from pathlib import Path

import numpy as np
import pytest

from models.data.absent import AbsentDataSet
from models.data.small_tables import filled, names_of, read_table


def test_what_is_missing_is_the_median_of_its_column_or_nothing() -> None:
    nan = np.nan
    rows = np.array([[1, nan, nan], [nan, nan, 4], [3, nan, 6], [7, nan, 8]], np.float32)
    assert filled(rows).tolist() == [[1, 0, 6], [3, 0, 4], [3, 0, 6], [7, 0, 8]]
    assert filled(rows).dtype == np.float32


def test_a_table_that_is_not_here_is_named(tmp_path: Path) -> None:
    assert len(names_of("tabular_cls")) == 20
    with pytest.raises(AbsentDataSet, match="tabular_cls"):
        read_table(tmp_path, "tabular_cls", "iris")
