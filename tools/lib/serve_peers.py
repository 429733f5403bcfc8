"""Serves sentence embeddings with FastAPI as a careful user would: texts that wait are computed together, eight at a time and
of like lengths, in a thread of their own; answers are written by orjson.

    serve_peers.py sentence-transformers|onnxruntime|openvino CHECKPOINT MODEL_FOLDER PORT

MODEL_FOLDER: what tools/peers/convert.py made for the runtime.
"""
import asyncio
import concurrent.futures
import os
import sys

import numpy
import orjson
import uvicorn
from fastapi import FastAPI, Request, Response

KIND, CHECKPOINT, FOLDER, PORT = sys.argv[1:5]
TOGETHER = 8
LONGEST = 256


def sentence_transformers():
    import torch
    from sentence_transformers import SentenceTransformer
    torch.set_num_threads(1)
    model = SentenceTransformer(CHECKPOINT, device="cpu")
    model.max_seq_length = LONGEST
    return lambda texts: model.encode(texts, batch_size=TOGETHER, normalize_embeddings=True, show_progress_bar=False)


def tokenizer():
    from tokenizers import BertWordPieceTokenizer
    made = BertWordPieceTokenizer(os.path.join(CHECKPOINT, "vocab.txt"), lowercase=True)
    made.enable_truncation(LONGEST)
    made.enable_padding()
    return made


def arrays(encoded):
    ids, mask = (numpy.array([getattr(e, name) for e in encoded], numpy.int64) for name in ("ids", "attention_mask"))
    return {"input_ids": ids, "attention_mask": mask, "token_type_ids": numpy.zeros_like(ids)}


def pooled(states, mask):
    weights = mask[:, :, None].astype(numpy.float32)
    vectors = (states * weights).sum(1) / weights.sum(1)
    return vectors / numpy.linalg.norm(vectors, axis=1, keepdims=True)


def onnxruntime():
    import onnxruntime
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(os.path.join(FOLDER, "model.onnx"), options, providers=["CPUExecutionProvider"])
    names = {item.name for item in session.get_inputs()}
    words = tokenizer()

    def embed(texts):
        inputs = arrays(words.encode_batch(texts))
        states = session.run(None, {name: value for name, value in inputs.items() if name in names})[0]
        return pooled(states, inputs["attention_mask"])
    return embed


def openvino():
    import openvino
    compiled = openvino.Core().compile_model(os.path.join(FOLDER, "model.xml"), "CPU", {
        "INFERENCE_NUM_THREADS": 1, "NUM_STREAMS": 1, "PERFORMANCE_HINT": "LATENCY"})
    request = compiled.create_infer_request()
    words = tokenizer()

    def embed(texts):
        inputs = arrays(words.encode_batch(texts))
        names = {name for port in compiled.inputs for name in port.names}
        request.infer({name: value for name, value in inputs.items() if name in names})
        return pooled(request.get_output_tensor(0).data, inputs["attention_mask"])
    return embed


app = FastAPI()
waiting = None
embed = {"sentence-transformers": sentence_transformers, "onnxruntime": onnxruntime, "openvino": openvino}[KIND]()


async def compute():
    """Takes what waits, without a timer; sorted, so that little is padded."""
    loop = asyncio.get_running_loop()
    pool = concurrent.futures.ThreadPoolExecutor(1)
    while True:
        jobs = [await waiting.get()]
        while len(jobs) < 8 * TOGETHER and not waiting.empty():
            jobs.append(waiting.get_nowait())
        jobs.sort(key=lambda job: len(job[0]))
        for start in range(0, len(jobs), TOGETHER):
            part = jobs[start:start + TOGETHER]
            vectors = await loop.run_in_executor(pool, embed, [text for text, _ in part])
            for (_, future), vector in zip(part, vectors):
                future.set_result(vector)


@app.on_event("startup")
async def begin():
    global waiting
    waiting = asyncio.Queue()
    app.state.task = asyncio.create_task(compute())


@app.post("/v1/embeddings")
async def embeddings(request: Request):
    body = orjson.loads(await request.body())
    texts = [body["input"]] if isinstance(body["input"], str) else body["input"]
    loop = asyncio.get_running_loop()
    futures = [loop.create_future() for _ in texts]
    for job in zip(texts, futures):
        waiting.put_nowait(job)
    vectors = [await future for future in futures]
    answer = {"object": "list", "model": KIND, "data": [
        {"object": "embedding", "index": place, "embedding": numpy.ascontiguousarray(vector)} for place, vector in enumerate(vectors)]}
    return Response(orjson.dumps(answer, option=orjson.OPT_SERIALIZE_NUMPY), media_type="application/json")


uvicorn.run(app, host="127.0.0.1", port=int(PORT), log_level="warning", access_log=False)
