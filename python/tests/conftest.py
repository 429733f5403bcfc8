"""What tests share: a small model converted by the library, texts, and bert-run's own vectors for them."""

import os
import pathlib
import subprocess
import sys

import numpy as np
import pytest

import bertq
import head_checkpoints

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / "tools" / "lib"))
import evaluation_texts  # noqa: E402


@pytest.fixture(scope="session")
def model_path(tmp_path_factory):
    """BERTQ_TEST_MODEL, or the tests' small checkpoint converted."""
    given = os.environ.get("BERTQ_TEST_MODEL")
    if given:
        return given
    path = tmp_path_factory.mktemp("model") / "tiny.bertq"
    bertq.convert(ROOT / "Tests/Fixtures/tiny", path)
    return str(path)


@pytest.fixture(scope="session")
def model(model_path):
    return bertq.Model(model_path, threads=2)


@pytest.fixture(scope="session")
def heads(tmp_path_factory):
    """A small model with each head, made when it is asked for."""
    folder = tmp_path_factory.mktemp("heads")

    def path(head):
        made = folder / f"{head}.bertq"
        if not made.exists():
            bertq.convert(head_checkpoints.write(folder / head, head), made, calibrate=False)
        return str(made)

    return path


@pytest.fixture(scope="session")
def texts():
    """Real texts where the shared data is, else a few."""
    return evaluation_texts.read(10_000) or evaluation_texts.SAMPLES


@pytest.fixture(scope="session")
def expected(model_path, texts, tmp_path_factory):
    """bert-run's vectors for the texts."""
    program = os.environ.get("BERTQ_BERT_RUN") or ROOT / ".build/release/bert-run"
    if not os.path.exists(program):
        pytest.skip("bert-run is not built; BERTQ_BERT_RUN names one")
    folder = tmp_path_factory.mktemp("expected")
    (folder / "texts").write_text("".join(text + "\n" for text in texts), encoding="utf-8")
    with open(folder / "vectors.npy", "wb") as out:
        subprocess.run(
            [program, model_path, "--input", folder / "texts", "--truncate", "--format", "npy"], check=True, stdout=out,
            stderr=subprocess.DEVNULL)
    return np.load(folder / "vectors.npy")


@pytest.fixture(scope="session")
def few(texts, expected):
    """Some texts of all kinds, and their vectors; all texts where BERTQ_TEST_FULL is set."""
    places = range(0, len(texts), 1 if os.environ.get("BERTQ_TEST_FULL") else max(1, len(texts) // 500))
    return [texts[i] for i in places], expected[places]
