"""bertq.spark on a cluster of two executors: run by hand or by tools/check/spark, with pyspark and Java installed.

    python -m pytest python/tests/spark_cluster.py

The workers import bertq from the wheel that BERTQ_TEST_WHEEL names, renamed to zip, as on nodes without pip.
"""

import ast
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import time
import urllib.request

import numpy as np
import pytest

import bertq

pytest.importorskip("pyspark")
from pyspark.sql import SparkSession  # noqa: E402

from bertq.spark import Counters, answer, embed, embed_udf  # noqa: E402

MASTER = "local-cluster[2,1,1024]"


@pytest.fixture(scope="module")
def spark(tmp_path_factory):
    os.environ["PYSPARK_PYTHON"] = os.environ["PYSPARK_DRIVER_PYTHON"] = sys.executable
    builder = (
        SparkSession.builder.master(MASTER).appName("bertq").config("spark.ui.port", "0")
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


def test_workers_import_the_package_from_the_zip(spark, table):
    if not os.environ.get("BERTQ_TEST_WHEEL"):
        pytest.skip("BERTQ_TEST_WHEEL names no wheel")

    def place(batches):
        import pyarrow as pa

        import bertq

        yield pa.RecordBatch.from_pydict({"place": [bertq.__file__ for _ in batches]})

    places = [row["place"] for row in table.select("id").mapInArrow(place, "place string").collect()]
    assert places and all(".zip" in path for path in places), places


def test_sparks_own_page_counts_rows(spark, table, few, model_path):
    embed(table, "text", model_path, truncate=True).write.format("noop").mode("overwrite").save()
    address = f"{spark.sparkContext.uiWebUrl}/api/v1/applications/{spark.sparkContext.applicationId}/sql?details=true&planDescription=false&length=1000"
    with urllib.request.urlopen(address, timeout=300) as answer:
        nodes = [node for query in json.load(answer) for node in query.get("nodes", []) if node["nodeName"] == "MapInArrow"]
    counts = {metric["value"].replace(",", "") for node in nodes for metric in node["metrics"] if metric["name"] == "number of output rows"}
    assert str(len(few[0])) in counts, counts


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


def test_bytes_that_are_no_text_cost_no_other_row_its_answer(spark, heads, model_path):
    """Spark's strings hold any."""
    frame = spark.sql("select 0 as id, 'a bird' as text union all select 1, cast(X'61FF' as string) union all select 2, 'the sea'")
    for found in (embed(frame, "text", model_path, output="found", failures="why"),
                  answer(frame, "text", heads("classify"), task="classify", output="found", failures="why"),
                  answer(frame, "text", heads("rerank"), task="rerank", pair="text", output="found", failures="why")):
        rows = sorted(found.select("id", "found", "why").collect(), key=lambda row: row["id"])
        assert [row["found"] is None for row in rows] == [False, True, False] and "0xFF" in rows[1]["why"]


def test_a_row_that_ends_a_job_is_named(spark, heads, model_path):
    """By its partition and its place there, over all batches (of 200) and with nulls counted."""
    rows = [(i, None if i % 7 == 0 else "a bird") for i in range(1000)]
    rows[433] = (433, "bird " * 1000)
    frame = spark.createDataFrame(spark.sparkContext.parallelize(rows, 1), "id int, text string")
    place = "column 'text', partition 0, row index 433: a text has .* tokens.*failures="
    with pytest.raises(Exception, match=place):
        embed(frame, "text", model_path).collect()
    with pytest.raises(Exception, match=place):
        answer(frame, "text", heads("classify"), task="classify").collect()
    with pytest.raises(Exception, match="partition 0, row index of a batch 33: a text has .* tokens.*failures="):
        frame.select(embed_udf(spark, model_path)("text")).collect()


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


def test_what_makes_no_sense_is_refused_before_the_job(spark, table, heads, model_path):
    twice = spark.createDataFrame([("a", "b")], "text string, x string").toDF("text", "Text")
    for ask, words in [
        (lambda: embed(table, "text", model_path, prompt_name="none"), "no prompt 'none'"),
        (lambda: embed(table, "text", model_path, prompt_name="none", failures="why"), "no prompt 'none'"),
        (lambda: embed(table, "text", model_path, prompt_name="none", distinct=True), "no prompt 'none'"),
        (lambda: embed_udf(spark, model_path, prompt_name="none"), "no prompt 'none'"),
        (lambda: embed(table, "id", model_path), "the column 'id' is int; expected strings"),
        (lambda: embed(table.selectExpr("array(text) as x"), "x", model_path), r"'x' is array<string>"),
        (lambda: embed(table, "text", model_path, failures="embedding"), "a column 'embedding' already"),
        (lambda: embed(table, "text", model_path, output="v", failures="V"), "a column 'V' already"),
        (lambda: embed(table, "text", model_path, output="TEXT"), "a column 'TEXT' already"),
        (lambda: embed(table, "text", model_path, output=""), "needs a name"),
        (lambda: embed(table, "text", model_path, failures=""), "needs a name"),
        (lambda: embed(twice, "text", model_path), "2 columns 'text'"),
        (lambda: answer(table, "text", heads("classify"), task="classify", output=""), "needs a name"),
        (lambda: answer(table, "id", heads("classify"), task="classify"), "the column 'id' is int"),
        (lambda: answer(table, "text", heads("rerank"), task="rerank", pair="id"), "the column 'id' is int"),
        (lambda: answer(table, "text", heads("zero-shot"), task="zero-shot"), "no labels"),
        (lambda: answer(table, "text", heads("zero-shot"), task="zero-shot", labels=["a"], pair="text"), "reads one text"),
        (lambda: answer(table, "text", heads("zero-shot"), task="zero-shot", labels=["a"], hypothesis="b"), "no {}"),
        (lambda: answer(table, "text", heads("choose"), task="choose"), "no choices"),
        (lambda: answer(table, "text", heads("fill-mask"), task="fill-mask", targets=[]), "no targets"),
    ]:
        with pytest.raises(bertq.UsageError, match=words):
            ask()
    for ask in (lambda: embed(table, "text", model_path, truncate="no"), lambda: embed_udf(spark, model_path, truncate="no"),
                lambda: answer(table, "text", heads("classify"), task="classify", truncate="no")):
        with pytest.raises(TypeError, match="truncate"):
            ask()


def test_names_are_one_as_spark_has_them(spark, table, few, model_path):
    """Whatever their capitals, unless the session is told otherwise."""
    found = embed(table, "TEXT", model_path, truncate=True)
    assert found.columns == ["id", "text", "embedding"] and rows(found).tobytes() == few[1].tobytes()
    spark.conf.set("spark.sql.caseSensitive", "true")
    try:
        assert embed(table, "text", model_path, output="TEXT").columns == ["id", "text", "TEXT"]
        with pytest.raises(ValueError, match="no column 'TEXT'"):
            embed(table, "TEXT", model_path)
    finally:
        spark.conf.unset("spark.sql.caseSensitive")


@pytest.fixture
def another(tmp_path):
    """A model of other vectors."""
    tiny = os.path.join(os.path.dirname(__file__), "../../Tests/Fixtures/tiny")
    return bertq.convert(tiny, tmp_path / "another.bertq", calibrate=False).path


def test_a_node_with_another_file_fails_by_name(spark, table, model_path, another, tmp_path):
    path = tmp_path / "m.bertq"
    shutil.copy(model_path, path)
    found = embed(table, "text", path, truncate=True, ship=False)
    os.replace(another, path)
    with pytest.raises(Exception, match="another file"):
        found.collect()


def test_two_models_of_one_name_are_two(spark, table, few, model_path, another, tmp_path):
    places = [tmp_path / "a" / "m.bertq", tmp_path / "b" / "m.bertq"]
    for place, path in zip(places, [model_path, another]):
        place.parent.mkdir()
        shutil.copy(path, place)
    found = embed(embed(table, "text", places[0], output="one", truncate=True), "text", places[1], output="two", truncate=True)
    assert rows(found, "one").tobytes() == few[1].tobytes()
    assert rows(found, "two").tobytes() == bertq.Model(another).encode(few[0], truncate=True).tobytes()


@pytest.mark.parametrize("ship", [True, False])
def test_a_model_that_is_replaced_between_jobs_is_the_new_one(spark, table, few, model_path, another, tmp_path, ship):
    path = tmp_path / "m.bertq"
    shutil.copy(model_path, path)
    assert rows(embed(table, "text", path, truncate=True, ship=ship)).tobytes() == few[1].tobytes()
    os.replace(another, path)
    expected = bertq.Model(path).encode(few[0], truncate=True)
    assert rows(embed(table, "text", path, truncate=True, ship=ship)).tobytes() == expected.tobytes() != few[1].tobytes()


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
import json, sys
import numpy as np
from pyspark.sql import SparkSession
from bertq.spark import answer, embed, embed_udf
spark = SparkSession.builder.remote("local[2]").getOrCreate()
texts = [*json.load(open(sys.argv[2])), None]
frame = spark.createDataFrame(list(enumerate(texts)), "id int, text string")
found = sorted(embed(frame, "text", sys.argv[1], truncate=True).collect(), key=lambda row: row["id"])
other = sorted(frame.select("id", embed_udf(spark, sys.argv[1], truncate=True)("text").alias("v")).collect(), key=lambda row: row["id"])
assert [row["v"] for row in other] == [row["embedding"] for row in found]
assert found.pop()["embedding"] is None
moods = answer(frame.limit(20), "text", sys.argv[4], task="classify", truncate=True).collect()
assert len(moods) == 20 and all(len(row["classify"]) == 3 for row in moods)
np.save(sys.argv[3], np.array([row["embedding"] for row in found], np.float32))
"""


def test_connect(few, model_path, classifier, tmp_path):
    pytest.importorskip("grpc")
    run_alone(CONNECTED, few, tmp_path, model_path, classifier)


def run_alone(program, few, folder, model_path, *arguments, **environment):
    """Runs a program with a session of its own, which saves vectors: those of bert-run."""
    (folder / "texts.json").write_text(json.dumps(few[0]))
    run = subprocess.run(
        [sys.executable, "-c", program, model_path, folder / "texts.json", folder / "vectors.npy", *arguments], capture_output=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), **environment}, timeout=600)
    assert run.returncode == 0, run.stderr.decode()[-3000:]
    assert np.load(folder / "vectors.npy").tobytes() == few[1].tobytes()
    return run.stdout.decode()


# The first attempt of partition 3 does not end; its copy on the other host does.
SPECULATING = """
import json, sys, time
import numpy as np
import pyarrow as pa
from pyspark import TaskContext
from pyspark.sql import SparkSession
from pyspark.sql.types import StructType
from bertq.spark import embed

def lingering(batches):
    context = TaskContext.get()
    tried = context.attemptNumber()
    for batch in batches:
        if context.partitionId() == 3 and tried == 0:
            time.sleep(600)
        count = batch.num_rows
        yield pa.RecordBatch.from_arrays(
            [*batch.columns, pa.array([context.partitionId()] * count, pa.int32()), pa.array([tried] * count, pa.int32())],
            names=[*batch.schema.names, "part", "tried"])

builder = SparkSession.builder.master(sys.argv[4]).config("spark.ui.enabled", "false").config("spark.driver.host", "127.0.0.1")
for name, value in {"": "true", ".interval": "100ms", ".quantile": "0.5", ".multiplier": "1.1", ".minTaskRuntime": "100ms"}.items():
    builder = builder.config("spark.speculation" + name, value)
spark = builder.config("spark.executor.cores", "1").config("spark.executor.memory", "512m").getOrCreate()
frame = spark.createDataFrame(spark.sparkContext.parallelize(list(enumerate(json.load(open(sys.argv[2])))), 4), "id int, text string")
made = embed(frame, "text", sys.argv[1], truncate=True)
# A schema of its own: the frame's would grow with it.
schema = StructType([*made.schema.fields]).add("part", "integer").add("tried", "integer")
found = sorted(made.mapInArrow(lingering, schema).collect(), key=lambda row: row["id"])
np.save(sys.argv[3], np.array([row["embedding"] for row in found], np.float32))
print(json.dumps(sorted({(row["part"], row["tried"]) for row in found})))
spark.stop()
"""


@pytest.fixture
def standalone(tmp_path):
    """A cluster of a master and two workers, each on an address of its own: Spark speculates on another host only."""
    import pyspark

    classes = os.path.join(os.path.dirname(pyspark.__file__), "bin", "spark-class")
    environment = {**os.environ, "SPARK_LOG_DIR": str(tmp_path), "SPARK_WORKER_DIR": str(tmp_path / "work"), "PYSPARK_PYTHON": sys.executable,
                   "PYTHONPATH": os.pathsep.join(sys.path)}
    logs, processes = tmp_path / "logs", []
    logs.mkdir()

    def start(name, kind, *arguments):
        with open(logs / name, "wb") as log:
            processes.append(subprocess.Popen(
                [classes, f"org.apache.spark.deploy.{kind}", *arguments], env=environment, stdout=log, stderr=log))

    def said(name, pattern):
        end = time.monotonic() + 600
        while time.monotonic() < end:
            found = re.search(pattern, (logs / name).read_text(errors="replace"))
            if found:
                return found
            time.sleep(0.3)
        raise AssertionError((logs / name).read_text(errors="replace")[-2000:])

    try:
        start("master", "master.Master", "--host", "127.0.0.1", "--port", "0", "--webui-port", "0")
        address = said("master", r"spark://127\.0\.0\.1:[1-9][0-9]*")[0]
        for host in ("127.0.0.1", "127.0.0.2"):
            start(host, "worker.Worker", "--host", host, "--cores", "1", "--memory", "1g", "--webui-port", "0", address)
            said(host, "Successfully registered with master")
        yield address
    finally:
        for process in processes:
            process.terminate()
        for process in processes:
            process.wait(60)


def test_a_copy_that_wins_gives_the_same_bytes_on_a_standalone_cluster(few, model_path, standalone, tmp_path):
    said = run_alone(SPECULATING, few, tmp_path, model_path, standalone, PYSPARK_PYTHON=sys.executable)
    tries = json.loads(said.strip().splitlines()[-1])
    assert [3, 1] in tries and [3, 0] not in tries and len(tries) == 4, tries


@pytest.fixture(scope="module")
def classifier(heads):
    return heads("classify")


def plain(value):
    """Rows of Spark as dictionaries, with numbers as float32."""
    if hasattr(value, "asDict"):
        value = value.asDict()
    if isinstance(value, dict):
        return {name: plain(item) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    return float(np.float32(value)) if isinstance(value, float) else value


CONTEXT = "A bird sings in Paris, and nobody listens to it."
# The head, what is asked for beside the task, and the same from the model.
ANSWERS = {
    "classify": ("classify", {}, lambda m, t: m.classify(t)),
    "zero-shot": ("zero-shot", {"labels": ["birds", "roads"]}, lambda m, t: m.zero_shot(t, ["birds", "roads"])),
    "tag": ("tag", {"aggregate": "none"}, lambda m, t: m.tag(t, aggregate="none")),
    "answer": ("answer", {"pair": "context", "top": 2}, lambda m, t: m.answer(t, CONTEXT, top=2)),
    "next-sentence": ("next-sentence", {"pair": "context"}, lambda m, t: m.next_sentence([(text, CONTEXT) for text in t]).tolist()),
    "choose": ("choose", {"choices": ["a", "b c"]}, lambda m, t: [m.choose(text, ["a", "b c"]) for text in t]),
    "sparse": ("fill-mask", {}, lambda m, t: [{"indices": i.tolist(), "values": v.tolist()} for i, v in m.sparse(t)]),
    "rerank": ("rerank", {"pair": "context"}, lambda m, t: [{name: m.rerank(text, [CONTEXT])[0][name] for name in ("score", "logit")} for text in t]),
}


@pytest.mark.parametrize("task", ANSWERS)
def test_a_head_gives_structs(spark, heads, task):
    head, given, ask = ANSWERS[task]
    texts, path = ["A bird sings.", "The old road to the sea", "", "Übermäßig große Wörter"], heads(head)
    rows = [(index, text, CONTEXT) for index, text in enumerate(texts)] + [(4, None, CONTEXT), (5, "bird " * 1000, CONTEXT)]
    frame = spark.createDataFrame(rows, "id int, text string, context string").repartition(2)
    found = answer(frame, "text", path, task=task, output="found", failures="why", **given)
    model = bertq.Model(path)
    assert found.schema["found"].metadata["bertq.task"] == task
    assert found.schema["found"].metadata["bertq.fingerprint"] == model.fingerprint
    answers = sorted(found.collect(), key=lambda row: row["id"])
    assert plain([row["found"] for row in answers[:4]]) == plain(ask(model, texts))
    assert answers[4]["found"] is None and all(row["why"] is None for row in answers[:5])
    # A question that is too long, as a text.
    assert answers[5]["found"] is None and answers[5]["why"]


def test_masks_are_filled(spark, heads):
    path, text = heads("fill-mask"), "Paris is the [MASK] of France."
    frame = spark.createDataFrame([(0, text)], "id int, text string")
    found = answer(frame, "text", path, task="fill-mask", top=3).collect()[0]["fill_mask"]
    assert plain(found) == plain(bertq.Model(path).fill_mask([text], top=3)[0])


def test_what_no_head_answers_is_refused_before_the_job(spark, table, classifier, model_path):
    for ask, words in [
        (lambda: answer(table, "text", model_path, task="classify"), "does not answer 'classify'"),
        (lambda: answer(table, "text", classifier, task="embed"), "no task"),
        (lambda: answer(table, "text", classifier, task="rerank"), "pair="),
        (lambda: answer(table, "text", classifier, task="classify", top=3), "no setting 'top'"),
        (lambda: answer(table, "words", classifier, task="classify"), "no column 'words'"),
        (lambda: answer(table, "text", classifier, task="classify", output="id"), "already"),
    ]:
        with pytest.raises(bertq.BertqError, match=words):
            ask()


# What the page's examples open, as the head of a small model; None for the tests' model.
NAMED = {"minilm": None, "moods": "classify", "names": "tag", "ranker": "rerank", "reader": "answer"}


def test_the_examples_of_the_page_run(spark, heads, model_path, tmp_path, monkeypatch):
    page = (pathlib.Path(__file__).resolve().parent.parent.parent / "docs/spark.md").read_text(encoding="utf-8")
    blocks = re.findall(r"^```python\n(.*?)^```", page, re.M | re.S)
    for name, head in NAMED.items():
        os.symlink(heads(head) if head else model_path, tmp_path / f"{name}.bertq")
    monkeypatch.chdir(tmp_path)
    fields = "id int, text string, query string, document string, question string, context string"
    frame = spark.createDataFrame([(1, "A bird sings.", "birds", "A bird sings.", "Who sings?", CONTEXT)], fields)
    frame.createOrReplaceTempView("texts")
    scope, collected = {"df": frame, "spark": spark}, []
    for statement in (statement for block in blocks for statement in ast.parse(block).body):
        if isinstance(statement, ast.Expr):
            found = eval(compile(ast.Expression(statement.value), "docs/spark.md", "eval"), scope)
        else:
            exec(compile(ast.Module([statement], []), "docs/spark.md", "exec"), scope)
            found = scope[statement.targets[0].id] if isinstance(statement, ast.Assign) else None
        if hasattr(found, "collect"):
            rows_of_it = found.collect()
            assert len(rows_of_it) == 1
            collected.append(rows_of_it[0])
    assert len(blocks) >= 3 and len(collected) >= 6, (len(blocks), len(collected))
    assert len(collected[0]["embedding"]) == bertq.Model(model_path).dimension and len(collected[1]["classify"]) == 3
