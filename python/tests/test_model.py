"""Vectors, tokens and errors of a model, beside bert-run's and the library's own tokens."""

import json
import math
import os
import pathlib
import pickle
import re
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
    # Of their shape: that of one text has one dimension.
    alone = np.zeros(model.dimension, np.float32)
    assert model.encode(texts[3], truncate=True, out=alone) is alone and same(alone, vectors[3])
    with pytest.raises(ValueError, match=rf"shape \({model.dimension},\)"):
        model.encode(texts[3], truncate=True, out=np.zeros((1, model.dimension), np.float32))
    ids = np.zeros((1, model.dimension), np.float32)
    assert model.encode_ids([model.tokenize(texts[3], truncate=True)], out=ids) is ids and same(ids[0], vectors[3])


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
    for texts in (["a"], []):
        with pytest.raises(bertq.UsageError, match="^the file has no prompt 'query'") as caught:
            model.encode(texts, prompt_name="query")
        assert caught.value.text is None
    with pytest.raises(bertq.UsageError, match="the prompt: it holds half"):
        model.encode("a", prompt="\ud800")
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
    ids = model.tokenize("a bird sings")
    for form in (ids, ids.tolist(), tuple(ids.tolist()), ids.astype(np.uint16)):
        assert model.decode(form) == "a bird sings"
    assert model.decode([]) == ""


@pytest.mark.parametrize("ids, kind", [
    (np.array([(1 << 32) + 5]), ValueError), ([1 << 40], ValueError), ([5.7, 9.2], TypeError), ([[5, 6], [7, 8]], TypeError),
    ("101", TypeError), (5, TypeError), ([True], TypeError), ([-1], ValueError), ([10**6], ValueError), ([5, None], TypeError),
    (None, TypeError)])
def test_what_are_no_token_ids_is_not_decoded(model, ids, kind):
    with pytest.raises(kind) as caught:
        model.decode(ids)
    assert getattr(caught.value, "text", None) is None


def test_a_text_that_is_too_long_is_an_error_with_its_place(model):
    long = "bird " * (model.max_tokens + 5)
    with pytest.raises(ValueError, match=r"text 2: .*truncate=True") as caught:
        model.encode(["a", "b", long])
    assert caught.value.text == 2 and caught.value.kind
    vectors, failures = model.encode_each(["a", "b", long, "c"])
    assert list(failures) == [2] and "tokens" in failures[2]
    assert np.isnan(vectors[2]).all() and same(vectors[[0, 1, 3]], model.encode(["a", "b", "c"]))
    assert np.isfinite(model.encode([long], truncate=True)).all()


@pytest.mark.parametrize("bad, words", [
    ("\ud800", "U\\+D800"), (None, "NoneType"), (b"a", "bytes.*decode"), (3.5, "float"), (("a", "b"), "tuple of 2.*the first"),
    (("a", "b", "c"), "tuple of 3"), (("a", None), "NoneType")])
def test_each_text_that_is_none_fails_alone(model, bad, words):
    """Its reason has no place: that is its key."""
    long = "bird " * (model.max_tokens + 5)
    vectors, failures = model.encode_each(["a", bad, "b", long, "c"])
    assert list(failures) == [1, 3] and re.search(words, failures[1]) and "text" not in failures[1].split()[0]
    assert same(vectors[[0, 2, 4]], model.encode(["a", "b", "c"])) and np.isnan(vectors[[1, 3]]).all()
    assert same(model.encode_each([bad] * 3 if words == "NoneType" else [None] * 3)[0], np.full((3, model.dimension), np.nan, np.float32))


def test_each_pair_that_is_none_fails_alone(model):
    pairs = [None, ("a", "b"), ("a", "\ud800"), "c", ["d", "e"]]
    vectors, failures = model.encode_each(pairs)
    assert list(failures) == [0, 2, 3] and "pair" in failures[3]
    assert same(vectors[[1, 4]], model.encode([("a", "b"), ("d", "e")]))


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


def pyarrow_array():
    return pytest.importorskip("pyarrow").array(["a"])


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
    (pyarrow_array(), TypeError, "StringArray.*encode_arrow"),
    ([*pyarrow_array()], TypeError, "StringScalar.*encode_arrow"),
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
    ("/", OSError), ("a\0b", ValueError), ("", FileNotFoundError), (os.fsdecode(b"\xff.bertq"), ValueError)])
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
    {"cache_bytes": 1 << 64}, {"precision": ""}, {"precision": "int8\0x"}, {"kernels": ""}, {"kernels": "avx2\0b"}, {"precision": "\ud800"}])
def test_options_out_of_range_are_refused(model_path, options):
    with pytest.raises((ValueError, NotImplementedError)):
        bertq.Model(model_path, **options)


@pytest.mark.parametrize("options", [
    {"threads": "2"}, {"threads": 2.0}, {"threads": True}, {"token_budget": "9"}, {"cache_bytes": 1.5}, {"precision": 8},
    {"kernels": b"avx2"}])
def test_options_of_another_kind_are_refused_by_name(model_path, options):
    with pytest.raises(TypeError, match=next(iter(options))):
        bertq.Model(model_path, **options)


def test_an_option_that_is_too_large_says_how_large_it_may_be(model_path):
    for name in ("token_budget", "cache_bytes"):
        with pytest.raises(ValueError, match=f"{name} is {1 << 63}; expected [01] to {(1 << 63) - 1}"):
            bertq.Model(model_path, **{name: 1 << 63})


def test_a_path_that_is_no_utf_8_opens_no_other_file(model_path, tmp_path):
    for name in ("\ufffd.bertq", os.fsdecode(b"\xff.bertq")):
        shutil.copy(model_path, tmp_path / name)
    with pytest.raises(ValueError, match="the path is no UTF-8"):
        bertq.Model(tmp_path / os.fsdecode(b"\xff.bertq"))


@pytest.mark.parametrize("value", ["no", 1, None, 0.0])
@pytest.mark.parametrize("ask", [
    lambda m, v: m.encode("a", truncate=v), lambda m, v: m.tokenize("a", truncate=v), lambda m, v: m.token_vectors("a", truncate=v),
    lambda m, v: m.decode([5], skip_special_tokens=v), lambda m, v: m.pooled(["a"], truncate=v),
    lambda m, v: m.classify("a", truncate=v), lambda m, v: m.multi_vector("a", query=v),
    lambda m, v: m.encode_each(["a"], truncate=v), lambda m, v: bertq.drift(m, ["a"], truncate=v), lambda m, v: bertq.drift(m, ["a"], attribute=v),
    lambda m, v: m.zero_shot("a", ["b"], multi=v), lambda m, v: m.answer("a", "b", no_answer=v)])
def test_what_is_neither_true_nor_false_is_refused(model, ask, value):
    with pytest.raises(TypeError, match="expected True or False"):
        ask(model, value)


def test_what_is_said_of_a_model_stays(model):
    tasks = model.tasks
    model.info["tasks"].append("x")
    assert model.tasks == tasks
    with pytest.raises(TypeError):
        model.info["tasks"] = []


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
    for word in ("nonsense", "\u00b2", "\u0663", "", "9" * 5000):
        monkeypatch.setenv("OMP_NUM_THREADS", word)
        assert bertq.Model(model_path).threads >= 1
    assert bertq.Model(model_path, threads=3).threads == 3
