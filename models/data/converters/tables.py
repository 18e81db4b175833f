"""Small tables for classification: Weka's ARFF -> X, y, and what the columns are."""

import json
from pathlib import Path

import numpy as np

from models.data.converters.arff import Column, read_arff

# our name -> file in renatopp/arff-datasets, without its suffix
TABLES = {
    "anneal": "anneal",
    "balance_scale": "balance.scale",
    "breast_w": "breast.w",
    "car": "car",
    "credit_g": "credit.g",
    "haberman": "haberman",
    "heart_statlog": "heart.statlog",
    "hepatitis": "hepatitis",
    "ionosphere": "ionosphere",
    "iris": "iris",
    "letter": "letter",
    "optdigits": "optdigits",
    "page_blocks": "page.blocks",
    "splice": "splice",
    "tae": "tae",
    "tic_tac_toe": "tic-tac-toe",
    "vote": "vote",
    "waveform": "waveform5000",
    "wine": "wine",
    "zoo": "zoo",
}
NAMES_OF_ROWS = {"zoo": "animal", "splice": "Instance_name"}  # no features


def tables(downloads: Path, out: Path) -> None:
    """One file a table; the class is the column of that name, or the last."""
    for name in TABLES:
        columns, rows = read_arff(downloads / f"{name}.arff")
        _write(out / f"{name}.npz", columns, rows, NAMES_OF_ROWS.get(name))


def _write(path: Path, columns: list[Column], rows: list[list[str]], dropped: str | None) -> None:
    last = next((n for n, column in enumerate(columns) if column.name.lower() == "class"), len(columns) - 1)
    kept = [n for n, column in enumerate(columns) if n != last and column.name != dropped]
    present = {row[last] for row in rows}
    classes = [value for value in columns[last].values if value in present]
    features = [columns[n] for n in kept]
    values = np.array([[columns[n].number(row[n]) for n in kept] for row in rows], np.float32)
    np.savez_compressed(
        path,
        X=values,
        y=np.array([classes.index(row[last]) for row in rows], np.int16),
        feature_names=np.array([column.name for column in features]),
        feature_types=np.array(["cat" if column.values else "num" for column in features]),
        classes=np.array(classes),
        categories=np.array(json.dumps({column.name: list(column.values) for column in features if column.values})),
    )
