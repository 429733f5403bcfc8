"""The examples of the pages, run."""

import doctest
import os
import pathlib

import pytest

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
