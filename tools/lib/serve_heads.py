"""Writes checkpoints with heads over the encoder of Tests/Fixtures/tiny: their weights are noise, and always the same.

    serve_heads.py TINY FOLDER      FOLDER/rerank, FOLDER/classify, FOLDER/zero-shot, FOLDER/tag, FOLDER/answer, FOLDER/fill-mask
"""
import json
import os
import random
import shutil
import struct
import sys

# Name: architecture, the head's tensors in the checkpoint, labels.
HEADS = {
    "rerank": ("BertForSequenceClassification", "classifier", ["LABEL_0"]),
    "classify": ("BertForSequenceClassification", "classifier", ["anger", "joy", "naïve surprise"]),
    "zero-shot": ("BertForSequenceClassification", "classifier", ["contradiction", "neutral", "entailment"]),
    "tag": ("BertForTokenClassification", "classifier", ["O", "B-PER", "I-PER", "B-LOC"]),
    "answer": ("BertForQuestionAnswering", "qa_outputs", ["start", "end"]),
    # Its words' weights are those of the embeddings.
    "fill-mask": ("BertForMaskedLM", None, []),
}


def read(path):
    with open(path, "rb") as file:
        header = json.loads(file.read(struct.unpack("<Q", file.read(8))[0]))
        data = file.read()
    header.pop("__metadata__", None)
    return {name: (entry["shape"], data[entry["data_offsets"][0]:entry["data_offsets"][1]])
            for name, entry in header.items()}


def write(path, tensors):
    header, place = {}, 0
    for name, (shape, data) in tensors.items():
        header[name] = {"dtype": "F32", "shape": shape, "data_offsets": [place, place + len(data)]}
        place += len(data)
    text = json.dumps(header).encode()
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text + b"".join(data for _, data in tensors.values()))


def noise(shape, generator, scale):
    count = 1
    for size in shape:
        count *= size
    return shape, struct.pack(f"<{count}f", *(generator.gauss(0, scale) for _ in range(count)))


def mask_head(config, generator):
    hidden, head = config["hidden_size"], "cls.predictions."
    return {
        head + "transform.dense.weight": noise([hidden, hidden], generator, 0.5),
        head + "transform.dense.bias": noise([hidden], generator, 0.2),
        head + "transform.LayerNorm.weight": noise([hidden], generator, 1),
        head + "transform.LayerNorm.bias": noise([hidden], generator, 0.2),
        head + "bias": noise([config["vocab_size"]], generator, 0.5),
    }


def main(tiny, folder):
    tensors = {"bert." + name: value for name, value in read(os.path.join(tiny, "model.safetensors")).items()}
    with open(os.path.join(tiny, "config.json"), encoding="utf-8") as file:
        config = json.load(file)
    for name, (architecture, head, labels) in HEADS.items():
        made = os.path.join(folder, name)
        os.makedirs(made)
        shutil.copy(os.path.join(tiny, "vocab.txt"), made)
        generator = random.Random(name + "2")
        pools = architecture == "BertForSequenceClassification"
        own = {key: value for key, value in tensors.items() if pools or ".pooler." not in key}
        settings = dict(config, architectures=[architecture])
        if head:
            own[head + ".weight"] = noise([len(labels), config["hidden_size"]], generator, 1.5)
            own[head + ".bias"] = noise([len(labels)], generator, 0.2)
            settings.update(id2label=dict(enumerate(labels)), label2id={label: place for place, label in enumerate(labels)})
        else:
            own.update(mask_head(config, generator))
        write(os.path.join(made, "model.safetensors"), own)
        with open(os.path.join(made, "config.json"), "w", encoding="utf-8") as file:
            json.dump(settings, file)


main(*sys.argv[1:])
