"""The examples of the pages, run."""

import doctest
import os
import pathlib
import re
import subprocess
import sys

import pytest

import bertq

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
MODEL = pathlib.Path(
    os.environ.get("BERTQ_TEST_MINILM")
    or pathlib.Path(os.environ.get("BERTQ_CACHE") or pathlib.Path.home() / ".cache/bertq") / "all-MiniLM-L6-v2.bertq")


@pytest.mark.parametrize("page", ["python.md"])
def test_the_examples_of_a_page_are_so(page, tmp_path, monkeypatch):
    pytest.importorskip("pyarrow")
    if not MODEL.exists():
        pytest.skip("all-MiniLM-L6-v2 is not converted; tools/quickstart does that, or BERTQ_TEST_MINILM names it")
    monkeypatch.chdir(tmp_path)
    os.symlink(MODEL, "minilm.bertq")
    found = doctest.testfile(str(ROOT / "docs" / page), module_relative=False, optionflags=doctest.NORMALIZE_WHITESPACE)
    assert found.attempted > 0 and found.failed == 0


def test_what_the_page_says_of_heads_runs(heads, tmp_path):
    """Each line of the block: a head's method, and what it gives, in form."""
    page = (ROOT / "docs/python.md").read_text(encoding="utf-8")
    lines = re.findall(r"^    model\.(\w+)(\(.*\)) +# (.*)$", page, re.M)
    documents = ["Plants eat light.", "Birds sing.", "The sea is wide.", "Roads lead somewhere."]
    for method, arguments, shown in lines:
        model = bertq.Model(heads(method))
        found = eval(f"model.{method}{arguments}", {"model": model, "documents": documents})
        first = found[0][0] if method == "classify" else found[0]
        assert set(re.findall(r'"(\w+)":', shown)) <= set(first), (method, first)
    assert [method for method, _, _ in lines] == ["classify", "rerank", "answer"]


def test_the_program_s_line_on_the_page_runs(model_path, tmp_path, monkeypatch):
    pytest.importorskip("pyarrow")
    import pyarrow as pa
    import pyarrow.parquet as pq

    page = (ROOT / "docs/python.md").read_text(encoding="utf-8")
    line = re.search(r"^    python (-m bertq .*)$", page, re.M)[1]
    monkeypatch.chdir(tmp_path)
    os.symlink(model_path, "minilm.bertq")
    pq.write_table(pa.table({"text": ["a bird sings", None]}), "in.parquet")
    subprocess.run([sys.executable, *line.split()], check=True)
    assert pq.read_table("out.parquet")["embedding"].null_count == 1
