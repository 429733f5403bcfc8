"""Arrow's arrays and Parquet's files."""

import sys

import numpy as np
import pytest

import bertq

pa = pytest.importorskip("pyarrow")
pq = pytest.importorskip("pyarrow.parquet")

from bertq import __main__ as program  # noqa: E402


def rows(array, width):
    return np.array([value for value in array.to_pylist() if value is not None], np.float32).reshape(-1, width)


@pytest.mark.parametrize("kind", ["string", "large_string", "dictionary", "chunked", "sliced", "string_view"])
@pytest.mark.parametrize("fixed", [True, False])
def test_a_column_gives_the_bytes_of_its_texts(model, few, kind, fixed):
    texts, expected = few
    array = pa.array(texts)
    if kind == "large_string":
        array = array.cast(pa.large_string())
    elif kind == "dictionary":
        array = array.dictionary_encode()
    elif kind == "chunked":
        array = pa.chunked_array([texts[:100], [], texts[100:]])
    elif kind == "sliced":
        array = pa.array(["before", None, *texts, "behind"])[2:-1]
    elif kind == "string_view":
        if not hasattr(pa, "string_view"):
            pytest.skip("this pyarrow has no string_view")
        array = array.cast(pa.string_view())
    found = model.encode_arrow(array, fixed=fixed, truncate=True)
    found.validate(full=True)
    assert found.type == (pa.list_(pa.float32(), model.dimension) if fixed else pa.list_(pa.float32()))
    assert rows(found, model.dimension).tobytes() == expected.tobytes()


@pytest.mark.parametrize("fixed", [True, False])
def test_null_gives_null(model, few, fixed):
    texts, expected = few
    mixed = [None, *texts[:5], None, None, *texts[5:9], None]
    found = model.encode_arrow(pa.array(mixed), fixed=fixed, truncate=True)
    found.validate(full=True)
    assert found.is_null().to_pylist() == [text is None for text in mixed]
    assert rows(found, model.dimension).tobytes() == expected[:9].tobytes()
    empty = model.encode_arrow(pa.array([None, None], pa.string()), fixed=fixed)
    assert empty.null_count == 2 and len(model.encode_arrow(pa.array([], pa.string()), fixed=fixed)) == 0


def test_an_error_names_the_row_with_nulls_counted(model):
    with pytest.raises(ValueError) as caught:
        model.encode_arrow(pa.array([None, "a", None, "bird " * 1000]))
    assert caught.value.text == 3


def test_other_columns_are_refused(model):
    with pytest.raises(TypeError, match="int64"):
        model.encode_arrow(pa.array([1, 2]))


@pytest.fixture
def table(few, tmp_path):
    texts, expected = few
    names = pa.array(range(len(texts)))
    table = pa.table({"id": names, "text": texts}).replace_schema_metadata({"theirs": "kept"})
    pq.write_table(table, tmp_path / "in.parquet")
    return tmp_path / "in.parquet", table, expected


def run(model_path, source, target, *options):
    return program.main(["embed", str(source), str(target), "--model", model_path, "--column", "text", "--truncate", *options])


def test_a_file_gets_a_column(model, model_path, table, tmp_path):
    source, given, expected = table
    assert run(model_path, source, tmp_path / "out.parquet") == 0
    found = pq.read_table(tmp_path / "out.parquet")
    assert found.drop(["embedding"]).equals(given)
    assert rows(found["embedding"], model.dimension).tobytes() == expected.tobytes()
    assert found.schema.metadata[b"theirs"] == b"kept"
    assert found.schema.metadata[b"bertq.fingerprint"] == model.fingerprint.encode()
    assert found.schema.field("embedding").metadata[b"bertq.fingerprint"] == model.fingerprint.encode()
    assert not (tmp_path / "out.parquet.parts").exists()


def test_an_interrupted_run_goes_on(model, model_path, table, tmp_path, monkeypatch):
    from bertq import parquet

    source, given, expected = table
    monkeypatch.setattr(parquet, "ROWS", 100)
    answered, calls = parquet._answered, []

    def interrupted(*arguments):
        calls.append(1)
        if len(calls) == 4:
            raise KeyboardInterrupt
        return answered(*arguments)

    monkeypatch.setattr(parquet, "_answered", interrupted)
    with pytest.raises(KeyboardInterrupt):
        run(model_path, source, tmp_path / "out.parquet")
    assert not (tmp_path / "out.parquet").exists()
    assert run(model_path, source, tmp_path / "out.parquet") == 0
    parts = -(-len(given) // 100)
    assert len(calls) == parts + 1
    found = pq.read_table(tmp_path / "out.parquet")
    assert rows(found["embedding"], model.dimension).tobytes() == expected.tobytes()


@pytest.mark.parametrize("options, words", [
    (["--column", "none"], "no column 'none'"), (["--as", "id"], "already"), (["--model", "/no/such"], "no such file")])
def test_what_cannot_be_done_is_said(model_path, table, tmp_path, capsys, options, words):
    assert run(model_path, table[0], tmp_path / "out.parquet", *options) == 1
    assert words in capsys.readouterr().err
    assert run(model_path, table[0], table[0]) == 1
