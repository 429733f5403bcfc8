"""Models on Spark's nodes: on their way there, opened by a worker, and the columns that they fill."""

from __future__ import annotations

import hashlib
import os
import pathlib
import tempfile
import threading
from typing import Any, Callable, Mapping

import pyarrow as pa

from .errors import BertqError, UsageError
from .model import Model

_models: dict[tuple[str, str | None], Model] = {}
_lock = threading.Lock()
# On the driver, what is shipped by a name of its own.
_links: tempfile.TemporaryDirectory[str] | None = None


def model_of_worker(place: str, shipped: bool, precision: str | None, fingerprint: str) -> Model:
    """The worker's model, opened by its first task.

    Raises:
        NotFoundError where the node has no such file; UsageError where it has another: the task fails by that name.
    """
    from pyspark import SparkFiles

    path = SparkFiles.get(place) if shipped else place
    with _lock:
        model = _models.get((path, precision))
        # One of another fingerprint lay there for an earlier job.
        if model is None or model.fingerprint != fingerprint:
            # OMP_NUM_THREADS is what Spark gives a task's CPUs by.
            model = _models[path, precision] = Model(path, precision=precision)
    if model.fingerprint != fingerprint:
        raise UsageError(
            f"{path} on {os.uname().nodename} has the fingerprint {model.fingerprint}, and the driver's model {fingerprint}: "
            "another file, whose vectors cannot be compared", "usage")
    return model


class Shipped:
    """A model on its way to the workers: what they open, and what it must be."""

    def __init__(
        self, spark: Any, path: str | os.PathLike[str], *, precision: str | None, ship: bool, check: Callable[[Model], Any] | None = None
    ) -> None:
        with Model(path, precision=precision, threads=1) as model:
            self.fingerprint, self.dimension, self.precision = model.fingerprint, model.dimension, precision
            if check is not None:
                check(model)
        self.place, self.ships = os.path.abspath(os.fspath(path)), ship
        if ship:
            self.place = _ship(spark, self.place)

    def arguments(self) -> tuple[str, bool, str | None, str]:
        return self.place, self.ships, self.precision, self.fingerprint

    @property
    def metadata(self) -> dict[str, Any]:
        return {"bertq.fingerprint": self.fingerprint, "bertq.dimension": self.dimension}


def _ship(spark: Any, path: str) -> str:
    """Gives every executor a copy, which it fetches once; its name there.

    Spark takes one file of a name in a session. So the name says which file it is: models of one name in two folders, and one that
    was replaced, each have their own.
    """
    global _links
    state = os.stat(path)
    identity = hashlib.sha256(repr((os.path.realpath(path), state.st_ino, state.st_size, state.st_mtime_ns)).encode()).hexdigest()[:12]
    name = f"{pathlib.Path(path).stem}-{identity}.bertq"
    with _lock:
        if _links is None:
            _links = tempfile.TemporaryDirectory(prefix="bertq-spark-")
        link = pathlib.Path(_links.name, name)
        if not link.is_symlink():
            link.symlink_to(path)
    if type(spark).__module__.startswith("pyspark.sql.connect"):
        spark.addArtifacts(str(link), file=True)
    else:
        # Of a path Spark takes the name that the link leads to; of a URI the link's.
        spark.sparkContext.addFile(link.as_uri())
    return name


def fields(df: Any, output: str, kind: pa.DataType, failures: str | None, metadata: Mapping[str, Any]) -> Any:
    """A table's schema with a column more, and perhaps one of reasons.

    Raises:
        UsageError where the table has such a column already, both have one name, or one has none.
    """
    from pyspark.sql import types as T

    taken, alike = list(df.columns), _likeness(df)
    for name in [output] if failures is None else [output, failures]:
        if not isinstance(name, str):
            raise TypeError(f"a column's name is {type(name).__name__}, expected str")
        if not name:
            raise UsageError("a new column needs a name", "usage")
        if any(alike(name, other) for other in taken):
            raise UsageError(f"the table has a column {name!r} already: name another", "usage")
        taken.append(name)
    fields = [*df.schema.fields, T.StructField(output, spark_type(kind), True, dict(metadata))]
    if failures is not None:
        fields.append(T.StructField(failures, T.StringType(), True))
    return T.StructType(fields)


def _likeness(df: Any) -> Callable[[str, str], bool]:
    """Whether two names are one to Spark, which looks at capitals where its session is told to."""
    if str(df.sparkSession.conf.get("spark.sql.caseSensitive", "false")).lower() == "true":
        return lambda a, b: a == b
    return lambda a, b: a.lower() == b.lower()


def texts_column(df: Any, name: str) -> str:
    """A column of texts, by its own name.

    Raises:
        UsageError where the table has none of that name, or two, or it has no texts.
    """
    from pyspark.sql import types as T

    alike = _likeness(df)
    found = [field for field in df.schema.fields if alike(field.name, name)]
    if not found:
        raise UsageError(f"the table has no column {name!r}; it has {', '.join(df.columns)}", "usage")
    if len(found) > 1:
        raise UsageError(f"the table has {len(found)} columns {name!r}: rename one", "usage")
    kinds = [getattr(T, kind) for kind in ("StringType", "CharType", "VarcharType", "NullType") if hasattr(T, kind)]
    if not isinstance(found[0].dataType, tuple(kinds)):
        raise UsageError(f"the column {name!r} is {found[0].dataType.simpleString()}; expected strings", "usage")
    return str(found[0].name)


class placed:
    """Names the row of an error by its partition and its place there."""

    def __init__(self, column: str | None, first: int | None) -> None:
        # How many rows of the partition stand before the batch; None where nobody knows.
        self.column, self.first = column, first

    def __enter__(self) -> None:
        pass

    def __exit__(self, _: object, error: Any, __: object) -> None:
        if not isinstance(error, BertqError) or error.text is None:
            return
        from pyspark import TaskContext

        context = TaskContext.get()
        places = [] if self.column is None else [f"column {self.column!r}"]
        places += [] if context is None else [f"partition {context.partitionId()}"]
        error.called = ", ".join([*places, "row index" if self.first is not None else "row index of a batch"])
        error.text += self.first or 0
        error.args = (f"{error.args[0]}; failures= of bertq.spark's embed and answer says it beside the row", *error.args[1:])


def spark_type(kind: pa.DataType) -> Any:
    """Spark's name of a type of Arrow's, of those that answers have."""
    from pyspark.sql import types as T

    if pa.types.is_list(kind):
        return T.ArrayType(spark_type(kind.value_type), False)
    if pa.types.is_struct(kind):
        return T.StructType([T.StructField(field.name, spark_type(field.type)) for field in kind])
    return {pa.string(): T.StringType, pa.int32(): T.IntegerType, pa.float32(): T.FloatType}[kind]()


def with_reasons(batch: pa.RecordBatch, answered: pa.Array, reasons: Mapping[int, str] | None) -> pa.RecordBatch:
    """A batch with its answers, and why rows have none where that is asked for; Spark goes by the place of a column."""
    columns = [*batch.columns, answered]
    if reasons is not None:
        columns.append(pa.array([reasons.get(index) for index in range(len(answered))], pa.string()))
    return pa.RecordBatch.from_arrays(columns, names=[*batch.schema.names, "answered", *(["failure"] if reasons is not None else [])])


def column(name: str) -> Any:
    from pyspark.sql import functions as F

    return F.col("`" + name.replace("`", "``") + "`")
