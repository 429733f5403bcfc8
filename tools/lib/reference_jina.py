"""BERT with slopes for positions and a gated feed-forward block, as Jina publishes it: random checkpoints, and what they
answer in binary64. Needs NumPy.

No published library has its classes; this follows the published formulas: the score of tokens i and j loses
slope(head) * |i - j|, with the slopes of ALiBi's paper, and the feed-forward block is wo(gelu(a) * b), with a and b the
halves of one linear without bias.
"""
import json
import math
import os

import numpy

from checkpoint_files import write_safetensors


def slopes(heads):
    """2^(-8/n), 2^(-16/n) ... for a power of two n; for another number of heads those of the next lower, then every other
    one of the next higher."""
    power = 2 ** int(math.floor(math.log2(heads)))
    own = [2.0 ** (-8.0 * (k + 1) / power) for k in range(power)]
    finer = [2.0 ** (-8.0 * (k + 1) / (2 * power)) for k in range(2 * power)]
    return numpy.array((own + finer[::2])[:heads])


def configuration(vocabulary=120, hidden=64, layers=3, heads=4, intermediate=96, positions=2200, classes="JinaBertModel"):
    return dict(model_type="bert", architectures=[classes], vocab_size=vocabulary, hidden_size=hidden, num_hidden_layers=layers,
                num_attention_heads=heads, intermediate_size=intermediate, max_position_embeddings=positions, type_vocab_size=2,
                hidden_act="gelu", layer_norm_eps=1e-12, position_embedding_type="alibi", feed_forward_type="geglu",
                emb_pooler="mean", pad_token_id=0, auto_map={"AutoModel": "modeling_bert.JinaBertModel"})


def shapes(c):
    """{name: shape} of the published model."""
    h, i = c["hidden_size"], c["intermediate_size"]
    found = {"embeddings.word_embeddings.weight": (c["vocab_size"], h), "embeddings.token_type_embeddings.weight": (c["type_vocab_size"], h)}

    def linear(name, outputs, inputs, bias=True):
        found[name + ".weight"] = (outputs, inputs)
        if bias:
            found[name + ".bias"] = (outputs,)

    def norm(name):
        found[name + ".weight"] = found[name + ".bias"] = (h,)

    norm("embeddings.LayerNorm")
    for number in range(c["num_hidden_layers"]):
        layer = "encoder.layer.%d." % number
        for part in ("query", "key", "value"):
            linear(layer + "attention.self." + part, h, h)
        linear(layer + "attention.output.dense", h, h)
        norm(layer + "attention.output.LayerNorm")
        linear(layer + "mlp.gated_layers", 2 * i, h, bias=False)
        linear(layer + "mlp.wo", h, i)
        norm(layer + "mlp.layernorm")
    return found


def save(folder, c, seed):
    """Writes a random checkpoint; returns its tensors."""
    random = numpy.random.Generator(numpy.random.PCG64(seed))
    tensors = {}
    for name, shape in shapes(c).items():
        values = random.standard_normal(shape)
        if "norm" in name.lower():
            values = values * 0.1 + name.endswith("weight")
        elif "embeddings" in name:
            values *= 0.5
        else:
            values *= shape[-1] ** -0.5
        tensors[name] = values.astype(numpy.float32)
    os.makedirs(folder, exist_ok=True)
    write_safetensors(os.path.join(folder, "model.safetensors"), [
        (name, "F32", values.shape, lambda values=values: [values.ravel()]) for name, values in tensors.items()], {"format": "pt"})
    with open(os.path.join(folder, "config.json"), "w", encoding="utf-8") as file:
        json.dump(c, file)
    return tensors


def states(c, tensors, ids, types):
    """The last hidden states of a text, [tokens, hidden size]."""
    t = {name: values.astype(numpy.float64) for name, values in tensors.items()}
    heads, size = c["num_attention_heads"], c["hidden_size"] // c["num_attention_heads"]
    erf = numpy.vectorize(math.erf)

    def linear(name, x):
        y = x @ t[name + ".weight"].T
        return y + t[name + ".bias"] if name + ".bias" in t else y

    def norm(name, x):
        d = x - x.mean(-1, keepdims=True)
        return d / numpy.sqrt((d * d).mean(-1, keepdims=True) + c["layer_norm_eps"]) * t[name + ".weight"] + t[name + ".bias"]

    x = norm("embeddings.LayerNorm", t["embeddings.word_embeddings.weight"][ids] + t["embeddings.token_type_embeddings.weight"][types])
    places = numpy.arange(len(ids))
    lost = slopes(heads)[:, None, None] * numpy.abs(places[:, None] - places)
    for number in range(c["num_hidden_layers"]):
        layer = "encoder.layer.%d." % number
        query, key, value = (linear(layer + "attention.self." + part, x).reshape(-1, heads, size).swapaxes(0, 1)
                             for part in ("query", "key", "value"))
        scores = query @ key.swapaxes(1, 2) / math.sqrt(size) - lost
        shares = numpy.exp(scores - scores.max(-1, keepdims=True))
        context = (shares / shares.sum(-1, keepdims=True)) @ value
        x = norm(layer + "attention.output.LayerNorm", x + linear(layer + "attention.output.dense", context.swapaxes(0, 1).reshape(len(x), -1)))
        up = linear(layer + "mlp.gated_layers", x)
        gate, rest = numpy.split(up, 2, axis=-1)
        x = norm(layer + "mlp.layernorm", x + linear(layer + "mlp.wo", gate * (1 + erf(gate / math.sqrt(2))) / 2 * rest))
    return x
