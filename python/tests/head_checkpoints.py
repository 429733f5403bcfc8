"""Small checkpoints of every head: the tests' encoder, and a head of generated weights as published ones lie in files."""

import json
import pathlib
import struct

import numpy as np

TINY = pathlib.Path(__file__).resolve().parent.parent.parent / "Tests/Fixtures/tiny"
WIDTH, WORDS = 20, 97
CLASSIFIER = lambda labels: {"classifier.weight": (labels, WIDTH), "classifier.bias": (labels,)}  # noqa: E731
MASKED = {
    "cls.predictions.transform.dense.weight": (WIDTH, WIDTH), "cls.predictions.transform.dense.bias": (WIDTH,),
    "cls.predictions.transform.LayerNorm.weight": (WIDTH,), "cls.predictions.transform.LayerNorm.bias": (WIDTH,),
    "cls.predictions.bias": (WORDS,),
}
# Name: architecture, labels, the head's tensors, whether there is a pooler.
HEADS = {
    "classify": ("BertForSequenceClassification", ["anger", "joy", "fear"], CLASSIFIER(3), True),
    "rerank": ("BertForSequenceClassification", ["LABEL_0"], CLASSIFIER(1), True),
    "zero-shot": ("BertForSequenceClassification", ["contradiction", "neutral", "entailment"], CLASSIFIER(3), True),
    "tag": ("BertForTokenClassification", ["O", "B-PER", "I-PER", "B-LOC", "I-LOC"], CLASSIFIER(5), False),
    "answer": ("BertForQuestionAnswering", None, {"qa_outputs.weight": (2, WIDTH), "qa_outputs.bias": (2,)}, False),
    "fill-mask": ("BertForMaskedLM", None, MASKED, False),
    "next-sentence": (
        "BertForNextSentencePrediction", None, {"cls.seq_relationship.weight": (2, WIDTH), "cls.seq_relationship.bias": (2,)}, True),
    "choose": ("BertForMultipleChoice", None, CLASSIFIER(1), True),
    "multi-vector": ("HF_ColBERT", None, {"linear.weight": (8, WIDTH)}, False),
}


def tensors():
    """The encoder's, by their published names."""
    data = (TINY / "model.safetensors").read_bytes()
    length = struct.unpack("<Q", data[:8])[0]
    header = json.loads(data[8 : 8 + length])
    header.pop("__metadata__", None)
    body = data[8 + length :]
    return {
        name: np.frombuffer(body[slice(*entry["data_offsets"])], np.float32).reshape(entry["shape"])
        for name, entry in header.items()}


def write(folder, head):
    """A checkpoint with this head in a new folder."""
    folder.mkdir()
    architecture, labels, shapes, pools = HEADS[head]
    values = {f"bert.{name}": value for name, value in tensors().items() if pools or not name.startswith("pooler")}
    random = np.random.default_rng(7)
    for name, shape in shapes.items():
        values[name] = (random.standard_normal(shape) + ("LayerNorm.weight" in name)).astype(np.float32)
    header, body = {}, b""
    for name, value in values.items():
        data = np.ascontiguousarray(value).tobytes()
        header[name] = {"dtype": "F32", "shape": list(value.shape), "data_offsets": [len(body), len(body) + len(data)]}
        body += data
    text = json.dumps(header).encode()
    (folder / "model.safetensors").write_bytes(struct.pack("<Q", len(text)) + text + body)
    configuration = json.loads((TINY / "config.json").read_text())
    configuration["architectures"] = [architecture]
    if labels:
        configuration["id2label"] = {str(index): label for index, label in enumerate(labels)}
        configuration["label2id"] = {label: index for index, label in enumerate(labels)}
    (folder / "config.json").write_text(json.dumps(configuration))
    (folder / "vocab.txt").write_bytes((TINY / "vocab.txt").read_bytes())
    return folder
