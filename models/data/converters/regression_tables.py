"""Single tables for regression: Weka's ARFF, and wines as CSV -> X, y, and what the columns are."""

import json
from pathlib import Path

import numpy as np

from models.data.converters.arff import read_arff

# our name -> file in renatopp/arff-datasets, without its suffix; the target is the last column
TABLES = {
    "abalone": "abalone",
    "autompg": "autompg",
    "bodyfat": "bodyfat",
    "cpu_act": "cpu.act",
    "kin8nm": "kin8nm",
    "puma8NH": "puma8NH",
    "bank8FM": "bank8FM",
    "cal_housing": "cal.housing",
    "machine_cpu": "machine.cpu",
    "delta_ailerons": "delta.ailerons",
    "stock": "stock",
    "servo": "servo",
    "autoprice": "autoprice",
}
WINES = ("red", "white")
MEASURED = (  # in a wine, in the order of the official files, which do not name them; the quality comes last
    "fixed_acidity",
    "volatile_acidity",
    "citric_acid",
    "residual_sugar",
    "chlorides",
    "free_so2",
    "total_so2",
    "density",
    "pH",
    "sulphates",
    "alcohol",
)
MAX_ROWS = 6_000  # of a larger table a sample is kept, in its order
SAMPLE_SEED = 0


def regression_tables(downloads: Path, out: Path) -> None:
    """One file a table."""
    for name in TABLES:
        table(downloads / f"{name}.arff", out / f"{name}.npz")
    for colour in WINES:
        wines(downloads / f"winequality-{colour}.csv", out / f"wine_quality_{colour}.npz")


def table(source: Path, path: Path) -> None:
    """A table in ARFF, or a sample of it."""
    columns, cells = read_arff(source)
    rows = np.array([[column.number(cell) for column, cell in zip(columns, row, strict=False)] for row in cells])
    rows, features = _sampled(rows).astype(np.float32), columns[:-1]
    np.savez_compressed(
        path,
        X=rows[:, :-1],
        y=rows[:, -1],
        feature_names=np.array([column.name for column in features]),
        feature_types=np.array(["cat" if column.values else "num" for column in features]),
        categories=np.array(json.dumps({column.name: list(column.values) for column in features if column.values})),
    )


def wines(source: Path, path: Path) -> None:
    """Wines of one colour, all of them."""
    rows = np.loadtxt(source, np.float32, delimiter=",", ndmin=2)
    np.savez_compressed(path, X=rows[:, :-1], y=rows[:, -1], feature_names=np.array(MEASURED))


def _sampled(rows: np.ndarray) -> np.ndarray:
    if len(rows) <= MAX_ROWS:
        return rows
    return rows[np.sort(np.random.default_rng(SAMPLE_SEED).choice(len(rows), MAX_ROWS, replace=False))]
