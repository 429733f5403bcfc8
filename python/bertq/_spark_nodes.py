"""Models on Spark's nodes: on their way there, opened by a worker, and the columns that they fill."""

from __future__ import annotations

import hashlib
import os
import pathlib
import tempfile
import threading
from typing import Any, Callable, Mapping

import pyarrow as pa

from .errors import UsageError
from .model import Model

_models: dict[tuple[str, str | None], Model] = {}
_lock = threading.Lock()
# On the driver, what is shipped by a name of its own.
_links: tempfile.TemporaryDirectory[str] | None = None


def model_of_worker(place: str, shipped: bool, precision: str | None, fingerprint: str) -> Model:
    """The worker's model, opened by its first task.

    Raises:
        FileNotFoundError where the node has no such file; ValueError where it has another: the task fails by that name.
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


def fields(schema: Any, output: str, kind: pa.DataType, failures: str | None, metadata: Mapping[str, Any]) -> Any:
    """A table's schema with a column more, and perhaps one of reasons.

    Raises:
        UsageError where the table has such a column already.
    """
    from pyspark.sql import types as T

    names = [name for name in (output, failures) if name]
    taken = [name for name in names if name in schema.names]
    if taken:
        raise UsageError(f"the table has a column {taken[0]!r} already: name another", "usage")
    fields = [*schema.fields, T.StructField(output, spark_type(kind), True, dict(metadata))]
    if failures:
        fields.append(T.StructField(failures, T.StringType(), True))
    return T.StructType(fields)


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
