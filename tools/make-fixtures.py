#!/usr/bin/env python3
"""Writes the small checkpoint that the tests carry, with the outputs of an independent implementation. Needs NumPy.

    make-fixtures.py           writes Tests/Fixtures/tiny again; the files are committed and come out the same
    make-fixtures.py --check   writes nothing; compares

model.safetensors, config.json, vocab.txt: a BertModel with a pooler, generated weights, 2 layers, hidden size 20.
oracle.safetensors: <tag>.in.input_ids | attention_mask | token_type_ids, <tag>.out.last_hidden_state | pooler_output,
computed in float64 by reference_bert.py and rounded to float32. oracle_inputs.json: the texts behind the ids.
"""
import filecmp
import json
import os
import re
import sys
import tempfile

import numpy

TOOLS = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(TOOLS, "lib"), TOOLS]
from checkpoint_files import Safetensors, write_safetensors  # noqa: E402
from generated_bert import chunks_of, outlier_channels, tensor_shapes  # noqa: E402
from reference_bert import ReferenceBert  # noqa: E402

FOLDER = os.path.join(os.path.dirname(TOOLS), "Tests", "Fixtures", "tiny")
SEED = 20
CONFIG = {
    "architectures": ["BertModel"], "hidden_act": "gelu", "hidden_size": 20, "intermediate_size": 36,
    "layer_norm_eps": 1e-12, "max_position_embeddings": 32, "model_type": "bert", "num_attention_heads": 2,
    "num_hidden_layers": 2, "pad_token_id": 0, "type_vocab_size": 2,
}
VOCABULARY = (
    "[PAD] [UNK] [CLS] [SEP] [MASK] . , ? ! ' - a b c d e i o s t u ##a ##d ##e ##er ##est ##ing ##ly ##n ##r ##s ##t "
    "##y the and of to in is was it that on for with as at by not from this are be have had but all one two three new "
    "old day night sun moon star sea river stone bird fish tree leaf house door window road bridge ship sail wind rain "
    "snow cold warm dark bright slow fast sing fly walk read write open close").split()
TEXTS = [
    ("s0", ["The bird sings."]),
    ("s1", ["It was not the wind that opened the door at night, but the rain!"]),
    ("batch", ["Slower birds fly by.", "sun", "Is this the old road to the sea?", "", "The zebra reads a book",
               "one, two, three - and all the stars are out"]),
    ("p0", [["Is the moon bright?", "It was darker on the bridge."]]),
    ("pairs", [["a ship", "a sail"], ["The river is cold.", "Snow"], ["", "warmest day"]]),
    ("long", ["the " * 30]),
]


def tokenize(text, known):
    """WordPiece for plain ASCII: lower case, punctuation apart, the longest piece first."""
    ids = []
    for word in re.findall(r"\w+|[^\w\s]", text.lower()):
        pieces, start = [], 0
        while start < len(word):
            for end in range(len(word), start, -1):
                piece = ("##" if start else "") + word[start:end]
                if piece in known:
                    pieces.append(known[piece])
                    start = end
                    break
            else:
                pieces = [known["[UNK]"]]
                break
        ids += pieces
    return ids


def encode_texts(texts, known):
    """Padded ids, mask and token types, each int32 [texts, longest]."""
    rows = []
    for text in texts:
        ids, types = [known["[CLS]"]], [0]
        for segment, part in enumerate([text] if isinstance(text, str) else text):
            new = tokenize(part, known) + [known["[SEP]"]]
            ids, types = ids + new, types + [segment] * len(new)
        rows.append((ids, types))
    longest = max(len(ids) for ids, _ in rows)

    def padded(values):
        return numpy.array([value + [0] * (longest - len(value)) for value in values], "<i4")

    return (padded([ids for ids, _ in rows]), padded([[1] * len(ids) for ids, _ in rows]),
            padded([types for _, types in rows]))


def oracle(model, known):
    """The list of (name, array) that oracle.safetensors holds."""
    entries = []
    for tag, texts in TEXTS:
        ids, mask, types = encode_texts(texts, known)
        last = numpy.zeros(ids.shape + (CONFIG["hidden_size"],))
        pooled = numpy.zeros((len(ids), CONFIG["hidden_size"]))
        for row, length in enumerate(mask.sum(1)):
            last[row, :length] = model.encode(ids[row, :length], types[row, :length])[-1]
            pooled[row] = model.pool(last[row])
        entries += [(tag + ".in.input_ids", ids), (tag + ".in.attention_mask", mask),
                    (tag + ".in.token_type_ids", types), (tag + ".out.last_hidden_state", last.astype("<f4")),
                    (tag + ".out.pooler_output", pooled.astype("<f4"))]
    return entries


def write(folder):
    """Writes every file of the fixture into `folder`."""
    config = dict(CONFIG, vocab_size=len(VOCABULARY))
    outliers = outlier_channels(config["hidden_size"], 1, SEED)
    tensors = {name: numpy.concatenate(list(chunks_of(name, shape, SEED, outliers))).reshape(shape)
               for name, shape in tensor_shapes(config, True).items()}

    def entries(arrays):
        return [(name, "I32" if array.dtype.kind == "i" else "F32", array.shape, lambda array=array: [array])
                for name, array in arrays]

    write_safetensors(os.path.join(folder, "model.safetensors"), entries(tensors.items()), {"format": "pt"})
    known = {token: number for number, token in enumerate(VOCABULARY)}
    write_safetensors(os.path.join(folder, "oracle.safetensors"), entries(oracle(ReferenceBert(config, tensors), known)))
    for name, value in (("config.json", config),
                        ("oracle_inputs.json", [{"tag": tag, "texts": texts} for tag, texts in TEXTS])):
        with open(os.path.join(folder, name), "w", encoding="utf-8") as file:
            json.dump(value, file, indent=1)
            file.write("\n")
    with open(os.path.join(folder, "vocab.txt"), "w", encoding="utf-8", newline="\n") as file:
        file.write("\n".join(VOCABULARY) + "\n")


def check():
    """Whether the committed files are what this script makes; outputs may differ in the last bits, as sums may."""
    with tempfile.TemporaryDirectory() as fresh:
        write(fresh)
        names = [name for name in os.listdir(fresh) if name != "oracle.safetensors"]
        _, different, missing = filecmp.cmpfiles(FOLDER, fresh, names, shallow=False)
        made, kept = (Safetensors(os.path.join(folder, "oracle.safetensors")) for folder in (fresh, FOLDER))
        if list(made) != list(kept) or any(numpy.abs(made[name] - kept[name]).max() > 1e-6 for name in made):
            different.append("oracle.safetensors")
    for name in different + missing:
        print(f"{name} is not what tools/make-fixtures.py writes")
    return not different + missing


if __name__ == "__main__":
    if sys.argv[1:] == ["--check"]:
        sys.exit(0 if check() else 1)
    os.makedirs(FOLDER, exist_ok=True)
    write(FOLDER)
