"""Columns of Spark embedded where they lie: the same bits whatever is retried, speculated or moved.

    from bertq.spark import answer, embed
    vectors = embed(df, "text", "minilm.bertq")            # df, and a column of array<float>; null for null
    moods = answer(df, "text", "moods.bertq", task="classify")    # df, and a column of structs

Each Python worker opens the model once, with as many threads as its task has CPUs. Needs pyspark and pyarrow.
"""

from __future__ import annotations

import os
from typing import Any, Callable, Iterable, Iterator

import pyarrow as pa

from . import _texts, arrow
from ._spark_heads import answer
from ._spark_nodes import Shipped, column as _column, fields as _fields, model_of_worker, placed, texts_column, with_reasons
from .model import Model

_VECTOR = pa.list_(pa.float32())


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
    column, truncate = texts_column(df, column), _texts.flag(truncate, "truncate")
    model = Shipped(df.sparkSession, path, precision=precision, ship=ship, check=_having(prompt_name))
    schema = _fields(df, output, _VECTOR, failures, model.metadata)
    if _texts.flag(distinct, "distinct"):
        return _joined(df, column, model, output, failures, truncate, prompt_name, counters, schema)
    return df.mapInArrow(_mapper(model, column, failures is not None, truncate, prompt_name, counters), schema)


def _having(prompt_name: str | None) -> Callable[[Model], Any]:
    """Settings that make no sense are refused on the driver, not on the nodes."""
    return lambda model: model.encode([], prompt_name=prompt_name)


def _joined(
    df: Any, column: str, model: Shipped, output: str, failures: str | None, truncate: bool, prompt_name: str | None,
    counters: Counters | None, schema: Any,
) -> Any:
    texts = df.select(column).where(df[column].isNotNull()).distinct()
    wanted = _fields(texts, output, _VECTOR, failures, model.metadata)
    vectors = texts.mapInArrow(_mapper(model, column, failures is not None, truncate, prompt_name, counters), wanted)
    # A name of its own, so that the join leaves one column of texts.
    key = f"{column}__bertq"
    joined = df.join(vectors.withColumnRenamed(column, key), on=df[column] == _column(key), how="left").drop(key)
    return joined.select(*[_column(field.name).alias(field.name, metadata=field.metadata) if field.name == output
                           else _column(field.name) for field in schema.fields])


def _mapper(
    model: Shipped, column: str, reports: bool, truncate: bool, prompt_name: str | None, counters: Counters | None
) -> Callable[[Iterable[pa.RecordBatch]], Iterator[pa.RecordBatch]]:
    arguments, add = model.arguments(), counters.add if counters else None

    def run(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        opened, done = model_of_worker(*arguments), 0
        for batch in batches:
            reasons: dict[int, str] | None = {} if reports else None
            counts: dict[str, int] = {}
            with placed(column, done):
                rows, null = arrow.vectors(
                    opened, batch.column(batch.schema.get_field_index(column)), truncate=truncate, prompt_name=prompt_name,
                    failures=reasons, counts=counts)
            done += batch.num_rows
            if add is not None:
                add(len(rows), counts.get("tokens", 0), counts.get("truncated", 0))
            if reasons:
                # A text that failed is null, with its reason.
                missing = null.copy()
                missing[list(reasons)] = True
                rows, null = rows[~missing[~null]], missing
            yield with_reasons(batch, arrow.lists(rows, null, fixed=False), reasons)

    return run


class Counters:
    """Texts, tokens and cut texts of jobs, in Spark's accumulators: `counters.texts.value` grows as tasks end.

    Spark's pages show accumulators of Python nowhere; rows done so far stand there as the output rows of MapInArrow. A task that is
    retried counts again. Not under Connect, which has no accumulators.
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

    truncate = _texts.flag(truncate, "truncate")
    arguments = Shipped(spark, path, precision=precision, ship=ship, check=_having(prompt_name)).arguments()
    if hasattr(F, "arrow_udf"):

        def of_arrow(texts: pa.Array) -> pa.Array:
            with placed(None, None):
                return model_of_worker(*arguments).encode_arrow(texts, prompt_name=prompt_name, fixed=False, truncate=truncate)

        of_arrow.__annotations__ = {"texts": pa.Array, "return": pa.Array}
        return F.arrow_udf(of_arrow, "array<float>")

    import pandas as pd

    def of_pandas(texts: Any) -> Any:
        with placed(None, None):
            found = model_of_worker(*arguments).encode_arrow(
                pa.Array.from_pandas(texts), prompt_name=prompt_name, fixed=False, truncate=truncate)
        return pd.Series(found.to_numpy(zero_copy_only=False))

    of_pandas.__annotations__ = {"texts": pd.Series, "return": pd.Series}
    return F.pandas_udf(of_pandas, "array<float>")


__all__ = ["Counters", "answer", "embed", "embed_udf"]
