"""Heads from Python give what bert-run writes, on small models with each head."""

import json
import math
import os
import pathlib
import subprocess

import numpy as np
import pytest

import bertq
import head_checkpoints

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent


def test_a_model_without_a_head_says_what_it_lacks(model):
    assert "embedding" in model.tasks and "classify" not in model.tasks
    for ask in (lambda: model.classify("a"), lambda: model.tag("a"), lambda: model.rerank("a", ["b"]), lambda: model.answer("a", "b"),
                lambda: model.choose("a", ["b"]), lambda: model.multi_vector("a")):
        with pytest.raises(NotImplementedError):
            ask()


def test_settings_of_other_tasks_are_refused(model):
    with pytest.raises((ValueError, NotImplementedError)):
        model._answers("tag", ["a"], False, {"stride": 3})
    with pytest.raises(ValueError):
        model._answers("none", ["a"], False)


TEXTS = ["A bird sings in Paris.", "Angela Merkel met Obama in Berlin.", "I hate this.", "Das ist ein Text."]
PAIRS = [("Who sings?", "A bird sings in Paris, and nobody listens to it."), ("Where?", "The road leads to the sea.")]
# The head, bert-run's options, the lines that it reads, what of its results is compared, and the same from Python.
CASES = {
    "classify": ([], [{"text": t} for t in TEXTS], "labels", lambda m: m.classify(TEXTS)),
    "tag": (["--aggregate", "first"], [{"text": t} for t in TEXTS], "entities", lambda m: m.tag(TEXTS, aggregate="first")),
    "answer": (
        ["--top", "3"], [{"text": q, "pair": c} for q, c in PAIRS], "answers",
        lambda m: m.answer([q for q, _ in PAIRS], [c for _, c in PAIRS], top=3)),
    "fill-mask": (
        ["--top", "4"], [{"text": "Paris is the [MASK] of France."}], "masks",
        lambda m: m.fill_mask(["Paris is the [MASK] of France."], top=4)),
    "next-sentence": (
        [], [{"text": a, "pair": b} for a, b in PAIRS], "is_next", lambda m: m.next_sentence(PAIRS).tolist()),
    "choose": (
        [], [{"text": "The bird", "choices": ["sings", "is a road"]}], "scores",
        lambda m: [m.choose("The bird", ["sings", "is a road"])["scores"]]),
    "rerank": (
        [], [{"query": "birds", "documents": TEXTS}], "ranking", lambda m: [m.rerank("birds", TEXTS)]),
    "multi-vector": (
        [], [{"text": t} for t in TEXTS], "vectors",
        lambda m: [rows.tolist() for rows in m.multi_vector(TEXTS)]),
    "sparse": (
        [], [{"text": t} for t in TEXTS], "values", lambda m: [values.tolist() for _, values in m.sparse(TEXTS)]),
}


def rounded(value):
    """Numbers as float32: JSON has fewer digits than the doubles that Python makes of them."""
    if isinstance(value, float):
        return float(np.float32(value))
    if isinstance(value, list):
        return [rounded(item) for item in value]
    if isinstance(value, dict):
        return {name: rounded(item) for name, item in value.items()}
    return value


@pytest.mark.parametrize("task", CASES)
def test_a_head_gives_what_bert_run_writes(task, heads):
    program = os.environ.get("BERTQ_BERT_RUN") or ROOT / ".build/release/bert-run"
    if not os.path.exists(program):
        pytest.skip("bert-run is not built")
    options, lines, member, ask = CASES[task]
    # Weights of masked words make sparse vectors too.
    path = heads("fill-mask" if task == "sparse" else task)
    run = subprocess.run([program, path, "--task", task, "--jsonl", "--format", "jsonl", *options], capture_output=True,
                         input="".join(json.dumps(line) + "\n" for line in lines), text=True)
    assert run.returncode == 0, run.stderr
    expected = [json.loads(line)[member] for line in run.stdout.splitlines()]
    model = bertq.Model(path)
    assert task in model.tasks
    assert len(expected) == len(lines) and rounded(ask(model)) == rounded(expected)


@pytest.mark.parametrize("settings, score", [
    ({}, lambda logit: 1 / (1 + math.exp(-logit))),
    ({"problem_type": "regression"}, lambda logit: 1 / (1 + math.exp(-logit))),
    ({"problem_type": "regression", "sentence_transformers": {"activation_fn": "torch.nn.modules.linear.Identity"}}, lambda logit: logit),
    ({"sentence_transformers": {"activation_fn": "torch.nn.modules.activation.Tanh"}}, math.tanh)])
def test_a_ranking_has_the_publishers_scores(settings, score, tmp_path):
    """The activation that is named, else a sigmoid, as sentence-transformers' CrossEncoder has it for one label, whatever the problem."""
    folder = head_checkpoints.write(tmp_path / "h", "rerank")
    configuration = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**configuration, **settings}))
    model = bertq.Model(bertq.convert(folder, tmp_path / "m.bertq", calibrate=False).path)
    ranking = model.rerank("birds", TEXTS)
    assert sorted(item["document"] for item in ranking) == list(range(len(TEXTS)))
    for item in ranking:
        assert item["score"] == pytest.approx(score(item["logit"]), abs=1e-6)
        logit = model.classify([("birds", TEXTS[item["document"]])])[0][0]["logit"]
        assert item["logit"] == logit


def test_a_document_that_is_too_long_is_named(heads):
    with pytest.raises(bertq.TextError, match="^document 1: .*truncate=True") as caught:
        bertq.Model(heads("rerank")).rerank("birds", ["a", "bird " * 500])
    assert caught.value.text == 1
    with pytest.raises(ValueError, match=r"the query: .*U\+D800"):
        bertq.Model(heads("rerank")).rerank("\ud800", ["a"])


def test_zero_shot(heads):
    found = bertq.Model(heads("zero-shot")).zero_shot(TEXTS[0], ["animals", "roads"], hypothesis="This is about {}.")
    assert {item["label"] for item in found} == {"animals", "roads"} and found[0]["score"] >= found[1]["score"]
    assert abs(sum(item["score"] for item in found) - 1) < 1e-5


def test_entities_have_the_characters_of_the_str(heads):
    text = "𝄞 é Alice met Bob in Köln"
    for entity in bertq.Model(heads("tag")).tag(text, aggregate="none"):
        assert text[entity["start"] : entity["end"]] == entity["text"]


def test_a_bad_text_is_named(heads):
    model = bertq.Model(heads("classify"))
    with pytest.raises(bertq.TextError, match="truncate=True") as caught:
        model.classify(["a", "bird " * 500])
    assert caught.value.text == 1 and caught.value.kind == "too-long"
    assert len(model.classify(["a", "bird " * 500], truncate=True)) == 2
    with pytest.raises(ValueError, match="the best 0"):
        bertq.Model(heads("rerank")).rerank("a", ["b"], top=0)
    with pytest.raises(ValueError, match="aggregate"):
        bertq.Model(heads("tag")).tag("a", aggregate="sum")


@pytest.mark.parametrize("head, ask, words", [
    ("rerank", lambda m: m.rerank("a", "bird"), "documents are str"),
    ("rerank", lambda m: m.rerank("a", None), "documents are NoneType"),
    ("rerank", lambda m: m.rerank("a", ["b", None]), "documents hold NoneType at 1"),
    ("rerank", lambda m: m.rerank(None, ["b"]), "the query is NoneType"),
    ("rerank", lambda m: m.rerank("a", np.array("bird")), "documents are ndarray"),
    ("choose", lambda m: m.choose("a", "bird"), "choices are str"),
    ("choose", lambda m: m.choose("a", ["b", 3]), "choices hold int at 1"),
    ("choose", lambda m: m.choose(b"a", ["b", "c"]), "text 0 is bytes"),
    ("zero-shot", lambda m: m.zero_shot("a", "bird"), "labels are str"),
    ("zero-shot", lambda m: m.zero_shot("a", {"bird": 1}), "labels are dict"),
    ("fill-mask", lambda m: m.fill_mask("a [MASK]", targets="bird"), "targets are str"),
    ("answer", lambda m: m.answer(None, "a"), "questions are NoneType"),
    ("answer", lambda m: m.answer(["a"], [b"b"]), "contexts hold bytes at 0"),
    ("next-sentence", lambda m: m.next_sentence([("a", None)]), "text 0's pair is NoneType"),
    ("classify", lambda m: m.classify(["a", math.nan]), "text 1 is float"),
    ("tag", lambda m: m.tag(7), "texts are int"),
])
def test_what_is_no_text_is_refused_by_name(heads, head, ask, words):
    """Letters of a str are no list of texts: answers would be plausible, and wrong."""
    with pytest.raises(TypeError, match=words):
        ask(bertq.Model(heads(head)))


@pytest.mark.parametrize("head, ask, words", [
    ("zero-shot", lambda m: m.zero_shot("a", []), "no labels"),
    ("zero-shot", lambda m: m.zero_shot("a", ["b"], hypothesis="c"), "has no {}"),
    ("zero-shot", lambda m: m.zero_shot("a", ["b"], hypothesis="{}\ud800"), r"'hypothesis': it holds half.*U\+D800"),
    ("zero-shot", lambda m: m.zero_shot("a", ["b"], hypothesis=""), "has no {}"),
    ("fill-mask", lambda m: m.fill_mask("a [MASK]", targets=[]), "no targets"),
    ("fill-mask", lambda m: m.fill_mask("a [MASK]", top=0), "'top' must be"),
    ("choose", lambda m: m.choose("a", []), "no choices"),
    ("answer", lambda m: m.answer("a", "b", top=math.nan), "'top' is nan"),
    ("answer", lambda m: m.answer("a", "b", top=1.5), "'top' must be an integer"),
    ("tag", lambda m: m.tag("a", aggregate=""), "aggregate ''"),
])
def test_settings_without_sense_are_no_text_s_fault(heads, head, ask, words):
    with pytest.raises(bertq.UsageError, match=words) as caught:
        ask(bertq.Model(heads(head)))
    assert caught.value.text is None


def test_numbers_of_numpy_are_numbers(heads):
    model = bertq.Model(heads("answer"))
    assert model.answer("Who?", PAIRS[0][1], top=np.int64(2), stride=np.int32(4), no_answer=np.bool_(False)) \
        == model.answer("Who?", PAIRS[0][1], top=2, stride=4)
    model = bertq.Model(heads("zero-shot"))
    labels = ["birds", "roads"]
    assert model.zero_shot("a", np.array(labels), multi=np.bool_(True)) == model.zero_shot("a", labels, multi=True)
    with pytest.raises(TypeError, match="'top' is object"):
        bertq.Model(heads("fill-mask")).fill_mask("a [MASK]", top=object())


def test_a_remedy_is_one_that_helps(heads):
    """Nothing of a question is cut."""
    with pytest.raises(bertq.TextError, match="no room for the context; shorten it$") as caught:
        bertq.Model(heads("answer")).answer("a " * 600, "b", truncate=True)
    assert caught.value.text == 0 and not caught.value.remedy


def test_a_text_to_continue_is_cut_where_that_is_asked(heads):
    """As bert-run --truncate cuts it, and as the C interface is asked."""
    program = os.environ.get("BERTQ_BERT_RUN") or ROOT / ".build/release/bert-run"
    if not os.path.exists(program):
        pytest.skip("bert-run is not built")
    path, line = heads("choose"), {"text": "a bird " * 100, "choices": ["sings", "is a road"]}
    model = bertq.Model(path)
    with pytest.raises(bertq.TextError, match="^text 0: choice 0: a text has .* tokens.*truncate=True") as caught:
        model.choose(*line.values())
    assert caught.value.kind == "too-long"
    run = subprocess.run([program, path, "--task", "choose", "--jsonl", "--format", "jsonl", "--truncate"], input=json.dumps(line),
                         capture_output=True, text=True, check=True)
    found = model.choose(*line.values(), truncate=True)
    assert rounded(found["scores"]) == rounded(json.loads(run.stdout)["scores"])
    assert model._answers("choose", [line["text"]], True, {"choices": line["choices"]})[0]["scores"] == found["scores"]


def test_pairs_come_as_texts_do(heads):
    model = bertq.Model(heads("next-sentence"))
    expected = model.next_sentence(PAIRS)
    for form in (tuple(PAIRS), iter(PAIRS), np.array(PAIRS), [list(pair) for pair in PAIRS]):
        assert (model.next_sentence(form) == expected).all()
    for other in (set(PAIRS), dict(PAIRS)):
        with pytest.raises(TypeError, match="expected str or a list"):
            model.next_sentence(other)
    with pytest.raises(TypeError, match="text 0 is tuple"):
        bertq.Model(heads("choose")).choose(("a", "b"), ["x", "y"])


def test_lone_surrogates_are_refused(heads):
    with pytest.raises(ValueError, match=r"U\+DC00"):
        bertq.Model(heads("classify")).classify(["a", "b\udc00"])
    with pytest.raises(ValueError, match=r"U\+D800"):
        bertq.Model(heads("zero-shot")).zero_shot("a", ["\ud800"])


def test_no_text_has_no_answer(heads):
    assert bertq.Model(heads("classify")).classify([]) == [] and bertq.Model(heads("tag")).tag([]) == []
    assert bertq.Model(heads("rerank")).rerank("a", []) == []
    assert bertq.Model(heads("answer")).answer([], []) == []
    assert bertq.Model(heads("next-sentence")).next_sentence([]).shape == (0,)
