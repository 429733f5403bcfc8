"""Parquet files with a column of vectors more. Needs pyarrow."""

from __future__ import annotations

import json
import os
import shutil
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from . import arrow
from ._progress import Progress
from .errors import BertqError, UsageError
from .model import Model

# Rows of a part, which an interrupted run keeps.
ROWS = 16_384


def embed(
    source: str | os.PathLike[str], target: str | os.PathLike[str], *, model: Model, column: str, name: str = "embedding",
    truncate: bool = False, prompt_name: str | None = None, progress: Any = False,
) -> None:
    """Writes a Parquet file with all columns of another, and a column of vectors, list<float>, null for null.

    Rows are read and written a part at a time. The parts lie in a folder beside the target until all are there; a run that
    finds those of an interrupted one, of the same input, column and fingerprint, goes on behind them. The schema's metadata
    has the fingerprint as `bertq.fingerprint`, and so has the column's.
    """
    source, target = os.fspath(source), os.fspath(target)
    if os.path.exists(target) and os.path.samefile(source, target):
        raise UsageError(f"{target} is read, and would be replaced: name another file to write", "usage")
    with pq.ParquetFile(source) as file:
        schema = file.schema_arrow
        if column not in schema.names:
            raise UsageError(f"{source} has no column {column!r}; it has {', '.join(schema.names)}", "usage")
        if name in schema.names:
            raise UsageError(f"{source} has a column {name!r} already: name another for the vectors", "usage")
        schema = _with_vectors(schema, name, model)
        parts = f"{target}.parts"
        key = _key(source, model, column, name, truncate, prompt_name)
        _begin(parts, key)
        total, count = file.metadata.num_rows, 0
        with Progress(progress, total) as bar:
            for number, batch in enumerate(file.iter_batches(batch_size=ROWS)):
                path = os.path.join(parts, f"{number:06}.parquet")
                if not os.path.exists(path):
                    _write(path, _answered(batch, model, column, truncate, prompt_name, schema, count))
                count += batch.num_rows
                bar.advance(batch.num_rows)
    _join(parts, target, schema)


def _with_vectors(schema: pa.Schema, name: str, model: Model) -> pa.Schema:
    note = {b"bertq.fingerprint": model.fingerprint.encode(), b"bertq.dimension": str(model.dimension).encode()}
    schema = schema.append(pa.field(name, pa.list_(pa.float32()), metadata=note))
    return schema.with_metadata({**(schema.metadata or {}), **note})


def _key(source: str, model: Model, column: str, name: str, truncate: bool, prompt_name: str | None) -> str:
    """What the parts of two runs must share."""
    state = os.stat(source)
    return json.dumps(
        [os.path.realpath(source), state.st_size, state.st_mtime_ns, model.fingerprint, column, name, truncate, prompt_name, ROWS])


def _begin(parts: str, key: str) -> None:
    place = os.path.join(parts, "of")
    try:
        with open(place, encoding="utf-8") as file:
            if file.read() == key:
                return
    except FileNotFoundError:
        if os.path.isdir(parts) and os.listdir(parts):
            raise UsageError(f"{parts} holds what no run of this began: move it away", "usage") from None
    shutil.rmtree(parts, ignore_errors=True)
    os.makedirs(parts)
    with open(place, "w", encoding="utf-8") as file:
        file.write(key)


def _answered(
    batch: pa.RecordBatch, model: Model, column: str, truncate: bool, prompt_name: str | None, schema: pa.Schema, first: int
) -> pa.Table:
    try:
        rows, null = arrow.vectors(model, batch.column(column), truncate=truncate, prompt_name=prompt_name)
    except BertqError as error:
        if error.text is not None:
            raise UsageError(f"row {first + error.text}, counted from 0: {error.args[0]}", error.kind) from error
        raise
    columns = [*batch.columns, arrow.lists(rows, null, fixed=False)]
    return pa.Table.from_arrays(columns, schema=schema)


def _write(path: str, table: pa.Table) -> None:
    temporary = f"{path}.{os.getpid()}"
    pq.write_table(table, temporary)
    os.replace(temporary, path)


def _join(parts: str, target: str, schema: pa.Schema) -> None:
    temporary = f"{target}.{os.getpid()}.part"
    try:
        with pq.ParquetWriter(temporary, schema) as writer:
            for name in sorted(os.listdir(parts)):
                if name.endswith(".parquet"):
                    writer.write_table(pq.read_table(os.path.join(parts, name), schema=schema))
        os.replace(temporary, target)
    except BaseException:
        if os.path.exists(temporary):
            os.remove(temporary)
        raise
    shutil.rmtree(parts)


__all__ = ["embed"]
