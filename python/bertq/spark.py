"""Columns of Spark embedded where they lie: the same bits whatever is retried, speculated or moved.

    from bertq.spark import embed
    vectors = embed(df, "text", "minilm.bertq")            # df, and a column of array<float>; null for null

Each Python worker opens the model once, with as many threads as its task has CPUs. Needs pyspark and pyarrow.
"""

from __future__ import annotations

import os
import threading
from typing import Any, Callable, Iterable, Iterator, Mapping

import pyarrow as pa

from . import arrow
from .errors import UsageError
from .model import Model

_models: dict[tuple[str, str | None], Model] = {}
_lock = threading.Lock()


def model_of_worker(place: str, shipped: bool, precision: str | None, fingerprint: str) -> Model:
    """The worker's model, opened by its first task.

    Raises:
        FileNotFoundError where the node has no such file; ValueError where it has another: the task fails by that name.
    """
    from pyspark import SparkFiles

    path = SparkFiles.get(place) if shipped else place
    with _lock:
        model = _models.get((path, precision))
        if model is None:
            # OMP_NUM_THREADS is what Spark gives a task's CPUs by.
            model = _models[path, precision] = Model(path, precision=precision)
    if model.fingerprint != fingerprint:
        raise UsageError(
            f"{path} on {os.uname().nodename} has the fingerprint {model.fingerprint}, and the driver's model {fingerprint}: "
            "another file, whose vectors cannot be compared", "usage")
    return model


class Shipped:
    """A model on its way to the workers: what they open, and what it must be."""

    def __init__(self, spark: Any, path: str | os.PathLike[str], *, precision: str | None, ship: bool) -> None:
        with Model(path, precision=precision, threads=1) as model:
            self.fingerprint, self.dimension, self.precision = model.fingerprint, model.dimension, precision
        self.place, self.ships = os.path.abspath(os.fspath(path)), ship
        if ship:
            _ship(spark, self.place)
            self.place = os.path.basename(self.place)

    def arguments(self) -> tuple[str, bool, str | None, str]:
        return self.place, self.ships, self.precision, self.fingerprint

    @property
    def metadata(self) -> dict[str, Any]:
        return {"bertq.fingerprint": self.fingerprint, "bertq.dimension": self.dimension}


def _ship(spark: Any, path: str) -> None:
    """Gives every executor a copy, which it fetches once."""
    if type(spark).__module__.startswith("pyspark.sql.connect"):
        spark.addArtifacts(path, file=True)
    else:
        spark.sparkContext.addFile(path)


def _fields(schema: Any, output: str, failures: str | None, metadata: Mapping[str, Any]) -> Any:
    from pyspark.sql import types as T

    names = [name for name in (output, failures) if name]
    taken = [name for name in names if name in schema.names]
    if taken:
        raise UsageError(f"the table has a column {taken[0]!r} already: name another", "usage")
    fields = [*schema.fields, T.StructField(output, T.ArrayType(T.FloatType(), False), True, dict(metadata))]
    if failures:
        fields.append(T.StructField(failures, T.StringType(), True))
    return T.StructType(fields)


def embed(
    df: Any, column: str, path: str | os.PathLike[str], *, output: str = "embedding", failures: str | None = None,
    precision: str | None = None, truncate: bool = False, prompt_name: str | None = None, ship: bool = True, distinct: bool = False,
    counters: Counters | None = None,
) -> Any:
    """The table with a column of vectors, array<float>, null where the text is null.

    Args:
        df: a DataFrame, classic or Connect.
        column: the column of texts.
        path: the `.bertq` file on the driver.
        output: the new column; its metadata has the fingerprint of the vectors.
        failures: a second new column, null, or why a text has no vector; without it one bad text fails the job.
        precision: "int8" or "float"; None for int8 where the file has it.
        truncate: cuts texts that are too long; otherwise they are failures.
        prompt_name: one of the file's prompts, to stand before each text; None for its default one.
        ship: gives each executor a copy of the file; False where the path is the same on all nodes, which then share memory.
        distinct: embeds texts that stand more than once only once, and joins the vectors back.
        counters: counts texts, tokens, and texts that were cut, in Spark's accumulators.
    """
    if column not in df.columns:
        raise UsageError(f"the table has no column {column!r}; it has {', '.join(df.columns)}", "usage")
    spark = df.sparkSession
    model = Shipped(spark, path, precision=precision, ship=ship)
    schema = _fields(df.schema, output, failures, model.metadata)
    if distinct:
        return _joined(df, column, model, output, failures, truncate, prompt_name, counters, schema)
    return df.mapInArrow(_mapper(model, column, failures is not None, truncate, prompt_name, counters), schema)


def _joined(
    df: Any, column: str, model: Shipped, output: str, failures: str | None, truncate: bool, prompt_name: str | None,
    counters: Counters | None, schema: Any,
) -> Any:
    texts = df.select(column).where(df[column].isNotNull()).distinct()
    vectors = texts.mapInArrow(
        _mapper(model, column, failures is not None, truncate, prompt_name, counters), _fields(texts.schema, output, failures, model.metadata))
    # A name of its own, so that the join leaves one column of texts.
    key = f"{column}__bertq"
    joined = df.join(vectors.withColumnRenamed(column, key), on=df[column] == _column(key), how="left").drop(key)
    return joined.select(*[_column(field.name).alias(field.name, metadata=field.metadata) if field.name == output
                           else _column(field.name) for field in schema.fields])


def _column(name: str) -> Any:
    from pyspark.sql import functions as F

    return F.col("`" + name.replace("`", "``") + "`")


def _mapper(
    model: Shipped, column: str, reports: bool, truncate: bool, prompt_name: str | None, counters: Counters | None
) -> Callable[[Iterable[pa.RecordBatch]], Iterator[pa.RecordBatch]]:
    arguments, add = model.arguments(), counters.add if counters else None

    def run(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        opened = model_of_worker(*arguments)
        for batch in batches:
            reasons: dict[int, str] | None = {} if reports else None
            counts: dict[str, int] = {}
            rows, null = arrow.vectors(
                opened, batch.column(batch.schema.get_field_index(column)), truncate=truncate, prompt_name=prompt_name,
                failures=reasons, counts=counts)
            if add is not None:
                add(len(rows), counts.get("tokens", 0), counts.get("truncated", 0))
            yield pa.RecordBatch.from_arrays(
                [*batch.columns, *_answered(rows, null, reasons)],
                names=[*batch.schema.names, "vector", *(["failure"] if reports else [])])

    return run


def _answered(rows: Any, null: Any, reasons: dict[int, str] | None) -> list[pa.Array]:
    """Vectors, and reasons where they are asked for: a text that failed is null, with its reason."""
    if not reasons:
        lists = arrow.lists(rows, null, fixed=False)
        return [lists] if reasons is None else [lists, pa.nulls(len(null), pa.string())]
    keep = ~null
    missing = null.copy()
    missing[list(reasons)] = True
    lists = arrow.lists(rows[~missing[keep]], missing, fixed=False)
    return [lists, pa.array([reasons.get(index) for index in range(len(null))], pa.string())]


class Counters:
    """Texts, tokens and cut texts of jobs, as accumulators that Spark's pages show with the stages.

    A task that is retried counts again. Not under Connect, which has no accumulators.
    """

    def __init__(self, spark: Any) -> None:
        context = spark.sparkContext
        self.texts, self.tokens, self.truncated = context.accumulator(0), context.accumulator(0), context.accumulator(0)

    @property
    def add(self) -> Callable[[int, int, int], None]:
        texts, tokens, truncated = self.texts, self.tokens, self.truncated

        def add(some: int, of_them: int, cut: int) -> None:
            texts.add(some)
            tokens.add(of_them)
            truncated.add(cut)

        return add


def embed_udf(
    spark: Any, path: str | os.PathLike[str], *, precision: str | None = None, truncate: bool = False, prompt_name: str | None = None,
    ship: bool = True,
) -> Any:
    """A function of columns and of SQL: string to array<float>, null to null.

        spark.udf.register("bertq_embed", embed_udf(spark, "minilm.bertq"))
        spark.sql("select bertq_embed(text) from texts")
    """
    from pyspark.sql import functions as F

    arguments = Shipped(spark, path, precision=precision, ship=ship).arguments()
    if hasattr(F, "arrow_udf"):

        def of_arrow(texts: pa.Array) -> pa.Array:
            return model_of_worker(*arguments).encode_arrow(texts, prompt_name=prompt_name, fixed=False, truncate=truncate)

        of_arrow.__annotations__ = {"texts": pa.Array, "return": pa.Array}
        return F.arrow_udf(of_arrow, "array<float>")

    import pandas as pd

    def of_pandas(texts: Any) -> Any:
        found = model_of_worker(*arguments).encode_arrow(
            pa.Array.from_pandas(texts), prompt_name=prompt_name, fixed=False, truncate=truncate)
        return pd.Series(found.to_numpy(zero_copy_only=False))

    of_pandas.__annotations__ = {"texts": pd.Series, "return": pd.Series}
    return F.pandas_udf(of_pandas, "array<float>")


__all__ = ["Counters", "Shipped", "embed", "embed_udf", "model_of_worker"]
