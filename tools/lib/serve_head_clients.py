"""Asks bert-serve for what heads answer with the clients that people have, and compares bits with bert-run.

    serve_head_clients.py BERT_SERVE BERT_RUN FOLDER [reranks|classifies|tags_and_answers|masks_and_labels...]

FOLDER holds NAME.bertq of each model that serve_heads.py writes, and the servers' logs then.
"""
import json
import os
import struct
import subprocess
import sys
import time

from serve_process import Server

SERVER, RUN, FOLDER = sys.argv[1:4]
ONLY = sys.argv[4:]
QUERY = "Where is the house?"
DOCUMENTS = ["The old road to the sea", "A bird sings.", "Zwölf Boxkämpfer", "A bird sings.", "She opens a small window"]
os.environ.update(
    HF_HUB_DISABLE_TELEMETRY="1", HAYSTACK_TELEMETRY_ENABLED="False", LITELLM_LOCAL_MODEL_COST_MAP="True", NO_PROXY="*",
    CO_API_KEY="none", INFINITY_API_KEY="none")


def model(name):
    return os.path.join(FOLDER, name + ".bertq")


def ours(name, *arguments, lines=None, of=None):
    """What bert-run answers for a task, with the model of its name or another."""
    text = None if lines is None else "".join(json.dumps(line) + "\n" for line in lines)
    done = subprocess.run([RUN, model(of or name), "--task", name, *arguments], input=text, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def bits(number):
    return struct.pack("<f", number)


def same(found, wanted, what=""):
    """Pairs of something and a number: the same things in the same order, and the same bits."""
    assert [(a, bits(b)) for a, b in found] == [(a, bits(b)) for a, b in wanted], (what, found, wanted)


def reranks(server):
    ranking = ours("rerank", "--query", QUERY, *DOCUMENTS)[0]["ranking"]
    scores = [(row["document"], row["score"]) for row in ranking]
    logits = [(row["document"], row["logit"]) for row in ranking]
    assert len({bits(score) for _, score in scores}) == 4 and scores != logits

    import cohere
    for client in (cohere.ClientV2("none", base_url=server.base), cohere.Client("none", base_url=server.base)):
        answer = client.rerank(model="m", query=QUERY, documents=DOCUMENTS)
        same([(row.index, row.relevance_score) for row in answer.results], scores, "cohere")
        assert answer.meta.billed_units.search_units == 1
        answer = client.rerank(model="m", query=QUERY, documents=DOCUMENTS, top_n=2)
        same([(row.index, row.relevance_score) for row in answer.results], scores[:2], "cohere's best two")
    answer = client.rerank(model="m", query=QUERY, documents=[{"text": text} for text in DOCUMENTS], return_documents=True)
    assert [row.document.text for row in answer.results] == [DOCUMENTS[place] for place, _ in scores]

    import litellm
    for provider in ("cohere", "jina_ai", "hosted_vllm", "infinity", "huggingface"):
        # As infinity/ it wants documents as strings, which as hosted_vllm/, from the same request, it wants as objects.
        answer = litellm.rerank(
            model=provider + "/m", query=QUERY, documents=DOCUMENTS, top_n=3, api_base=server.base, api_key="none",
            return_documents=provider != "infinity")
        same([(row["index"], row["relevance_score"]) for row in answer.results[:3]], scores[:3], provider)

    from llama_index.core.schema import NodeWithScore, TextNode
    from llama_index.postprocessor.tei_rerank import TextEmbeddingInference
    nodes = [NodeWithScore(node=TextNode(text=text, id_=str(place))) for place, text in enumerate(DOCUMENTS)]
    found = TextEmbeddingInference(base_url=server.base, top_n=5, model_name="m").postprocess_nodes(nodes, query_str=QUERY)
    same([(int(node.node.id_), node.score) for node in found], scores, "llama-index")

    from haystack import Document
    from haystack_integrations.components.rankers.huggingface_api import HuggingFaceTEIRanker
    documents = [Document(content=text, id=str(place)) for place, text in enumerate(DOCUMENTS)]
    found = HuggingFaceTEIRanker(url=server.base, token=None, top_k=5).run(query=QUERY, documents=documents)["documents"]
    same([(int(document.id), document.score) for document in found], scores, "haystack")
    found = HuggingFaceTEIRanker(url=server.base, token=None, raw_scores=True).run(query=QUERY, documents=documents)
    same([(int(document.id), document.score) for document in found["documents"]], logits, "haystack's raw scores")

    from infinity_client import Client
    from infinity_client.api.default import rerank
    from infinity_client.models import RerankInput
    body = RerankInput(query=QUERY, documents=DOCUMENTS, return_documents=False, raw_scores=False, model="m")
    answer = rerank.sync(client=Client(base_url=server.base), body=body)
    same([(row.index, row.relevance_score) for row in answer.results], scores, "infinity_client")
    from langchain_community.document_compressors.infinity_rerank import InfinityRerank
    from langchain_core.documents import Document as Passage
    compressor = InfinityRerank(client=Client(base_url=server.base), model="m", top_n=5)
    found = compressor.compress_documents([Passage(page_content=text) for text in DOCUMENTS], QUERY)
    assert [passage.page_content for passage in found] == [DOCUMENTS[place] for place, _ in scores]
    same([(0, passage.metadata["relevance_score"]) for passage in found], [(0, score) for _, score in scores], "langchain")

    # The body decides in whose form an error is written.
    long = "the road " * 1000
    for body, status, message in (({"texts": ["a", long, long]}, 422, "error"), ({"documents": ["a", long, long]}, 400, "message")):
        answer = server.ask("POST", "/rerank", {"query": "a", **body})
        assert answer[0] == status and message in json.loads(answer[2]), answer
        assert json.loads(answer[2])["indices"] == [1, 2], answer
    # Neither vectors nor labels of several are to be had from it, and the error says what it is for.
    status, _, text = server.ask("POST", "/v1/embeddings", {"input": "a"})
    assert status == 400 and json.loads(text)["error"]["code"] == "unsupported_task", text
    status, _, text = server.ask("POST", "/embed", {"inputs": "a"})
    assert status == 424 and "rerank" in json.loads(text)["error"], text
    return ("cohere 1 and 2, litellm as five providers, llama-index, haystack, infinity_client and langchain rank")


def classifies(server):
    texts = ["A bird sings.", "She opens a small window", "Zwölf Boxkämpfer"]
    wanted = [[(row["label"], row["score"]) for row in line["labels"]] for line in ours("classify", *texts)]
    from huggingface_hub import InferenceClient
    client = InferenceClient(model=server.base + "/predict")
    for text, labels in zip(texts, wanted):
        same([(row.label, row.score) for row in client.text_classification(text)], labels, "huggingface_hub")
    same([(row.label, row.score) for row in client.text_classification(texts[0], top_k=1)], wanted[0][:1], "its top_k")
    _, _, text = server.ask("POST", "/predict", {"inputs": [[text] for text in texts]})
    for found, labels in zip(json.loads(text), wanted):
        same([(row["label"], row["score"]) for row in found], labels, "/predict")
    pair = ours("classify", "--jsonl", lines=[{"text": texts[0], "pair": texts[1]}])[0]["labels"]
    _, headers, text = server.ask("POST", "/predict", {"inputs": texts[:2], "raw_scores": True})
    same([(row["label"], row["score"]) for row in json.loads(text)], [(row["label"], row["logit"]) for row in pair], "a pair")
    from infinity_client import Client
    from infinity_client.api.default import classify
    from infinity_client.models import ClassifyInput
    answer = classify.sync(client=Client(base_url=server.base), body=ClassifyInput(input_=texts, model="m"))
    for found, labels in zip(answer.data, wanted):
        same([(row.label, row.score) for row in found], labels, "infinity_client")
    # A head's answers have a fingerprint of their own.
    _, _, models = server.ask("GET", "/v1/models")
    entry = json.loads(models)["data"][0]
    assert headers["etag"] == f'"{entry["head_fingerprint"]}"' and entry["fingerprint"] != entry["head_fingerprint"]
    for name, status in (("head_fingerprint", 200), ("fingerprint", 412)):
        answer = server.ask("POST", "/predict", {"inputs": "a"}, {"if-match": f'"{entry[name]}"'})
        assert answer[0] == status, (name, answer)
    return "huggingface_hub, infinity_client and plain requests classify"


def tags_and_answers(server):
    texts = ["A bird sings.", "She opens a small window, and the sun comes in."]
    wanted = [line["entities"] for line in ours("tag", *texts)]
    status, _, text = server.ask("POST", "/v1/tag", {"input": texts, "model": "tag"})
    assert status == 200 and [row["entities"] for row in json.loads(text)["data"]] == wanted, text
    assert any(wanted), "no entity was found at all"
    questions = [{"question": "Where is it?", "context": text} for text in texts]
    wanted = [line["answers"] for line in ours("answer", "--jsonl", "--top", "3", lines=[
        {"text": row["question"], "pair": row["context"]} for row in questions])]
    status, _, text = server.ask("POST", "/v1/answer", {"input": questions, "top": 3, "model": "answer"})
    assert status == 200 and [row["answers"] for row in json.loads(text)["data"]] == wanted, text
    # What is cut is said, what may not be cut is named, and no number is too great.
    long = "the road " * 1000
    before = server.value("bertq_truncated_texts_total")
    status, headers, _ = server.ask("POST", "/v1/tag", {"input": ["a", long], "truncate": True, "model": "tag"})
    assert status == 200 and headers["x-bertq-truncated"] == "1", headers
    assert server.value("bertq_truncated_texts_total") == before + 1
    status, _, text = server.ask("POST", "/v1/tag", {"input": [long, "a", long], "model": "tag"})
    assert status == 400 and json.loads(text)["error"]["indices"] == [0, 2], text
    question = {"question": "Where is it?", "context": texts[0], "model": "answer"}
    for name in ("top", "longest", "stride"):
        status, _, text = server.ask("POST", "/v1/answer", {**question, name: 2**63 - 1})
        assert status == 400 and json.loads(text)["error"]["param"] == name, text
        assert server.ask("POST", "/v1/answer", {**question, name: 512})[0] == 200, name
    for route in ("/v1/fill-mask", "/v1/zero-shot", "/embed_sparse", "/rerank", "/predict"):
        body = {"input": "a", "inputs": "a", "labels": ["a"], "query": "a", "documents": ["a"], "model": "tag"}
        status, _, text = server.ask("POST", route, body)
        assert status == (424 if route in ("/predict", "/embed_sparse") else 400), (route, status, text)
        assert b"unsupported_task" in text or route == "/rerank", text
    return "our own routes tag and answer"


def masks_and_labels(server):
    texts = ["A [MASK] sings.", "She [MASK] a small [MASK]"]
    for more, arguments in (({}, []), ({"top": 2}, ["--top", "2"]), ({"targets": ["bird", "sea"]}, ["--targets", "bird,sea"])):
        wanted = [line["masks"] for line in ours("fill-mask", *arguments, *texts)]
        status, _, text = server.ask("POST", "/v1/fill-mask", {"input": texts, "model": "fill-mask", **more})
        assert status == 200 and [row["masks"] for row in json.loads(text)["data"]] == wanted, (more, text, wanted)
        assert [len(masks) for masks in wanted] == [1, 2], wanted
    status, _, text = server.ask("POST", "/v1/fill-mask", {"input": [*texts, "no mask"], "model": "fill-mask"})
    assert status == 400 and json.loads(text)["error"]["indices"] == [2], text
    wanted = [(line["indices"], line["values"]) for line in ours("sparse", *texts, of="fill-mask")]
    status, _, text = server.ask("POST", "/embed_sparse", {"inputs": texts, "model": "fill-mask"})
    assert status == 200 and [([p["index"] for p in row], [p["value"] for p in row]) for row in json.loads(text)] == wanted, text
    labels, texts = ["bird", "sea", "road"], ["A bird sings.", "The old road to the sea"]
    for more, arguments in (({}, []), ({"multi": True, "hypothesis": "It is a {}."}, ["--multi", "--hypothesis", "It is a {}."])):
        wanted = [line["labels"] for line in ours("zero-shot", "--labels", ",".join(labels), *arguments, *texts)]
        status, _, text = server.ask("POST", "/v1/zero-shot", {"input": texts, "labels": labels, "model": "zero-shot", **more})
        assert status == 200 and [row["labels"] for row in json.loads(text)["data"]] == wanted, (more, text, wanted)
    return "our own routes fill masks, weigh words and choose labels of one's own"


for check, names in ((reranks, ["rerank"]), (classifies, ["classify"]), (tags_and_answers, ["tag", "answer"]),
                     (masks_and_labels, ["fill-mask", "zero-shot"])):
    if ONLY and check.__name__ not in ONLY:
        continue
    begin = time.monotonic()
    with Server(SERVER, FOLDER, [model(name) for name in names], "--queue-ms", "0") as running:
        what = check(running)
    print(f"  passed  {what} ({time.monotonic() - begin:.1f} s)", flush=True)
