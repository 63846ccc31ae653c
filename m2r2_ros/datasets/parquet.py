# SPDX-License-Identifier: Apache-2.0
"""Parquet within limits. It needs pyarrow, which only LeRobot's data sets do."""

from __future__ import annotations

import importlib
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from m2r2_ros.datasets.atomic import partial_file
from m2r2_ros.errors import M2R2Error
from m2r2_ros.small_files import open_file

MAX_ROWS = 20_000_000
MAX_FILES = 10_000


def arrow() -> Any:
    """The package. Raises M2R2Error where it is not installed."""
    try:
        importlib.import_module("pyarrow.parquet")
        return importlib.import_module("pyarrow")
    except ModuleNotFoundError as error:
        raise M2R2Error("LeRobot's form needs pyarrow: run `pip install pyarrow`") from error


def column_names(path: Path) -> list[str]:
    """Raises M2R2Error that names the file."""
    return _open(path).schema_arrow.names


def row_groups(paths: Sequence[Path], columns: Sequence[str]) -> Iterator[dict[str, list]]:
    """The columns of one row group after the other. Raises M2R2Error that names the file."""
    rows = 0
    for path in paths:
        file = _open(path)
        rows += file.metadata.num_rows
        if rows > MAX_ROWS:
            raise M2R2Error(f"{path}: more than {MAX_ROWS} rows")
        for number in range(file.metadata.num_row_groups):
            try:
                table = file.read_row_group(number, columns=list(columns))
                yield {name: table.column(name).to_pylist() for name in columns}
            except (arrow().ArrowException, OSError, KeyError) as error:
                raise M2R2Error(f"{path}: {' '.join(str(error).split())}") from error


def rows_where(path: Path, columns: Sequence[str], column: str, value: int) -> dict[str, list[Any]]:
    """The rows of which a column has a value. Raises M2R2Error that names the file."""
    pa = arrow()
    _open(path)
    try:
        table = pa.parquet.read_table(path, columns=list(columns), filters=[(column, "=", value)])
        return {name: table.column(name).to_pylist() for name in columns}
    except (pa.ArrowException, OSError, KeyError) as error:
        raise M2R2Error(f"{path}: {' '.join(str(error).split())}") from error


def write_table(path: Path, columns: dict[str, Any], index: str = "") -> None:
    """Write arrays of pyarrow; `index` is the column that pandas takes for the rows' names."""
    pa = arrow()
    table = pa.table(columns)
    if index:
        table = table.replace_schema_metadata({"pandas": json.dumps(_index_metadata(table, index))})
    with partial_file(path) as temporary:
        pa.parquet.write_table(table, temporary)


def _open(path: Path) -> Any:
    pa = arrow()
    try:
        open_file(path).close()
        return pa.parquet.ParquetFile(path)
    except (pa.ArrowException, OSError) as error:
        raise M2R2Error(f"{path}: no Parquet: {' '.join(str(error).split())}") from error


def _index_metadata(table: Any, index: str) -> dict[str, Any]:
    """As pandas stores it."""
    text = {"pandas_type": "unicode", "numpy_type": "object"}
    number = {"pandas_type": "int64", "numpy_type": "int64"}
    columns = [
        {"name": name, "field_name": name, "metadata": None, **(text if name == index else number)}
        for name in table.column_names
    ]
    return {
        "index_columns": [index],
        "column_indexes": [],
        "columns": columns,
        "pandas_version": "2.0.0",
    }
