"""Asks a running bert-serve with the clients that people have, and compares bits with bert-run.

    serve_clients.py BASE_URL EXPECTED.jsonl TEXTS [--raw RAW.jsonl] [--only NAME,...]

EXPECTED is what bert-run answers for TEXTS, a line each, with a model that scales vectors to length 1; RAW is what the
same model gives without that. Every client must return those vectors, bit for bit, or the error that docs/serving.md
states.
"""
import argparse
import asyncio
import json
import os
import struct
import sys
import time
import traceback
import urllib.error
import urllib.request

os.environ.update(
    HF_HUB_DISABLE_TELEMETRY="1", HAYSTACK_TELEMETRY_ENABLED="False",
    ANONYMIZED_TELEMETRY="False", LITELLM_LOCAL_MODEL_COST_MAP="True", NO_PROXY="*",
    OPENAI_API_KEY="none", CO_API_KEY="none", LANGCHAIN_TRACING_V2="false")


def bits(vector):
    return struct.pack(f"<{len(vector)}f", *vector)


class Run:
    """What is asked, and what must come."""

    def __init__(self, base, texts, vectors, raw):
        self.base, self.v1 = base, base + "/v1"
        self.texts, self.vectors, self.raw = texts, vectors, raw

    def same(self, vectors, texts=None):
        """All vectors, in order, have bert-run's bits."""
        wanted = self.vectors if texts is None else [self.vectors[self.texts.index(t)] for t in texts]
        assert len(vectors) == len(wanted), f"{len(vectors)} vectors for {len(wanted)} texts"
        for index, (one, other) in enumerate(zip(vectors, wanted)):
            assert bits(one) == bits(other), f"vector {index} differs: {list(one)[:3]} and {list(other)[:3]}"

    def post(self, path, body, headers=None, raw=None):
        """Status, headers and JSON of an answer."""
        data = raw if raw is not None else json.dumps(body).encode()
        request = urllib.request.Request(
            self.base + path, data=data, headers={"content-type": "application/json", **(headers or {})})
        return self.open(request)

    def get(self, path):
        return self.open(urllib.request.Request(self.base + path))

    def open(self, request):
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                status, headers, text = answer.status, answer.headers, answer.read()
        except urllib.error.HTTPError as error:
            status, headers, text = error.code, error.headers, error.read()
        if "json" not in headers.get("content-type", ""):
            return status, headers, text.decode()
        return status, headers, json.loads(text)


CHECKS = []


def check(function):
    CHECKS.append(function)
    return function


# What the clients send, first those that most people use.

@check
def openai_base64(run):
    """openai's default asks for base64, float when told."""
    import openai
    client = openai.OpenAI(base_url=run.v1, api_key="none")
    answer = client.embeddings.create(model="m", input=run.texts)
    run.same([item.embedding for item in answer.data])
    assert [item.index for item in answer.data] == list(range(len(run.texts)))
    assert answer.usage.prompt_tokens == answer.usage.total_tokens > 0
    run.same([client.embeddings.create(model="m", input=run.texts[0]).data[0].embedding], run.texts[:1])
    answer = client.embeddings.create(model="m", input=run.texts, encoding_format="float", user="somebody")
    run.same([item.embedding for item in answer.data])


@check
def openai_models_and_errors(run):
    import openai
    client = openai.OpenAI(base_url=run.v1, api_key="none", max_retries=0)
    names = [model.id for model in client.models.list()]
    assert len(names) == 1 and client.models.retrieve(names[0]).id == names[0]
    long = " ".join(["sea"] * 10000)
    for bad, code in (([run.texts[0], long, "a", long], "context_length_exceeded"),
                      ([[101, 102]], "token_ids_not_accepted"), ([""], "invalid_request_error"),
                      ([], "invalid_request_error")):
        try:
            client.embeddings.create(model="m", input=bad)
        except openai.BadRequestError as error:
            assert error.code == code, (bad, error.code)
            assert error.request_id
            if code == "context_length_exceeded":
                assert "input[1]" in error.message and "input[3]" in error.message, error.message
                assert error.body["indices"] == [1, 3], error.body
            if code == "token_ids_not_accepted":
                assert "check_embedding_ctx_length=False" in error.message
        else:
            raise AssertionError(f"{bad!r} was answered")


@check
def openai_async(run):
    """Requests that come together spoil no bit of one another."""
    import openai

    async def ask():
        async with openai.AsyncOpenAI(base_url=run.v1, api_key="none") as client:
            return await asyncio.gather(*[
                client.embeddings.create(model="m", input=run.texts if n % 3 else run.texts[n % 5])
                for n in range(48)])
    for n, answer in enumerate(asyncio.run(ask())):
        run.same([item.embedding for item in answer.data], run.texts if n % 3 else [run.texts[n % 5]])


@check
def huggingface_hub(run):
    from huggingface_hub import InferenceClient
    client = InferenceClient(base_url=run.base)
    run.same([client.feature_extraction(text)[0] for text in run.texts[:3]], run.texts[:3])
    run.same(list(client.feature_extraction(
        run.texts[0], normalize=True, truncate=True, truncation_direction="Right")), run.texts[:1])
    scores = InferenceClient(model=run.base).sentence_similarity(run.texts[0], other_sentences=run.texts[1:4])
    for score, vector in zip(scores, run.vectors[1:4]):
        exact = sum(a * b for a, b in zip(unit(run.vectors[0]), unit(vector)))
        assert abs(score - exact) < 1e-6, (score, exact)


def unit(vector):
    length = sum(x * x for x in vector) ** 0.5
    return [x / length for x in vector]


@check
def ollama(run):
    import ollama as library
    client = library.Client(host=run.base)
    run.same(client.embed(model="m", input=run.texts)["embeddings"])
    run.same(client.embed(model="m", input=run.texts[1])["embeddings"], run.texts[1:2])
    assert client.embed(model="m", input="")["embeddings"] == []
    run.same([client.embeddings(model="m", prompt=run.texts[0])["embedding"]], run.texts[:1])
    assert len(client.list()["models"]) == 1


@check
def cohere_embed(run):
    import cohere
    client = cohere.ClientV2(api_key="none", base_url=run.base)
    answer = client.embed(
        texts=run.texts, model="m", input_type="search_query", embedding_types=["float"])
    run.same(answer.embeddings.float_)
    assert answer.meta.billed_units.input_tokens > 0


@check
def langchain_openai(run):
    from langchain_openai import OpenAIEmbeddings
    embeddings = OpenAIEmbeddings(
        base_url=run.v1, api_key="none", model="m", check_embedding_ctx_length=False)
    run.same(embeddings.embed_documents(run.texts))
    run.same([embeddings.embed_query(run.texts[2])], run.texts[2:3])


@check
def langchain_community_infinity(run):
    from langchain_community.embeddings import InfinityEmbeddings
    embeddings = InfinityEmbeddings(model="m", infinity_api_url=run.v1)
    run.same(embeddings.embed_documents(run.texts))


@check
def langchain_community_ollama(run):
    from langchain_community.embeddings import OllamaEmbeddings
    embeddings = OllamaEmbeddings(base_url=run.base, model="m", embed_instruction="", query_instruction="")
    run.same(embeddings.embed_documents(run.texts[:2]), run.texts[:2])


@check
def llama_index_openai(run):
    from llama_index.embeddings.openai import OpenAIEmbedding
    embedding = OpenAIEmbedding(api_base=run.v1, api_key="none")
    run.same(embedding.get_text_embedding_batch(run.texts))


@check
def llama_index_openai_like(run):
    from llama_index.embeddings.openai_like import OpenAILikeEmbedding
    embedding = OpenAILikeEmbedding(api_base=run.v1, api_key="none", model_name="m")
    run.same([embedding.get_query_embedding(run.texts[0])], run.texts[:1])
    run.same(embedding.get_text_embedding_batch(run.texts))


@check
def llama_index_tei(run):
    from llama_index.embeddings.text_embeddings_inference import TextEmbeddingsInference
    embedding = TextEmbeddingsInference(base_url=run.base, model_name="m", query_instruction="",
                                        text_instruction="")
    run.same(embedding.get_text_embedding_batch([t.strip() for t in run.texts]),
             [t for t in run.texts])


@check
def haystack(run):
    from haystack import Document
    from haystack.components.embedders import OpenAIDocumentEmbedder, OpenAITextEmbedder
    from haystack.utils import Secret
    options = dict(api_base_url=run.v1, api_key=Secret.from_token("none"), model="m")
    run.same([OpenAITextEmbedder(**options).run(run.texts[0])["embedding"]], run.texts[:1])
    documents = OpenAIDocumentEmbedder(progress_bar=False, **options).run(
        [Document(content=text, id=str(n)) for n, text in enumerate(run.texts)])["documents"]
    run.same([document.embedding for document in documents])


@check
def haystack_tei(run):
    """It asks for vectors as they are before scaling."""
    from haystack_integrations.components.embedders.huggingface_api import HuggingFaceAPITextEmbedder
    embedder = HuggingFaceAPITextEmbedder(
        api_type="text_embeddings_inference", api_params={"url": run.base}, token=None, normalize=True)
    run.same([embedder.run(run.texts[0])["embedding"]], run.texts[:1])
    raw = HuggingFaceAPITextEmbedder(
        api_type="text_embeddings_inference", api_params={"url": run.base}, token=None)
    vector = raw.run(run.texts[0])["embedding"]
    assert not run.raw or bits(vector) == bits(run.raw[0]), (vector[:3], run.raw[0][:3])
    for one, other in zip(unit(vector), unit(run.vectors[0])):
        assert abs(one - other) < 1e-6


@check
def chroma(run):
    from chromadb.utils import embedding_functions
    function = embedding_functions.OpenAIEmbeddingFunction(
        api_key="none", api_base=run.v1, model_name="m")
    run.same(function(run.texts))
    run.same(embedding_functions.HuggingFaceEmbeddingServer(url=run.base + "/embed")(run.texts))


@check
def litellm_embedding(run):
    """It sends null for what nobody asked for."""
    import litellm
    answer = litellm.embedding(
        model="openai/m", input=run.texts, api_base=run.v1, api_key="none", encoding_format=None)
    run.same([item["embedding"] for item in answer.data])


# What no client of these sends.

@check
def plain_http(run):
    status, headers, body = run.post("/v1/embeddings", {"input": run.texts[0], "encoding_format": None})
    assert status == 200 and headers["etag"] == f'"{body["fingerprint"]}"', headers
    run.same([body["data"][0]["embedding"]], run.texts[:1])
    fingerprint = headers["etag"]
    for wanted, expected in ((fingerprint, 200), ('"other", ' + fingerprint, 200), ("*", 200), ('"other"', 412)):
        status, headers, _ = run.post("/embed", {"inputs": "a"}, {"If-Match": wanted})
        assert status == expected and headers["etag"] == fingerprint, (wanted, status)
    table = [
        ("/embed", {"inputs": ["a"], "truncate": True, "truncation_direction": "Right"}, 200),
        ("/embed", {"inputs": "sea " * 10000}, 422), ("/embed", {"inputs": "sea " * 10000, "truncate": True}, 200),
        ("/embed", {"inputs": "sea " * 10000, "truncate": True, "truncation_direction": "up"}, 400),
        ("/embed", {"inputs": "a", "dimensions": 1}, 400), ("/embed", {"inputs": 3}, 400), ("/embed", {}, 400),
        ("/v1/embeddings", {"input": ["a"] * 2049}, 413), ("/v1/embeddings", {"input": "a", "prompt_name": "x"}, 400),
        ("/v1/embeddings", [], 400), ("/nothing", {}, 404), ("/health", {}, 405),
        ("/api/embed", {"model": "m", "input": "sea " * 10000}, 200),
        ("/v2/embed", {"texts": ["a"], "embedding_types": ["int8"]}, 400),
        ("/decode", {"ids": [[5, 6]]}, 200), ("/decode", {"ids": [[5], [99999999, -3]]}, 400),
        ("/embed", {"inputs": "a", "aggregate": "simple"}, 400), ("/embed_sparse", {"inputs": "a", "dimensions": 7}, 400),
        ("/similarity", {"model": "m", "inputs": {"source_sentence": "a", "sentences": ["b"]}, "parameters": {}}, 200),
        ("/similarity", {"inputs": {"source_sentence": "a"}}, 400),
    ]
    for path, body, expected in table:
        status, _, answer = run.post(path, body)
        assert status == expected, (path, str(body)[:80], status, answer)
    for raw, expected in ((b"", 400), (b"{", 400), (b'{"input":"\xff"}', 400), (b'{"input":"\\ud800"}', 400),
                          (b"[" * 100000, 400), (b'{"input":[' + b"0," * 2000000 + b"0]}", 413)):
        assert run.post("/v1/embeddings", None, raw=raw)[0] == expected, raw[:40]
    assert run.post("/embed", None, {"content-type": "text/plain"}, raw=b"x")[0] == 415
    assert run.get("/health")[0] == run.get("/health/ready")[0] == run.get("/")[0] == 200
    status, headers, _ = run.get("/embed")
    assert status == 405 and headers["allow"] == "POST"


@check
def tokens_and_back(run):
    _, _, lists = run.post("/tokenize", {"inputs": run.texts})
    assert len(lists) == len(run.texts) and all(tokens[0]["special"] for tokens in lists)
    ids = [[token["id"] for token in tokens] for tokens in lists]
    _, _, texts = run.post("/decode", {"ids": ids})
    assert len(texts) == len(run.texts)
    _, _, all_tokens = run.post("/embed_all", {"inputs": run.texts})
    assert [len(text) for text in all_tokens] == [len(tokens) for tokens in lists]
    # Places are bytes, as text-embeddings-inference counts them, and the pieces are the texts' own.
    for text, tokens in zip(run.texts, lists):
        raw, end = text.encode(), 0
        for token in tokens:
            if token["special"]:
                assert token["start"] is None and token["stop"] is None, token
                continue
            assert end <= token["start"] < token["stop"] <= len(raw), (text, token)
            assert not raw[end:token["start"]].strip(), f"{text!r}: {raw[end:token['start']]!r} is in no token"
            assert raw[token["start"]:token["stop"]].decode() == token["text"], token
            end = token["stop"]
        assert not raw[end:].strip()
    _, _, bare = run.post("/tokenize", {"inputs": run.texts[0], "add_special_tokens": False})
    assert bare[0] == [token for token in lists[0] if not token["special"]]


@check
def truncation(run):
    """What is cut is the end, or the beginning when that is asked for."""
    most = run.get("/info")[2]["max_input_length"]
    one, other = "a", "."
    for text in (one, other):
        assert len(run.post("/tokenize", {"inputs": text})[2][0]) == 3, text
    long = " ".join([one] * most + [other] * most)
    ends = {"Left": " ".join([other] * (most - 2)), "right": " ".join([one] * (most - 2))}
    for side, kept in ends.items():
        status, headers, vectors = run.post(
            "/embed", {"inputs": long, "truncate": True, "truncation_direction": side})
        assert status == 200 and headers["x-bertq-truncated"] == "1", (side, status)
        assert vectors == run.post("/embed", {"inputs": kept})[2], side
        asked = {"truncate": True, "truncation_direction": side}
        assert run.post("/api/embed", {"input": long, **asked})[2]["embeddings"] == vectors, side
        assert run.post("/v1/embeddings", {"input": long, "normalize": True, **asked})[2]["data"][0]["embedding"] == vectors[0], side
    _, _, body = run.post("/v2/embed", {"texts": [long], "truncate": "START"})
    assert body["embeddings"]["float"] == run.post("/embed", {"inputs": ends["Left"]})[2]
    assert run.post("/v2/embed", {"texts": [long]})[0] == 400
    # All that are too long are named, at their places in the request.
    status, _, body = run.post("/similarity", {"inputs": {"source_sentence": "a", "sentences": ["b", long, "c", long]}})
    assert status == 422 and body["indices"] == [1, 3] and body["error"].startswith("inputs.sentences[1]"), body
    status, _, body = run.post("/v2/embed", {"texts": [long] * 30})
    assert status == 400 and body["indices"] == list(range(30)) and '"END"' in body["message"], body


@check
def cache_header(run):
    """Hits and misses of each request; together they are its texts."""
    texts = [f"a window of the house {time.monotonic_ns()}", "a bird", "a bird"]
    first = run.post("/embed", {"inputs": texts, "truncate": True})[1]["x-bertq-cache"]
    again = run.post("/embed", {"inputs": texts, "truncate": True})[1]["x-bertq-cache"]
    counts = [int(part.split("=")[1]) for part in first.split(";")]
    assert sum(counts) == 3 and counts[1] >= 1, first
    assert again == "hits=3;misses=0", again
    assert "x-bertq-cache" not in run.post("/tokenize", {"inputs": "a"})[1]


@check
def info(run):
    status, _, body = run.get("/info")
    assert status == 200 and body["model_type"]["embedding"]["pooling"]
    assert body["dimensions"] == len(run.vectors[0])


@check
def metrics(run):
    """What Prometheus' own parser reads."""
    from prometheus_client.parser import text_string_to_metric_families
    run.post("/embed", {"inputs": "a"})
    status, headers, text = run.get("/metrics")
    families = {family.name: family for family in text_string_to_metric_families(text)}
    counted = [s for s in families["bertq_requests"].samples if s.labels == {"route": "/embed", "status": "200"}]
    assert counted and counted[0].value >= 1
    buckets = [s for s in families["bertq_request_seconds"].samples if s.name.endswith("_bucket")]
    assert buckets[-1].labels["le"] == "+Inf"
    assert families["bertq_model_info"].samples[0].labels["fingerprint"]
    assert families["process_resident_memory_bytes"].samples[0].value > 1e6


def read_vectors(path):
    return [json.loads(line)["embedding"] for line in open(path, encoding="utf-8")]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("base")
    parser.add_argument("expected")
    parser.add_argument("texts")
    parser.add_argument("--raw")
    parser.add_argument("--only", default="")
    options = parser.parse_args()
    texts = open(options.texts, encoding="utf-8").read().splitlines()
    run = Run(options.base.rstrip("/"), texts, read_vectors(options.expected),
              read_vectors(options.raw) if options.raw else [])
    only = set(filter(None, options.only.split(",")))
    failed = []
    for function in CHECKS:
        if only and function.__name__ not in only:
            continue
        begin = time.monotonic()
        try:
            function(run)
            outcome = "passed"
        except Exception:  # Whatever a client throws is a result.
            outcome = "FAILED"
            failed.append(function.__name__)
            traceback.print_exc()
        print(f"  {outcome}  {function.__name__} ({time.monotonic() - begin:.1f} s)", flush=True)
    if failed:
        sys.exit(f"{len(failed)} checks failed: {', '.join(failed)}")


main()
