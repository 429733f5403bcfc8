"""bertq.spark on a cluster of two executors: run by hand or by tools/check/spark, with pyspark and Java installed.

    python -m pytest python/tests/spark_cluster.py

The workers import bertq from the wheel that BERTQ_TEST_WHEEL names, renamed to zip, as on nodes without pip.
"""

import os
import shutil
import signal
import subprocess
import sys

import numpy as np
import pytest

import bertq

pytest.importorskip("pyspark")
from pyspark.sql import SparkSession  # noqa: E402

from bertq.spark import Counters, embed, embed_udf  # noqa: E402

MASTER = "local-cluster[2,1,1024]"


@pytest.fixture(scope="module")
def spark(tmp_path_factory):
    os.environ["PYSPARK_PYTHON"] = os.environ["PYSPARK_DRIVER_PYTHON"] = sys.executable
    builder = (
        SparkSession.builder.master(MASTER).appName("bertq").config("spark.ui.enabled", "false")
        .config("spark.sql.shuffle.partitions", "4")
        .config("spark.sql.execution.arrow.maxRecordsPerBatch", "200").config("spark.task.maxFailures", "3"))
    session = builder.getOrCreate()
    wheel = os.environ.get("BERTQ_TEST_WHEEL")
    if wheel:
        place = tmp_path_factory.mktemp("zip") / "bertq.zip"
        shutil.copy(wheel, place)
        session.sparkContext.addPyFile(str(place))
    yield session
    session.stop()


@pytest.fixture(scope="module")
def table(spark, few):
    texts, _ = few
    return spark.createDataFrame(list(enumerate(texts)), "id int, text string").repartition(4)


def rows(frame, column="embedding"):
    """Vectors in the order of the ids."""
    return np.array([row[column] for row in sorted(frame.collect(), key=lambda row: row["id"])], np.float32)


def test_a_column_has_the_bytes_of_bert_run(spark, table, few, model_path, model):
    counters = Counters(spark)
    found = embed(table, "text", model_path, truncate=True, counters=counters)
    assert found.schema["embedding"].metadata == {"bertq.fingerprint": model.fingerprint, "bertq.dimension": model.dimension}
    assert rows(found).tobytes() == few[1].tobytes()
    assert counters.texts.value == len(few[0])
    assert counters.tokens.value == sum(len(ids) for ids in model.tokenize(few[0], truncate=True))


def test_the_fingerprint_survives_parquet(spark, table, model_path, model, tmp_path):
    embed(table.limit(5), "text", model_path, truncate=True).write.parquet(str(tmp_path / "p"))
    assert spark.read.parquet(str(tmp_path / "p")).schema["embedding"].metadata["bertq.fingerprint"] == model.fingerprint


def test_a_function_of_sql(spark, table, few, model_path):
    table.createOrReplaceTempView("texts")
    spark.udf.register("bertq_embed", embed_udf(spark, model_path, truncate=True))
    found = spark.sql("select id, bertq_embed(text) as embedding from texts")
    assert rows(found).tobytes() == few[1].tobytes()
    assert spark.sql("select bertq_embed(cast(null as string)) as v").collect()[0]["v"] is None


def test_null_is_null_and_a_bad_row_says_why(spark, model, model_path):
    frame = spark.createDataFrame([(0, "a bird"), (1, None), (2, "bird " * 1000), (3, "the sea")], "id int, text string")
    found = sorted(embed(frame, "text", model_path, failures="why").collect(), key=lambda row: row["id"])
    assert [row["embedding"] is None for row in found] == [False, True, True, False]
    assert [row["why"] is None for row in found] == [True, True, False, True] and "tokens" in found[2]["why"]
    assert np.array([found[0]["embedding"], found[3]["embedding"]], np.float32).tobytes() == model.encode(["a bird", "the sea"]).tobytes()
    with pytest.raises(Exception, match="tokens; the model takes"):
        embed(frame, "text", model_path).collect()


def test_duplicates_are_embedded_once(spark, few, model_path):
    texts, expected = few
    twice = spark.createDataFrame([*enumerate(texts), *((i + len(texts), t) for i, t in enumerate(texts)), (10**6, None)], "id int, text string")
    counters = Counters(spark)
    found = embed(twice, "text", model_path, truncate=True, distinct=True, counters=counters)
    assert found.columns == ["id", "text", "embedding"]
    assert found.schema["embedding"].metadata["bertq.dimension"] == expected.shape[1]
    all_rows = sorted(found.collect(), key=lambda row: row["id"])
    assert all_rows[-1]["embedding"] is None
    values = np.array([row["embedding"] for row in all_rows[:-1]], np.float32)
    assert values.tobytes() == np.concatenate([expected, expected]).tobytes()
    assert counters.texts.value == len(set(texts))


def test_a_column_that_is_there_or_is_not_is_refused(table, model_path):
    with pytest.raises(ValueError, match="no column 'words'"):
        embed(table, "words", model_path)
    with pytest.raises(ValueError, match="already"):
        embed(table, "text", model_path, output="id")


def test_a_node_with_another_file_fails_by_name(spark, table, model_path, tmp_path):
    path = tmp_path / "m.bertq"
    shutil.copy(model_path, path)
    found = embed(table, "text", path, truncate=True, ship=False)
    bertq.convert(os.path.join(os.path.dirname(__file__), "../../Tests/Fixtures/tiny"), tmp_path / "other.bertq", calibrate=False)
    os.replace(tmp_path / "other.bertq", path)
    with pytest.raises(Exception, match="another file"):
        found.collect()


def killing(kind, flag):
    """A step that ends its worker, or that worker's executor, the first time a partition comes by."""

    def run(batches):
        for batch in batches:
            try:
                os.close(os.open(flag, os.O_CREAT | os.O_EXCL))
                first = True
            except FileExistsError:
                first = False
            if first:
                process = os.getpid()
                if kind == "executor":
                    # The worker's parent is the daemon, whose parent is the executor.
                    daemon = int(open(f"/proc/{process}/stat").read().rsplit(")", 1)[1].split()[1])
                    process = int(open(f"/proc/{daemon}/stat").read().rsplit(")", 1)[1].split()[1])
                    assert b"CoarseGrainedExecutorBackend" in open(f"/proc/{process}/cmdline", "rb").read()
                os.kill(process, signal.SIGKILL)
            yield batch

    return run


@pytest.mark.parametrize("kind", ["worker", "executor"])
def test_what_is_killed_is_done_again_with_the_same_bytes(spark, table, few, model_path, tmp_path, kind):
    flag = tmp_path / "killed"
    found = embed(table, "text", model_path, truncate=True).mapInArrow(
        killing(kind, str(flag)), embed(table, "text", model_path, truncate=True).schema)
    assert rows(found).tobytes() == few[1].tobytes()
    assert flag.exists()


CONNECTED = """
import sys
import numpy as np
from pyspark.sql import SparkSession
from bertq.spark import embed, embed_udf
spark = SparkSession.builder.remote("local[2]").getOrCreate()
texts = ["a bird", "the sea", None, "x"]
frame = spark.createDataFrame(list(enumerate(texts)), "id int, text string")
found = sorted(embed(frame, "text", sys.argv[1]).collect(), key=lambda row: row["id"])
assert found[2]["embedding"] is None
other = sorted(frame.select("id", embed_udf(spark, sys.argv[1])("text").alias("v")).collect(), key=lambda row: row["id"])
assert [row["v"] for row in other] == [row["embedding"] for row in found]
sys.stdout.buffer.write(b"vectors" + np.array([row["embedding"] for row in found if row["text"] is not None], np.float32).tobytes())
"""


def test_connect(model, model_path):
    pytest.importorskip("grpc")
    run = subprocess.run(
        [sys.executable, "-c", CONNECTED, model_path], capture_output=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}, timeout=300)
    assert run.returncode == 0, run.stderr.decode()[-3000:]
    assert run.stdout.split(b"vectors", 1)[1] == model.encode(["a bird", "the sea", "x"]).tobytes()
