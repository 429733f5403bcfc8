"""The adapters, each against the real package: run by tools/check/adapters, which installs the packages.

    python -m pytest python/tests/adapters.py

Named so that the ordinary tests do not collect it: the packages are gigabytes.
"""

import asyncio
import json
import os
import pathlib
import re
import shutil

import numpy as np
import pytest

import bertq
import head_checkpoints


def same(found, expected):
    found = np.asarray(found, np.float32)
    return found.shape == expected.shape and found.tobytes() == np.ascontiguousarray(expected).tobytes()


@pytest.fixture(scope="module")
def ten(few):
    """A few of the texts, for what searches them."""
    step = max(1, len(few[0]) // 10)
    return few[0][::step], few[1][::step]


def test_sentence_transformers(model_path, few, tmp_path):
    pytest.importorskip("sentence_transformers")
    from bertq.sentence_transformers import load

    texts, expected = few
    model = load(model_path, prompts={"query": "query: "})
    assert same(model.encode(texts), expected)
    assert same(model.encode(texts, batch_size=7, convert_to_tensor=True), expected)
    assert model.encode(texts[:3], truncate_dim=8).shape == (3, 8)
    assert model.encode(texts[:3], precision="ubinary").dtype == np.uint8
    one = bertq.Model(model_path)
    assert same(model.encode(["a"], prompt_name="query")[0], one.encode("query: a"))
    assert same(model.encode_query("a"), one.encode("query: a"))
    assert model.similarity(model.encode(texts[:2]), model.encode(texts[:3])).shape == (2, 3)
    assert model.get_embedding_dimension() == one.dimension and model.max_seq_length == one.max_tokens


def test_sentence_transformers_evaluator(model_path):
    pytest.importorskip("sentence_transformers")
    from sentence_transformers.sentence_transformer.evaluation import EmbeddingSimilarityEvaluator

    from bertq.sentence_transformers import load

    found = EmbeddingSimilarityEvaluator(["a bird", "the sea"], ["birds", "a road"], [1.0, 0.2])(load(model_path))
    assert all(np.isfinite(list(found.values())))


PAIRS = [("who sings?", "A bird sings in the old tree."), ("who sings?", "The road leads to the sea."), ("the sea", "a road to the sea")]


@pytest.mark.parametrize("head, settings", [("rerank", {}), ("rerank", {"problem_type": "regression"}), ("classify", {})])
def test_a_cross_encoder_scores_as_the_real_one(head, settings, tmp_path):
    """Beside CrossEncoder on the checkpoint itself."""
    sentence_transformers = pytest.importorskip("sentence_transformers")
    from bertq.sentence_transformers import load_cross_encoder

    folder = head_checkpoints.write(tmp_path / head, head)
    configuration = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**configuration, **settings}))
    path = bertq.convert(folder, tmp_path / "m.bertq", calibrate=False).path
    real, ours = sentence_transformers.CrossEncoder(str(folder), device="cpu"), load_cross_encoder(path, precision="float")
    assert ours.num_labels == real.num_labels == len(head_checkpoints.HEADS[head][1])
    np.testing.assert_allclose(ours.predict(PAIRS), real.predict(PAIRS), atol=1e-5)
    np.testing.assert_allclose(ours.predict(PAIRS[0]), real.predict(PAIRS[0]), atol=1e-5)
    if head == "rerank":
        ranked = {item["document"]: item["score"] for item in bertq.Model(path, precision="float").rerank(PAIRS[0][0], [PAIRS[0][1]])}
        np.testing.assert_allclose([ranked[0]], real.predict(PAIRS[:1]), atol=1e-5)
    soft = {"apply_softmax": True}
    np.testing.assert_allclose(ours.predict(PAIRS, **soft), real.predict(PAIRS, **soft), atol=1e-5)


def test_a_cross_encoder_gives_the_logits_of_the_model(tmp_path):
    pytest.importorskip("sentence_transformers")
    import torch

    from bertq.sentence_transformers import load_cross_encoder

    path = bertq.convert(head_checkpoints.write(tmp_path / "h", "rerank"), tmp_path / "m.bertq", calibrate=False).path
    ranker, model = load_cross_encoder(path), bertq.Model(path)
    logits = np.array([labels[0]["logit"] for labels in model.classify(PAIRS)], np.float32)
    assert same(ranker.predict(PAIRS, activation_fn=torch.nn.Identity(), batch_size=2), logits)
    documents = [document for _, document in PAIRS]
    found, expected = ranker.rank("who sings?", documents), model.rerank("who sings?", documents)
    assert [item["corpus_id"] for item in found] == [item["document"] for item in expected]
    np.testing.assert_allclose([item["score"] for item in found], [item["score"] for item in expected], atol=1e-6)
    with pytest.raises(ValueError, match="prompts"):
        ranker.predict(PAIRS, prompt="query: ")
    long = ("a", "bird " * 1000)
    assert np.isfinite(ranker.predict([long]))


def test_a_model_without_a_classifier_is_no_cross_encoder(model_path):
    pytest.importorskip("sentence_transformers")
    from bertq.sentence_transformers import load_cross_encoder

    with pytest.raises(NotImplementedError):
        load_cross_encoder(model_path)


def test_langchain(model_path, few, ten):
    pytest.importorskip("langchain_core")
    from langchain_core.vectorstores import InMemoryVectorStore

    from bertq.langchain import BertqEmbeddings

    embeddings = BertqEmbeddings(model_path)
    assert same(embeddings.embed_documents(few[0]), few[1])
    texts, expected = ten
    assert same(embeddings.embed_query(texts[1]), expected[1])
    assert same(asyncio.run(embeddings.aembed_query(texts[1])), expected[1])
    store = InMemoryVectorStore.from_texts([text for text in texts if text], embeddings)
    assert store.similarity_search(texts[2], k=1)[0].page_content == texts[2]


def test_llama_index(model_path, few, ten):
    pytest.importorskip("llama_index.core")
    from llama_index.core import Document, VectorStoreIndex

    from bertq.llama_index import BertqEmbedding

    embedding = BertqEmbedding(model_path)
    assert same(embedding.get_text_embedding_batch(few[0]), few[1])
    texts, expected = ten
    assert same(embedding.get_query_embedding(texts[1]), expected[1])
    assert same(asyncio.run(embedding.aget_text_embedding(texts[1])), expected[1])
    index = VectorStoreIndex.from_documents([Document(text=text) for text in texts if text], embed_model=embedding)
    assert index.as_retriever(similarity_top_k=1).retrieve(texts[2])[0].text == texts[2]


def test_haystack(model_path, few, ten):
    pytest.importorskip("haystack")
    from haystack import Document, Pipeline
    from haystack.components.retrievers.in_memory import InMemoryEmbeddingRetriever
    from haystack.document_stores.in_memory import InMemoryDocumentStore

    from bertq.haystack import BertqDocumentEmbedder, BertqTextEmbedder

    embedder = BertqDocumentEmbedder(model_path)
    documents = embedder.run([Document(content=text) for text in few[0]])["documents"]
    assert same([document.embedding for document in documents], few[1])
    texts, _ = ten
    documents = embedder.run([Document(content=text) for text in texts])["documents"]
    # The tests' small model does not scale its vectors.
    store = InMemoryDocumentStore(embedding_similarity_function="cosine")
    store.write_documents(documents)
    pipeline = Pipeline()
    pipeline.add_component("embedder", BertqTextEmbedder(model_path))
    pipeline.add_component("retriever", InMemoryEmbeddingRetriever(store))
    pipeline.connect("embedder.embedding", "retriever.query_embedding")
    found = pipeline.run({"embedder": {"text": texts[2]}})["retriever"]["documents"]
    assert found[0].content == texts[2]
    data = BertqTextEmbedder(model_path).to_dict()
    assert BertqTextEmbedder.from_dict(data).path == model_path


@pytest.fixture(scope="module")
def prompted(tmp_path_factory):
    """A model whose file has prompts, which no adapter may drop; pathlib's path, as many give it."""
    folder = shutil.copytree(head_checkpoints.TINY, tmp_path_factory.mktemp("prompted") / "checkpoint")
    (folder / "config_sentence_transformers.json").write_text(
        json.dumps({"prompts": {"query": "a bird ", "document": "the road "}, "default_prompt_name": None}))
    return pathlib.Path(bertq.convert(folder, folder.parent / "m.bertq", calibrate=False).path)


def ways(path):
    """What each package calls for a query and for a document, by the package."""
    from bertq.chroma import BertqEmbeddingFunction
    from bertq.fastembed import TextEmbedding
    from bertq.haystack import BertqDocumentEmbedder, BertqTextEmbedder
    from bertq.langchain import BertqEmbeddings
    from bertq.llama_index import BertqEmbedding
    from bertq.sentence_transformers import load
    from haystack import Document

    chroma, fast, chain, index, sentences = (
        BertqEmbeddingFunction(path), TextEmbedding(path), BertqEmbeddings(path), BertqEmbedding(path), load(path))
    query, documents = BertqTextEmbedder(path), BertqDocumentEmbedder(path)
    return {
        "chroma": (lambda t: chroma.embed_query([t])[0], lambda t: chroma([t])[0]),
        "fastembed": (lambda t: next(fast.query_embed(t)), lambda t: next(fast.embed([t]))),
        "fastembed's passages": (lambda t: next(fast.query_embed([t])), lambda t: next(fast.passage_embed([t]))),
        "haystack": (
            lambda t: query.run(t)["embedding"], lambda t: documents.run([Document(content=t)])["documents"][0].embedding),
        "langchain": (chain.embed_query, lambda t: chain.embed_documents([t])[0]),
        "llama_index": (index.get_query_embedding, index.get_text_embedding),
        "sentence_transformers": (sentences.encode_query, sentences.encode_document),
    }


def test_every_adapter_keeps_the_prompts_of_the_file(prompted):
    for package in ("chromadb", "fastembed", "haystack", "langchain_core", "llama_index.core", "sentence_transformers"):
        pytest.importorskip(package)
    model = bertq.Model(prompted)
    query, document = model.encode("a bird sings", prompt=""), model.encode("the road sings", prompt="")
    for package, (ask, store) in ways(prompted).items():
        assert same(ask("sings"), query), package
        assert same(store("sings"), document), package


def test_chroma_queries_behind_the_prompt(prompted):
    chromadb = pytest.importorskip("chromadb")
    from bertq.chroma import BertqEmbeddingFunction

    asked = []

    class Watched(BertqEmbeddingFunction):
        def embed_query(self, input):  # noqa: A002
            asked.append(list(input))
            return super().embed_query(input)

    collection = chromadb.EphemeralClient().create_collection("bertq-prompts", embedding_function=Watched(prompted))
    collection.add(ids=["1", "2"], documents=["sings", "the sea"])
    distance = collection.query(query_texts=["sings"], n_results=2, include=["distances", "documents"])
    model = bertq.Model(prompted)
    expected = np.square(model.encode_query("sings") - model.encode_document(distance["documents"][0])).sum(axis=1)
    np.testing.assert_allclose(distance["distances"][0], expected, rtol=1e-4)
    assert asked == [["sings"]]


@pytest.mark.parametrize("texts", [["a", "b"], None, 7, b"a"])
def test_a_query_is_one_text(model_path, texts):
    """A list of vectors in a vector's place would fail later, elsewhere."""
    for package in ("haystack", "langchain_core"):
        pytest.importorskip(package)
    from bertq.haystack import BertqTextEmbedder
    from bertq.langchain import BertqEmbeddings

    with pytest.raises(TypeError, match="the query is"):
        BertqEmbeddings(model_path).embed_query(texts)
    with pytest.raises(TypeError, match="the text is"):
        BertqTextEmbedder(model_path).run(texts)
    with pytest.raises(TypeError, match="texts are str"):
        BertqEmbeddings(model_path).embed_documents("ab")


def test_pipelines_are_written_and_read(model_path):
    """What an adapter says of itself is text, and opens the same model."""
    for package in ("haystack", "llama_index.core", "chromadb"):
        pytest.importorskip(package)
    from haystack import Pipeline

    from bertq.chroma import BertqEmbeddingFunction
    from bertq.haystack import BertqDocumentEmbedder, BertqTextEmbedder
    from bertq.llama_index import BertqEmbedding

    path = pathlib.Path(model_path)
    pipeline = Pipeline()
    pipeline.add_component("query", BertqTextEmbedder(path, threads=1, precision="float"))
    pipeline.add_component("documents", BertqDocumentEmbedder(path))
    read = Pipeline.loads(pipeline.dumps(), allowed_modules=["bertq.haystack"]).get_component("query")
    assert (read.path, read.threads, read.precision) == (model_path, 1, "float")
    assert json.loads(json.dumps(BertqEmbeddingFunction(path).get_config()))["path"] == model_path
    embedding = BertqEmbedding(path, threads=1, precision="float", embed_batch_size=7)
    read = BertqEmbedding.from_dict(json.loads(json.dumps(embedding.to_dict())))
    assert (read.model_name, read.threads, read.precision, read.embed_batch_size) == (model_path, 1, "float", 7)
    assert read.get_query_embedding("a bird") == embedding.get_query_embedding("a bird")
    with pytest.raises(TypeError, match="needs the path"):
        BertqEmbedding()


def test_sentence_transformers_says_what_it_does_not_give(model_path):
    pytest.importorskip("sentence_transformers")
    from bertq.sentence_transformers import load

    with pytest.raises(NotImplementedError, match="token_vectors"):
        load(model_path).encode(["a"], output_value="token_embeddings")
    assert load(model_path).encode("a", output_value=None)["sentence_embedding"].shape == (bertq.Model(model_path).dimension,)


def test_chroma(model_path, few):
    chromadb = pytest.importorskip("chromadb")
    from bertq.chroma import BertqEmbeddingFunction

    texts, expected = few
    function = BertqEmbeddingFunction(model_path)
    client = chromadb.EphemeralClient()
    collection = client.create_collection("bertq-texts", embedding_function=function)
    names, most = [str(i) for i in range(len(texts))], client.get_max_batch_size()
    for first in range(0, len(texts), most):
        collection.add(ids=names[first : first + most], documents=texts[first : first + most])
    stored = collection.get(include=["embeddings"])
    order = np.argsort([int(name) for name in stored["ids"]])
    assert same(np.asarray(stored["embeddings"])[order], expected)
    assert collection.query(query_texts=[texts[2]], n_results=1)["documents"][0][0] == texts[2]
    assert BertqEmbeddingFunction.build_from_config(function.get_config()).name() == "bertq"
    with pytest.raises(ValueError, match="fingerprint"):
        BertqEmbeddingFunction.build_from_config({**function.get_config(), "fingerprint": "0"})


def test_fastembed_has_the_same_methods(model_path, few):
    fastembed = pytest.importorskip("fastembed")
    from bertq.fastembed import TextEmbedding

    texts, expected = few
    ours = TextEmbedding(model_path)
    assert same(np.array(list(ours.embed(texts, batch_size=3, parallel=2))), expected)
    assert same(next(iter(ours.query_embed(texts[1]))), expected[1])
    assert same(np.array(list(ours.passage_embed(iter(texts)))), expected)
    assert ours.token_count(texts) == sum(len(ids) for ids in ours.model.tokenize(texts, truncate=True))
    assert ours.embedding_size == expected.shape[1]
    assert TextEmbedding.get_embedding_size(model_path) == expected.shape[1]
    for method in ("embed", "query_embed", "passage_embed", "token_count", "embedding_size", "get_embedding_size"):
        assert hasattr(fastembed.TextEmbedding, method) and hasattr(ours, method)


def test_scikit_learn(model_path, few):
    pytest.importorskip("sklearn")
    import pickle

    from sklearn.base import clone
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    from bertq.sklearn import BertqVectorizer

    texts, expected = few
    step = BertqVectorizer(model_path)
    assert same(step.fit_transform(texts), expected)
    assert same(pickle.loads(pickle.dumps(step)).transform(texts), expected)
    assert same(clone(step).fit(texts).transform(texts), expected)
    labels = [i % 2 for i in range(len(texts))]
    assert make_pipeline(step, LogisticRegression()).fit(texts, labels).predict(texts).shape == (len(texts),)
    assert len(step.get_feature_names_out()) == expected.shape[1]


def test_what_the_page_writes_runs(model_path, tmp_path, monkeypatch):
    """The table of docs/python.md: each row's code, with whatever packages are here."""
    page = (pathlib.Path(__file__).resolve().parent.parent.parent / "docs/python.md").read_text(encoding="utf-8")
    codes = re.findall(r"^\|[^|]*\| `(from bertq\.[^`]*)`", page, re.M)
    folder = head_checkpoints.write(tmp_path / "head", "rerank")
    bertq.convert(folder, tmp_path / "ranker.bertq", calibrate=False)
    os.symlink(model_path, tmp_path / "minilm.bertq")
    monkeypatch.chdir(tmp_path)
    for code in codes:
        exec(code, {})
    assert len(codes) == 9


def test_mteb_mock_tasks(model_path):
    mteb = pytest.importorskip("mteb")
    from bertq.mteb import load

    found = mteb.mock_run(load(model_path)).task_results
    # None is a task of images, sounds or films.
    asked = {name: result for name, result in found.items() if result is not None}
    failed = [name for name, result in asked.items() if type(result).__name__ != "TaskResult"]
    assert len(asked) >= 28 and not failed, failed


@pytest.mark.parametrize("precision, spearman", [("float", 0.9134), ("int8", 0.9139)])
def test_mteb_sts(precision, spearman):
    """Through MTEB's own code, the figures of all-MiniLM-L6-v2 on STS-B's dev part that is at hand."""
    mteb = pytest.importorskip("mteb")
    import evaluation_texts
    from datasets import Dataset, DatasetDict
    from mteb.mocks.mock_tasks.sts import MockSTSTask

    import test_docs
    from bertq.mteb import load

    data = evaluation_texts.folder()
    if data is None or not test_docs.MODEL.exists():
        pytest.skip("no shared data, or all-MiniLM-L6-v2 is not converted")
    lines = (data / "eval/stsb/stsb-dev-ccbysa.tsv").read_text(encoding="utf-8").splitlines()[1:]
    rows = [line.split("\t") for line in lines]

    class Pairs(MockSTSTask):
        min_score, max_score = 0, 5

        def load_data(self, num_proc=None, **_):
            self.dataset = DatasetDict({"test": Dataset.from_dict({
                "sentence1": [row[4] for row in rows], "sentence2": [row[5] for row in rows],
                "score": [float(row[3]) for row in rows]})})
            self.data_loaded = True

    found = mteb.evaluate(load(test_docs.MODEL, precision=precision), Pairs(), cache=None)
    assert abs(found[0].get_score() - spearman) < 5e-5, found[0].get_score()


def test_duckdb(model_path, few):
    duckdb = pytest.importorskip("duckdb")
    texts, expected = few
    model = bertq.Model(model_path)
    connection = duckdb.connect()
    connection.create_function(
        "embed", lambda column: model.encode_arrow(column, truncate=True), ["VARCHAR"], f"FLOAT[{model.dimension}]", type="arrow")
    connection.execute("create table t (id integer, text varchar)")
    connection.executemany("insert into t values (?, ?)", list(enumerate(texts)))
    found = connection.execute("select embed(text) from t order by id").fetchall()
    assert same([row[0] for row in found], expected)


def test_polars(model_path, few):
    pl = pytest.importorskip("polars")
    texts, expected = few
    model = bertq.Model(model_path)
    found = pl.from_arrow(model.encode_arrow(pl.Series(texts).to_arrow(), truncate=True))
    assert same(found.to_numpy(), expected)
