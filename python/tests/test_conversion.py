"""Conversion and drift from Python give what the programs give."""

import json
import math
import os
import pathlib
import shutil
import subprocess

import numpy as np
import pytest

import bertq

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
TINY = ROOT / "Tests/Fixtures/tiny"


def test_a_checkpoint_becomes_a_model(tmp_path):
    told = []
    made = bertq.convert(TINY, tmp_path / "a.bertq", watch=told.append)
    model = bertq.Model(made.path)
    assert model.fingerprint == made.int8_fingerprint and "layers" in made.summary
    assert bertq.Model(made.path, precision="float").fingerprint == made.float_fingerprint
    assert {"converting"} <= {event.get("stage") for event in told}


def test_what_stores_less_holds_less(tmp_path):
    made = bertq.convert(TINY, tmp_path / "a.bertq", weights="int8", embeddings="int8")
    assert made.float_fingerprint is None
    with pytest.raises(NotImplementedError):
        bertq.Model(made.path, precision="float")
    with pytest.raises(NotImplementedError, match="weights='both'"):
        bertq.drift(made.path, ["a bird"])


def test_an_id_of_the_hub_is_found_in_its_cache(tmp_path, monkeypatch):
    folder = tmp_path / "hub" / "models--owner--name"
    (folder / "refs").mkdir(parents=True)
    (folder / "refs" / "main").write_text("abc")
    (folder / "snapshots").mkdir()
    os.symlink(TINY, folder / "snapshots" / "abc")
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    assert bertq.convert("owner/name", tmp_path / "a.bertq", calibrate=False).int8_fingerprint
    with pytest.raises(FileNotFoundError, match="download"):
        bertq.convert("owner/other", tmp_path / "b.bertq")


@pytest.mark.parametrize("options, kind", [
    ({"weights": "int4"}, ValueError), ({"embeddings": "f8"}, ValueError), ({"max_drift": {"flips": 1}}, ValueError),
    ({"max_drift": {"cosine": 0.99}, "calibrate": False}, ValueError), ({"config": "/no/such"}, FileNotFoundError),
    ({"heads": 0}, ValueError), ({"heads": (1 << 32) + 2}, ValueError), ({"heads": 2.0}, TypeError), ({"heads": True}, TypeError),
    ({"threads": 0}, ValueError), ({"threads": (1 << 32) + 1}, ValueError), ({"threads": "2"}, TypeError),
    ({"weights": None}, TypeError), ({"weights": "int8\0zz"}, ValueError), ({"weights": ""}, ValueError), ({"embeddings": b"f32"}, TypeError),
    ({"recipe": "nearest\0"}, ValueError), ({"recipe": 3}, TypeError), ({"calibrate": None}, TypeError), ({"calibrate": 1}, TypeError),
    ({"ids_only": "no"}, TypeError), ({"config": ""}, FileNotFoundError),
    ({"max_drift": {"cosine": -5}}, ValueError), ({"max_drift": {"cosine": 0}}, ValueError), ({"max_drift": {"sqnr": 0.0}}, ValueError),
    ({"max_drift": {"cosine": 2}}, ValueError), ({"max_drift": {"sqnr": float("nan")}}, ValueError), ({"max_drift": {"sqnr": "30"}}, TypeError),
    ({"max_drift": {"sqnr": True}}, TypeError), ({"max_drift": "cosine"}, ValueError), ({"max_drift": "cosine=a"}, ValueError),
    ({"max_drift": "sqnr=1,sqnr=2"}, ValueError), ({"max_drift": 0.9}, TypeError), ({"max_drift": {"sqnr": 10**400}}, ValueError)])
def test_settings_that_make_no_sense_are_refused(tmp_path, options, kind):
    with pytest.raises(kind):
        bertq.convert(TINY, tmp_path / "a.bertq", **options)
    assert not (tmp_path / "a.bertq").exists()


def test_an_exception_of_the_watcher_is_the_caller_s(tmp_path):
    def watch(event):
        raise RuntimeError("enough")

    with pytest.raises(RuntimeError, match="enough"):
        bertq.convert(TINY, tmp_path / "a.bertq", watch=watch)


def test_drift_says_what_int8_cost(model):
    report = bertq.drift(model, ["a bird sings", "the old road"])
    assert report["texts"] == 2 and report["hidden"]["sqnr_db"] > 10
    assert report["fingerprint"] == model.fingerprint
    bertq.drift(model, ["a bird sings"], require={"cosine": 0.5})
    with pytest.raises(bertq.DriftGateError, match="sqnr") as caught:
        bertq.drift(model, ["a bird sings"], require="cosine=0.1,sqnr=200")
    assert caught.value.report["texts"] == 1
    bertq.drift(model, ["a bird sings"], require={"cosine": np.float64(0.5), "sqnr": np.int64(1)})
    for wrong in ("cosine", {"cosine": "0.5"}, "cosine=1,cosine=0", {"a,b": 1}, {"cosine": math.nan}, ["cosine=1"]):
        with pytest.raises((bertq.UsageError, TypeError), match="require|NAME|metric"):
            bertq.drift(model, ["a bird sings"], require=wrong)
    with pytest.raises(ValueError, match="no texts"):
        bertq.drift(model, [])
    with pytest.raises(bertq.TextError, match="^text 1: a text has .*truncate=True") as caught:
        bertq.drift(model, ["a", "bird " * 1000])
    assert caught.value.text == 1


@pytest.mark.parametrize("include_prompt", [True, False])
def test_drift_is_that_of_the_program_behind_a_prompt(tmp_path, include_prompt):
    program = os.environ.get("BERTQ_BERT_RUN") or ROOT / ".build/release/bert-run"
    if not os.path.exists(program):
        pytest.skip("bert-run is not built; BERTQ_BERT_RUN names one")
    folder = shutil.copytree(TINY, tmp_path / "checkpoint")
    (folder / "config_sentence_transformers.json").write_text(
        json.dumps({"prompts": {"passage": "the road "}, "default_prompt_name": "passage"}))
    (folder / "modules.json").write_text(json.dumps([
        {"idx": 0, "name": "0", "path": "", "type": "sentence_transformers.models.Transformer"},
        {"idx": 1, "name": "1", "path": "1_Pooling", "type": "sentence_transformers.models.Pooling"}]))
    (folder / "1_Pooling").mkdir()
    sizes = json.loads((folder / "config.json").read_text())
    (folder / "1_Pooling/config.json").write_text(json.dumps(
        {"word_embedding_dimension": sizes["hidden_size"], "pooling_mode_mean_tokens": True, "include_prompt": include_prompt}))
    path = bertq.convert(folder, tmp_path / "m.bertq", calibrate=False).path
    texts = ["a bird sings", "the old road", "sea"]
    subprocess.run([program, path, *texts, "--drift-report", tmp_path / "said.json"], check=True, capture_output=True)
    said, measured = json.loads((tmp_path / "said.json").read_text()), bertq.drift(path, texts)
    assert measured["embedding"] == said["embedding"] and measured["hidden"] == said["hidden"]
    assert measured["tokens"] == said["tokens"]
