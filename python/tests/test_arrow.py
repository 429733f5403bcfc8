"""Arrow's arrays and Parquet's files."""

import os
import stat
import subprocess
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


@pytest.mark.parametrize("kinds", [(pa.string(), pa.string()), (pa.string(), pa.large_string()), (pa.large_string(), pa.string())])
def test_columns_of_pairs_give_what_pairs_give(heads, kinds):
    """As Spark's answers read them: where they lie, cut out of longer ones."""
    from bertq import arrow

    model = bertq.Model(heads("rerank"))
    pairs = [("a bird", "sings"), ("", "the sea"), ("the old road", "")] * 5
    first, second = (pa.array(["x", *texts, "y"], kind)[1:-1] for texts, kind in zip(zip(*pairs), kinds))
    assert model._answers("rerank", arrow.batch(first, second), False) == model._answers("rerank", pairs, False)
    assert model._answers("rerank", arrow.batch(first[:0], second[:0]), False) == []


def test_an_error_names_the_row_with_nulls_counted(model):
    with pytest.raises(ValueError) as caught:
        model.encode_arrow(pa.array([None, "a", None, "bird " * 1000]))
    assert caught.value.text == 3


def test_other_columns_are_refused(model):
    with pytest.raises(TypeError, match="int64"):
        model.encode_arrow(pa.array([1, 2]))
    with pytest.raises(TypeError, match="Table.*choose a column"):
        model.encode_arrow(pa.table({"text": ["a"]}))
    with pytest.raises(TypeError, match="list"):
        model.encode_arrow([1, "a"])
    for other in ("ab", b"ab", {"a", "b"}, {"a": "b"}, frozenset("ab"), 7):
        with pytest.raises(TypeError, match=f"a {type(other).__name__}, expected an array of strings"):
            model.encode_arrow(other)
    assert model.encode_arrow(text for text in ("a", "b")).equals(model.encode_arrow(["a", "b"]))


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


def interrupted_behind_three(monkeypatch):
    """Has a run stop once, at its fourth part of 100 rows; gives a list with an entry for each part that is begun."""
    from bertq import parquet

    monkeypatch.setattr(parquet, "ROWS", 100)
    answered, calls = parquet._answered, []

    def interrupted(*arguments):
        calls.append(1)
        if len(calls) == 4:
            raise KeyboardInterrupt
        return answered(*arguments)

    monkeypatch.setattr(parquet, "_answered", interrupted)
    return calls


def test_an_interrupted_run_goes_on(model, model_path, table, tmp_path, monkeypatch):
    source, given, expected = table
    calls = interrupted_behind_three(monkeypatch)
    with pytest.raises(KeyboardInterrupt):
        run(model_path, source, tmp_path / "out.parquet")
    assert not (tmp_path / "out.parquet").exists()
    assert run(model_path, source, tmp_path / "out.parquet") == 0
    parts = -(-len(given) // 100)
    assert len(calls) == parts + 1
    found = pq.read_table(tmp_path / "out.parquet")
    assert rows(found["embedding"], model.dimension).tobytes() == expected.tobytes()


@pytest.mark.parametrize("options, code, words", [
    (["--column", "none"], 64, "no column 'none'"), (["--as", "id"], 64, "already"), (["--model", "/no/such"], 66, "no such file"),
    (["--column", "id"], 64, "in.parquet: the column 'id' is int64"), (["--threads", "0"], 64, "threads is 0"),
    (["--prompt-name", "none"], 64, "no prompt 'none'"), (["--as", ""], 64, "needs a name")])
def test_what_cannot_be_done_is_said(model_path, table, tmp_path, capsys, options, code, words):
    assert run(model_path, table[0], tmp_path / "out.parquet", *options) == code
    assert words in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["in.parquet"]


def test_an_input_that_is_none_is_refused_by_name(model_path, table, tmp_path, capsys):
    """A file that is not there, a folder, a text, a file whose last bytes or pages are lost."""
    whole = table[0].read_bytes()
    (tmp_path / "text").write_text("no table")
    (tmp_path / "short").write_bytes(whole[:-9])
    (tmp_path / "damaged").write_bytes(whole[:8] + bytes(len(whole) // 2) + whole[8 + len(whole) // 2 :])
    for name, code in [("none", 66), (".", 66), ("text", 65), ("short", 65), ("damaged", 65)]:
        assert run(model_path, tmp_path / name, tmp_path / "out.parquet") == code
        assert str(tmp_path / name) in capsys.readouterr().err
        assert not (tmp_path / "out.parquet").exists() and not (tmp_path / "out.parquet.parts").exists()


def test_a_text_that_is_too_long_is_named_by_its_row(model_path, table, tmp_path, capsys):
    pq.write_table(pa.table({"text": ["a", None, "bird " * 1000]}), tmp_path / "long.parquet")
    given = ["embed", str(tmp_path / "long.parquet"), str(tmp_path / "out.parquet"), "--model", model_path, "--column", "text"]
    assert program.main(given) == 65
    said = capsys.readouterr().err
    assert "long.parquet, column 'text', row index 2:" in said and "pass --truncate" in said and "truncate=" not in said
    assert not (tmp_path / "out.parquet.parts").exists()


def test_nothing_but_a_file_is_replaced(model_path, table, tmp_path, capsys):
    """As bert-convert: a device, a pipe, a folder stay; links are followed, and keep what they lead to."""
    source = table[0]
    assert run(model_path, source, source) == 64 and pq.read_table(source).num_columns == 2
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")
    os.symlink("pipe", tmp_path / "to-pipe")
    os.symlink("ring", tmp_path / "ring")
    targets = ["folder", "pipe", "to-pipe", "ring", "no/where.parquet"]
    try:
        os.mknod(tmp_path / "device", stat.S_IFCHR | 0o600, os.makedev(1, 3))
        targets.append("device")
    except PermissionError:
        pass
    before = {path.name: path.lstat().st_mode for path in tmp_path.iterdir()}
    for name in targets:
        assert run(model_path, source, tmp_path / name) == 73, name
        assert str(tmp_path / name) in capsys.readouterr().err
    assert {path.name: path.lstat().st_mode for path in tmp_path.iterdir()} == before
    (tmp_path / "folder/old").write_text("replaced")
    (tmp_path / "folder/old").chmod(0o640)
    for name, leads in [("link", "folder/old"), ("new", "folder/made")]:
        os.symlink(leads, tmp_path / name)
        assert run(model_path, source, tmp_path / name) == 0
        assert (tmp_path / name).is_symlink() and pq.read_table(tmp_path / leads).num_rows == table[1].num_rows
    assert stat.S_IMODE((tmp_path / "folder/old").stat().st_mode) == 0o640


def test_two_columns_of_one_name_are_refused(model_path, table, tmp_path, capsys):
    pq.write_table(pa.table([pa.array(["a"]), pa.array(["b"])], names=["text", "text"]), tmp_path / "in.parquet")
    assert run(model_path, tmp_path / "in.parquet", tmp_path / "out.parquet") == 64
    assert "several columns 'text'" in capsys.readouterr().err


@pytest.fixture
def begun(model_path, table, tmp_path, monkeypatch):
    """A run that was interrupted behind its third part."""
    calls = interrupted_behind_three(monkeypatch)
    folder = tmp_path / "a=b"
    folder.mkdir()
    with pytest.raises(KeyboardInterrupt):
        run(model_path, table[0], folder / "out.parquet")
    calls.extend([0] * 4)
    return folder, calls


@pytest.mark.parametrize("damage", [lambda data: b"", lambda data: data[:-20], lambda data: data[:40]])
def test_a_damaged_part_is_computed_anew(model, model_path, table, begun, damage):
    folder, calls = begun
    part, before = folder / "out.parquet.parts/000001.parquet", len(calls)
    part.write_bytes(damage(part.read_bytes()))
    assert run(model_path, table[0], folder / "out.parquet") == 0
    assert len(calls) - before == -(-table[1].num_rows // 100) - 2
    assert rows(pq.read_table(str(folder / "out.parquet"), partitioning=None)["embedding"], model.dimension).tobytes() == table[2].tobytes()


def test_a_part_whose_pages_are_damaged_is_removed_and_said(model, model_path, table, begun, capsys):
    folder, _ = begun
    part = folder / "out.parquet.parts/000001.parquet"
    data = part.read_bytes()
    part.write_bytes(data[:4] + bytes(len(data) // 2) + data[4 + len(data) // 2 :])
    assert run(model_path, table[0], folder / "out.parquet") == 65
    assert "000001.parquet was damaged" in capsys.readouterr().err and not (folder / "out.parquet").exists()
    assert run(model_path, table[0], folder / "out.parquet") == 0
    found = pq.read_table(str(folder / "out.parquet"), partitioning=None)["embedding"]
    assert rows(found, model.dimension).tobytes() == table[2].tobytes()


def test_a_second_run_is_refused_while_one_writes(model, model_path, table, tmp_path, monkeypatch, capsys):
    from bertq import parquet

    answered, codes = parquet._answered, []

    def meanwhile(*arguments):
        monkeypatch.setattr(parquet, "_answered", answered)
        # Of the same, and of something else, which would take the parts away.
        codes.extend([run(model_path, table[0], tmp_path / "out.parquet"), run(model_path, table[0], tmp_path / "out.parquet", "--as", "v")])
        return answered(*arguments)

    monkeypatch.setattr(parquet, "_answered", meanwhile)
    assert run(model_path, table[0], tmp_path / "out.parquet") == 0
    assert codes == [73, 73] and capsys.readouterr().err.count("being written by another run") == 2
    assert rows(pq.read_table(tmp_path / "out.parquet")["embedding"], model.dimension).tobytes() == table[2].tobytes()
    assert not (tmp_path / "out.parquet.parts").exists()


def test_runs_at_once_make_one_file(model, model_path, table, tmp_path):
    """Whoever comes first writes; nobody leaves half a file, or fails for another reason."""
    command = [sys.executable, "-m", "bertq", "embed", table[0], tmp_path / "out.parquet", "--model", model_path, "--column", "text", "--truncate"]
    runs = [subprocess.Popen(command, stderr=subprocess.PIPE, env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}) for _ in range(4)]
    said = [run.communicate(timeout=300)[1].decode() for run in runs]
    assert {run.returncode for run in runs} <= {0, 73} and 0 in {run.returncode for run in runs}, said
    assert all("another run" in words for run, words in zip(runs, said) if run.returncode), said
    assert rows(pq.read_table(tmp_path / "out.parquet")["embedding"], model.dimension).tobytes() == table[2].tobytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.parquet", "out.parquet"]


@pytest.mark.parametrize("closed", ["2>&-", ">&-", "<&- >&- 2>&-"])
def test_a_closed_stream_ends_nothing(model, model_path, table, tmp_path, closed):
    """What is opened next gets its number: nothing may be said into that."""
    command = f'"$0" -m bertq embed in.parquet out.parquet --model "$1" --column text --truncate {closed}'
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    run = subprocess.run(["/bin/sh", "-c", command, sys.executable, model_path], cwd=tmp_path, env=environment)
    assert run.returncode == 0
    assert rows(pq.read_table(tmp_path / "out.parquet")["embedding"], model.dimension).tobytes() == table[2].tobytes()
    command = f'"$0" -m bertq embed in.parquet other.parquet --model /no/such --column text {closed}'
    assert subprocess.run(["/bin/sh", "-c", command, sys.executable], cwd=tmp_path, env=environment).returncode == 66


def test_a_folder_of_others_is_left_as_it_is(model_path, table, tmp_path, capsys):
    parts = tmp_path / "out.parquet.parts"
    parts.mkdir()
    (parts / "of").write_text("my own note")
    assert run(model_path, table[0], tmp_path / "out.parquet") == 64
    assert "move it away" in capsys.readouterr().err and (parts / "of").read_text() == "my own note"


@pytest.mark.parametrize("options", [["--none"], ["--threads", "many"], []])
def test_wrong_usage_has_the_code_of_the_other_programs(options):
    with pytest.raises(SystemExit) as caught:
        program.main(["embed", "a", *options])
    assert caught.value.code == 64
