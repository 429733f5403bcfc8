#!/usr/bin/env python3
"""BERT's forward pass written down plainly in NumPy, one sequence at a time: the independent reference for parity.

    tools/lib/reference_bert.py FOLDER --ids 101,7592,102   prints the first values of every token's last hidden state
    tools/lib/reference_bert.py --check-shared FOLDER       compares with reference outputs, oracle.safetensors, in the
                                                            folders below FOLDER

As a module: ReferenceBert(config, tensors).encode(ids).
"""
import argparse
import math
import os
import sys

import numpy

from checkpoint_files import Safetensors, load_checkpoint

# Other implementations in float32 differ from float64 by up to about a third of this.
TOLERANCE = 2e-5


class ErrorFunction:
    """erf by Taylor expansion about the nearest point of a grid; exact to about 1e-15.

    erf(c + h) = erf(c) + 2/sqrt(pi) exp(-c^2) sum over k of (-1)^k H_k(c) h^(k+1) / (k+1)!, H_k the Hermite polynomials.
    """

    STEPS, LIMIT, TERMS = 64, 6, 8

    def __init__(self):
        centers = numpy.arange(-self.LIMIT * self.STEPS, self.LIMIT * self.STEPS + 1) / self.STEPS
        slope = 2 / math.sqrt(math.pi) * numpy.exp(-centers * centers)
        coefficients = [numpy.array([math.erf(c) for c in centers])]
        previous, hermite = numpy.zeros_like(centers), numpy.ones_like(centers)
        for k in range(self.TERMS):
            coefficients.append(slope * (-1) ** k * hermite / math.factorial(k + 1))
            previous, hermite = hermite, 2 * centers * hermite - 2 * k * previous
        self.coefficients = coefficients

    def __call__(self, x):
        clipped = numpy.clip(x, -self.LIMIT, self.LIMIT)
        place = numpy.rint(clipped * self.STEPS).astype(numpy.int32)
        rest = clipped - place / x.dtype.type(self.STEPS)
        place += self.LIMIT * self.STEPS
        total = numpy.zeros_like(x)
        for coefficient in reversed(self.coefficients):
            total = total * rest + coefficient.astype(x.dtype)[place]
        return total


erf = ErrorFunction()


def gelu(x):
    return x * (1 + erf(x * x.dtype.type(math.sqrt(0.5)))) / 2


def gelu_tanh(x):
    return x * (1 + numpy.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x ** 3))) / 2


ACTIVATIONS = {
    "gelu": gelu, "gelu_new": gelu_tanh, "gelu_pytorch_tanh": gelu_tanh, "relu": lambda x: numpy.maximum(x, 0),
}


class ReferenceBert:
    """A BERT encoder and its pooler.

    `tensors` maps names as the BertModel class writes them to arrays; arithmetic is in `dtype`.
    """

    def __init__(self, config, tensors, dtype=numpy.float64):
        self.config, self.tensors, self.dtype = config, tensors, dtype
        self.activation = ACTIVATIONS[config["hidden_act"]]
        self.kept = {}

    def tensor(self, name):
        if name not in self.kept:
            self.kept[name] = numpy.array(self.tensors[name], self.dtype)
        return self.kept[name]

    def linear(self, x, name):
        return x @ self.tensor(name + ".weight").T + self.tensor(name + ".bias")

    def norm(self, x, name):
        centered = x - x.mean(-1, keepdims=True)
        variance = (centered * centered).mean(-1, keepdims=True)
        scaled = centered / numpy.sqrt(variance + self.dtype(self.config["layer_norm_eps"]))
        return scaled * self.tensor(name + ".weight") + self.tensor(name + ".bias")

    def embed(self, ids, type_ids):
        words = numpy.array(self.tensors["embeddings.word_embeddings.weight"][ids], self.dtype)
        positions = self.tensor("embeddings.position_embeddings.weight")[: len(ids)]
        types = self.tensor("embeddings.token_type_embeddings.weight")[type_ids]
        return self.norm(words + positions + types, "embeddings.LayerNorm")

    def attention(self, x, name):
        heads = self.config["num_attention_heads"]
        query, key, value = (
            self.linear(x, f"{name}.self.{part}").reshape(len(x), heads, -1).transpose(1, 0, 2)
            for part in ("query", "key", "value"))
        scores = query @ key.transpose(0, 2, 1) / self.dtype(math.sqrt(query.shape[-1]))
        weights = numpy.exp(scores - scores.max(-1, keepdims=True))
        weights /= weights.sum(-1, keepdims=True)
        return (weights @ value).transpose(1, 0, 2).reshape(len(x), -1)

    def layer(self, x, number):
        name = f"encoder.layer.{number}"
        attended = self.linear(self.attention(x, name + ".attention"), name + ".attention.output.dense")
        x = self.norm(x + attended, name + ".attention.output.LayerNorm")
        inner = self.activation(self.linear(x, name + ".intermediate.dense"))
        return self.norm(x + self.linear(inner, name + ".output.dense"), name + ".output.LayerNorm")

    def encode(self, ids, type_ids=None):
        """The hidden states of one sequence: a list of [tokens, hidden], the embeddings' first, the last layer's last."""
        ids = numpy.asarray(ids, numpy.int64)
        states = [self.embed(ids, numpy.zeros_like(ids) if type_ids is None else numpy.asarray(type_ids))]
        for number in range(self.config["num_hidden_layers"]):
            states.append(self.layer(states[-1], number))
        return states

    def pool(self, last):
        """The pooler's output for the last hidden state of one sequence."""
        return numpy.tanh(self.linear(last[0], "pooler.dense"))

    def classify(self, last):
        """The logits of one sequence's labels."""
        return self.linear(self.pool(last), "classifier")

    def words(self, rows):
        """Every word's logit for some tokens, by a decoder that is tied to the word embeddings."""
        x = self.activation(self.linear(rows, "cls.predictions.transform.dense"))
        x = self.norm(x, "cls.predictions.transform.LayerNorm")
        return x @ self.tensor("embeddings.word_embeddings.weight").T + self.tensor("cls.predictions.bias")


def compare(folder, prefix="", file_name="model.safetensors", oracle_folder=None):
    """The largest difference between the reference and the oracle of a folder, over real tokens."""
    config, tensors = load_checkpoint(folder if oracle_folder is None else oracle_folder, file_name)
    model = ReferenceBert(config, tensors)
    oracle = Safetensors(os.path.join(oracle_folder or folder, "oracle.safetensors"))
    worst, count = 0.0, 0
    for name in oracle:
        tag, dot, what = name.partition(".out.")
        if not dot or not tag.startswith(prefix) or "." in tag[len(prefix):]:
            continue
        tag = tag[len(prefix):]
        if what not in ("last_hidden_state", "hidden_last", "pooler_output"):
            continue
        inputs = [oracle[f"{tag}.in.{part}"] for part in ("input_ids", "attention_mask", "token_type_ids")]
        # Multiple choice has one more axis in front; so may its outputs.
        rows = zip(*(part.reshape(-1, part.shape[-1]) for part in inputs),
                   oracle[name].reshape((-1,) + oracle[name].shape[-1 if what == "pooler_output" else -2:]))
        for ids, mask, types, expected in rows:
            real = mask.astype(bool)
            last = model.encode(ids[real], types[real])[-1]
            difference = model.pool(last) - expected if what == "pooler_output" else last - expected[real]
            worst, count = max(worst, float(numpy.abs(difference).max())), count + 1
    return worst, count


def check_shared(root):
    """Compares with every oracle of root's folders; returns the number of folders that disagree."""
    failures = 0
    for name in sorted(os.listdir(root)):
        folder = os.path.join(root, name)
        if not (os.path.exists(os.path.join(folder, "oracle.safetensors"))
                and os.path.exists(os.path.join(folder, "model.safetensors"))):
            continue
        variants = [("", "model.safetensors")]
        variants += [(kind + ".", kind + "/model.safetensors") for kind in ("fp16", "bf16")
                     if os.path.exists(os.path.join(folder, kind))]
        for prefix, file_name in variants:
            worst, count = compare(folder, prefix, file_name, folder)
            if count == 0:
                continue
            good = worst <= TOLERANCE
            failures += not good
            print(f"{'ok  ' if good else 'FAIL'} {name}/{file_name}: {count} outputs, largest difference {worst:.1e}")
    return failures


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder")
    parser.add_argument("--ids", help="token ids, separated by commas")
    parser.add_argument("--check-shared", action="store_true", help="FOLDER holds folders with oracle.safetensors")
    arguments = parser.parse_args()
    if arguments.check_shared:
        sys.exit(1 if check_shared(arguments.folder) else 0)
    if not arguments.ids:
        parser.error("nothing to do: give --ids or --check-shared")
    config, tensors = load_checkpoint(arguments.folder)
    last = ReferenceBert(config, tensors).encode([int(x) for x in arguments.ids.split(",")])[-1]
    for row in last:
        print(" ".join(f"{value:+.6f}" for value in row[:8]))


if __name__ == "__main__":
    main()
