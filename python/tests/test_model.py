"""Vectors, tokens and errors of a model, beside bert-run's and the library's own tokens."""

import json
import math
import os
import pathlib
import pickle
import shutil
import threading

import numpy as np
import pytest

import bertq

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent


def same(a, b):
    """Equal bits, NaN and zeros too."""
    a, b = np.ascontiguousarray(a), np.ascontiguousarray(b)
    return a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()


def test_encode_gives_the_bytes_of_bert_run(model, texts, expected):
    assert same(model.encode(texts, truncate=True), expected)


@pytest.mark.parametrize("form", [list, tuple, iter, np.array, lambda texts: np.array(texts, dtype=object)])
def test_texts_come_in_any_iterable(model, few, form):
    texts, vectors = few
    assert same(model.encode(form(texts), truncate=True), vectors)


def test_one_text_gives_one_vector(model, few):
    texts, vectors = few
    assert same(model.encode(texts[3], truncate=True), vectors[3])


@pytest.mark.parametrize("kind", [None, object])
def test_an_array_without_a_dimension_is_one_text(model, kind):
    assert same(model.encode(np.array("hello", dtype=kind)), model.encode("hello"))


def test_an_array_of_two_columns_is_pairs(model):
    pairs = [("a bird", "sings"), ("the road", "to the sea"), ("a", "b")]
    assert same(model.encode(np.array(pairs)), model.encode(pairs))


def test_no_text_gives_no_vector(model):
    assert model.encode([]).shape == (0, model.dimension)
    assert model.encode_ids([]).shape == (0, model.dimension)
    assert model.token_counts([]).shape == (0,)


def test_vectors_go_where_the_caller_wants_them(model, few):
    texts, vectors = few
    out = np.full((len(texts) + 1, model.dimension), 7, np.float32)
    given = out[: len(texts)]
    assert model.encode(texts, truncate=True, out=given) is given
    assert same(given, vectors)
    assert (out[-1] == 7).all()


@pytest.mark.parametrize("out", [
    np.empty((3, 3), np.float32), np.empty((2, 1), np.float64), np.empty((4, 4), np.float32)[::2], [1, 2]])
def test_an_array_of_another_form_is_refused(model, out):
    with pytest.raises(ValueError, match="out"):
        model.encode(["a", "b"], out=out)


def test_calls_from_many_threads_give_the_same_bits(model, texts, expected):
    problems = []

    def run(seed):
        random = np.random.default_rng(seed)
        if os.environ.get("BERTQ_TEST_FULL") and not same(model.encode(texts, truncate=True), expected):
            problems.append("all")
        for _ in range(10):
            first = int(random.integers(0, len(texts)))
            some = slice(first, first + int(random.integers(1, 40)))
            if not same(model.encode(texts[some], truncate=True), expected[some]):
                problems.append(some)

    threads = [threading.Thread(target=run, args=(seed,)) for seed in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not problems


def test_token_ids_are_the_text(model, few):
    texts, vectors = few
    ids = model.tokenize(texts, truncate=True)
    assert same(model.encode_ids(ids), vectors)
    assert same(model.encode_ids([list(map(int, row)) for row in ids], [[0] * len(row) for row in ids]), vectors)
    counts = model.token_counts(texts)
    assert [min(int(count), model.max_tokens) for count in counts] == [len(row) for row in ids]


def test_a_token_type_changes_the_vector(model):
    ids = model.tokenize("a bird sings")
    second = model.encode_ids([ids], [[1] * len(ids)])
    assert not same(second, model.encode_ids([ids]))


def test_a_prompt_stands_before_each_text(model):
    assert same(model.encode(["sings", "x"], prompt="a bird "), model.encode(["a bird sings", "a bird x"]))
    assert same(model.encode("sings", prompt=""), model.encode("sings", prompt_name=None))
    with pytest.raises(ValueError, match="no prompt 'query'"):
        model.encode("a", prompt_name="query")
    with pytest.raises(ValueError, match="exclude"):
        model.encode("a", prompt="a", prompt_name="b")
    with pytest.raises(TypeError):
        model.encode("a", prompt=3)


def test_prompts_of_the_file_stand_before_queries_and_documents(tmp_path):
    folder = shutil.copytree(ROOT / "Tests/Fixtures/tiny", tmp_path / "checkpoint")
    settings = {"prompts": {"query": "a bird ", "passage": "the road "}, "default_prompt_name": "passage"}
    (folder / "config_sentence_transformers.json").write_text(json.dumps(settings))
    model = bertq.Model(bertq.convert(folder, tmp_path / "m.bertq", calibrate=False).path)
    assert model.prompts == settings["prompts"]
    bare = lambda text: model.encode(text, prompt="")  # noqa: E731
    assert same(model.encode_query("sings"), bare("a bird sings"))
    assert same(model.encode_document(["sings"]), bare(["the road sings"]))
    assert same(model.encode("sings"), bare("the road sings"))


def test_pairs_have_both_texts_tokens(model):
    pairs = [("a bird", "sings"), ("the old road", "")]
    counts = model.token_counts(pairs)
    alone = model.token_counts([a for a, _ in pairs]) + model.token_counts([b for _, b in pairs])
    # The first token stands once.
    assert (counts == alone - 1).all()
    assert not same(model.encode(pairs), model.encode([" ".join(pair) for pair in pairs]))


def test_token_vectors_have_a_row_for_each_token(model, few):
    texts, vectors = few
    rows = model.token_vectors(texts, truncate=True)
    assert [len(row) for row in rows] == [len(ids) for ids in model.tokenize(texts, truncate=True)]
    if model.info["poolings"] == ["mean"]:
        mean = np.array([row.mean(axis=0) for row in rows])
        if model.info["normalizes"]:
            mean /= np.linalg.norm(mean, axis=1, keepdims=True)
        np.testing.assert_allclose(mean, vectors, atol=2e-5)


def test_decoded_tokens_are_the_text(model):
    assert model.decode(model.tokenize("a bird sings")) == "a bird sings"


def test_a_text_that_is_too_long_is_an_error_with_its_place(model):
    long = "bird " * (model.max_tokens + 5)
    with pytest.raises(ValueError, match=r"text 2: .*truncate=True") as caught:
        model.encode(["a", "b", long])
    assert caught.value.text == 2 and caught.value.kind
    vectors, failures = model.encode_each(["a", "b", long, "c"])
    assert list(failures) == [2] and "tokens" in failures[2]
    assert np.isnan(vectors[2]).all() and same(vectors[[0, 1, 3]], model.encode(["a", "b", "c"]))
    assert np.isfinite(model.encode([long], truncate=True)).all()


def test_places_count_from_the_first_of_all_texts(model):
    # More than one call's worth.
    texts = ["a bird sings in the old tree by the road"] * 30_000
    texts[29_998] = "bird " * 1000
    with pytest.raises(ValueError) as caught:
        model.encode(texts)
    assert caught.value.text == 29_998


class Table:
    """As pandas has them: iterated over, it gives names of columns."""

    columns = ["text"]

    def __iter__(self):
        return iter(self.columns)


@pytest.mark.parametrize("texts, kind, words", [
    (None, TypeError, "NoneType"),
    (7, TypeError, "int"),
    (b"bytes", TypeError, "bytes"),
    ({"a": "a bird"}, TypeError, "dict.*values"),
    ({"a", "b"}, TypeError, "set"),
    (Table(), TypeError, "Table.*choose a column"),
    (["a", None], TypeError, "text 1 is NoneType"),
    (["a", b"b"], TypeError, "text 1 is bytes.*decode"),
    (["a", 3.5], TypeError, "text 1 is float"),
    (["a", math.nan], TypeError, "text 1 is float"),
    (["a", "\ud800x"], ValueError, "text 1: .*U\\+D800"),
    ([("a", "b"), "c"], TypeError, "text 1 is str; expected a pair of texts, as the first is"),
    ([("a", "b", "c")], TypeError, "text 0 is a tuple of 3; expected a pair of texts$"),
    (np.array([["a"], ["b"]]), TypeError, r"shape \(2, 1\)"),
    (np.array([[["a", "b"]]]), TypeError, r"shape \(1, 1, 2\)"),
    (np.array(7), TypeError, "texts are int"),
    (np.array(None), TypeError, "texts are NoneType"),
    (np.array(b"a"), TypeError, "texts are bytes"),
])
def test_what_is_no_text_is_refused_by_name(model, texts, kind, words):
    with pytest.raises(kind, match=words):
        model.encode(texts)


def test_a_million_texts(model):
    """In memory for their vectors and little more, each the vector that it has alone."""
    some = [f"a bird {index} sings" for index in range(1000)]
    many = model.encode(some * 1000)
    assert many.shape == (1_000_000, model.dimension)
    assert (many.reshape(1000, 1000, -1) == model.encode(some)).all()


@pytest.mark.parametrize("ids, kind, words", [
    ([[1.0, math.nan]], TypeError, "float64"),
    ([["a"]], TypeError, "text 0"),
    ([[[1]]], TypeError, "2 dimensions"),
    ([[1], [1 << 40]], ValueError, "text 1"),
    ([[1], [-1]], ValueError, "text 1"),
    ([[1], [1 << 30]], ValueError, "text 1"),
    ([[1], []], ValueError, "text 1"),
    ([math.nan], TypeError, "text 0"),
    ([[1], None], TypeError, "text 1"),
    ([None], TypeError, "text 0"),
])
def test_what_are_no_token_ids_is_refused_by_name(model, ids, kind, words):
    with pytest.raises(kind, match=words):
        model.encode_ids(ids)


@pytest.mark.parametrize("path, kind", [
    (None, TypeError), (7, TypeError), (b"model", TypeError), ("/no/such.bertq", FileNotFoundError), (__file__, ValueError),
    ("/", OSError), ("a\0b", ValueError)])
def test_what_is_no_model_is_refused_by_kind(path, kind):
    with pytest.raises(kind):
        bertq.Model(path)


@pytest.mark.parametrize("path, hinted", [
    (ROOT / "Tests/Fixtures/tiny", True), (ROOT / "Tests/Fixtures/tiny/model.safetensors", True), ("owner/name", True), ("none.bertq", False)])
def test_a_checkpoint_is_no_model_yet(path, hinted):
    with pytest.raises((FileNotFoundError, ValueError)) as caught:
        bertq.Model(path)
    assert ("bertq.convert" in str(caught.value)) == hinted


@pytest.mark.parametrize("options", [
    {"threads": 0}, {"threads": 257}, {"precision": "int4"}, {"kernels": "magic"}, {"token_budget": -1}, {"cache_bytes": -1},
    {"cache_bytes": 1 << 64}])
def test_options_out_of_range_are_refused(model_path, options):
    with pytest.raises((ValueError, NotImplementedError)):
        bertq.Model(model_path, **options)


@pytest.mark.parametrize("options", [
    {"threads": "2"}, {"threads": 2.0}, {"threads": True}, {"token_budget": "9"}, {"cache_bytes": 1.5}, {"precision": 8},
    {"kernels": b"avx2"}])
def test_options_of_another_kind_are_refused_by_name(model_path, options):
    with pytest.raises(TypeError, match=next(iter(options))):
        bertq.Model(model_path, **options)


def test_numpys_integers_are_integers(model_path):
    assert bertq.Model(model_path, threads=np.int64(2)).threads == 2


def test_errors_survive_pickling():
    error = pickle.loads(pickle.dumps(bertq.UsageError("too long", "usage", 3)))
    assert (str(error), error.kind, error.text) == ("text 3: too long", "usage", 3)


def test_a_closed_model_says_so(model_path):
    with bertq.Model(model_path) as model:
        model.encode("a")
    model.close()
    with pytest.raises(ValueError, match="closed"):
        model.encode("a")


def test_closing_waits_for_calls_of_other_threads(model_path, few):
    texts, vectors = few
    model, found = bertq.Model(model_path), []
    thread = threading.Thread(target=lambda: found.append(model.encode(texts, truncate=True)))
    thread.start()
    model.close()
    thread.join()
    assert not found or same(found[0], vectors)


def test_a_model_that_is_replaced_under_its_users_answers_as_before(model_path, few, tmp_path):
    """Also in the middle of a call: the old file's pages stay. Who opens it anew gets what is there."""
    texts, vectors = few
    copy, other = tmp_path / "m.bertq", tmp_path / "other"
    copy.write_bytes(open(model_path, "rb").read())
    model = bertq.Model(copy)
    other.write_bytes(b"something else")
    replaced = lambda done, of: other.replace(copy) if other.exists() else None  # noqa: E731
    many = model.encode(texts * 40, truncate=True, progress=replaced)
    assert not other.exists() and same(many, np.tile(vectors, (40, 1)))
    assert same(model.encode(texts, truncate=True), vectors)
    with pytest.raises(ValueError):
        bertq.Model(copy)


def test_progress_reaches_the_end(model, texts):
    seen = []
    model.encode(texts, truncate=True, progress=lambda done, of: seen.append((done, of)))
    assert seen[-1] == (len(texts), len(texts)) and [done for done, _ in seen] == sorted(done for done, _ in seen)


def test_a_progress_that_raises_ends_the_call(model, texts):
    def stop(done, of):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        model.encode(texts, truncate=True, progress=stop)
    assert model.encode("still there").shape == (model.dimension,)


def test_threads_are_those_of_the_pool(model_path, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    assert bertq.Model(model_path).threads == 1
    monkeypatch.setenv("OMP_NUM_THREADS", "nonsense")
    assert bertq.Model(model_path).threads >= 1
    assert bertq.Model(model_path, threads=3).threads == 3
