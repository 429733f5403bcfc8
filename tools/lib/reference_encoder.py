#!/usr/bin/env python3
"""A second implementation of the numeric contract: bert-run's vectors bit for bit, slowly. Needs Python 3.8 and NumPy.

Written from formats/bertq.md, whose chapter 'Numeric contract' it proves complete; it shares nothing with the package.

    tools/lib/reference_encoder.py MODEL.bertq INPUT.jsonl OUT.npy [--int8|--float] [--task embedding|tokens|pooled]

INPUT.jsonl holds objects with "ids" and, where wanted, "types", one a line; OUT.npy is what bert-run writes with
--jsonl --format npy. int8 and embedding unless told otherwise.
As a module: Encoder(open_file(PATH), "int8").encode(ids).
"""
import argparse
import json
import os
import sys

import numpy

import contract_arithmetic as arithmetic
from bertq_reader import Malformed, Unsupported, open_file
from contract_arithmetic import F32, LANES, LEAST_RANGE, MAGIC, fma, low_bytes

FINE = {"gelu": arithmetic.gelu, "gelu_new": arithmetic.gelu_tanh, "relu": arithmetic.relu, "silu": arithmetic.silu}
COARSE = dict(FINE, gelu=arithmetic.gelu_coarse)
OUTPUT = dict(FINE, identity=lambda x: x, tanh=arithmetic.tanh, sigmoid=arithmetic.sigmoid,
              silu=lambda x: x * arithmetic.sigmoid(x))
ROTATE_VECTORS, ROTATE_THIRDS, ROTATE_LANES = 1, 2, 4
PER_127, TWO_THIRDS = F32(1) / F32(127), F32(-2) / F32(3)
LEAST_UNIT, NAN = F32(2.0**-10), F32(numpy.nan)
POWERS = numpy.array([32640, 31256, 29931, 28662, 27447, 26283, 25169, 24102, 23080, 22101, 21164, 20267, 19408, 18585,
                      17797, 17043, 16320])
OCTAVES = numpy.array([2 ** (13 - n) if n <= 13 else 0 for n in range(16)])


def exact_product(a, b):
    """The matrix product of integers, as float64, which holds every sum exactly."""
    return numpy.matmul(a.astype(numpy.float64), b.astype(numpy.float64))


def chain(a, b):
    """The matrix product of floats [..., n, k] and [..., k, m]: each sum from zero in the order of k, fused."""
    columns = numpy.moveaxis(a.astype(numpy.float64), -1, 0)[..., None]
    rows = numpy.moveaxis(b.astype(numpy.float64), -2, 0)[..., None, :]
    total = numpy.zeros(a.shape[:-1] + b.shape[-1:], F32)
    for column, row in zip(columns, rows):
        total = arithmetic.rounded_sum(column * row, total)
    return total


# MARK: Linears

class FloatLinear:
    """y = activation(x W + b) + residual."""

    def __init__(self, load, name):
        self.weight, self.bias = load(name + ".weight").T, load(name + ".bias")

    def __call__(self, x, activation=None):
        y = chain(x, self.weight) + self.bias
        return FINE[activation](y) if activation else y


class QuantizedLinear:
    """The same over rows rotated and rounded to 8 bits."""

    def __init__(self, load, name):
        name += ".int8."
        self.weight = load(name + "weight").T
        self.scale, self.bias, self.multiplier = (load(name + part) for part in ("scale", "bias", "multiplier"))
        self.rotation = int(load(name + "rotation")[0])

    def __call__(self, x, activation=None):
        v = rotate(x * self.multiplier, self.rotation)
        q, scale = rounded(v, axis=-1)
        scale = numpy.where(numpy.isfinite(v).all(axis=-1), scale, NAN)
        total = exact_product(q, self.weight).astype(F32)
        y = fma(total * scale[:, None], self.scale, self.bias)
        return COARSE[activation](y) if activation else y


def rounded(x, axis):
    """x as scale * q, q in -127...127, with a scale for all that lies along one axis."""
    largest = arithmetic.most_of(numpy.moveaxis(numpy.abs(x), axis, -1))
    inverse = numpy.where(largest > LEAST_RANGE, F32(127) / largest, F32(0))
    q = low_bytes(fma(x, numpy.expand_dims(inverse, axis), arithmetic.MAGIC)).view(numpy.int8)
    return q, largest * PER_127


def rotate(v, rotation):
    """Rows of v mixed as the bits of `rotation` say."""
    if not rotation:
        return v
    vectors = v.shape[-1] // LANES
    odd = vectors
    while odd % 2 == 0:
        odd //= 2
    if rotation & ROTATE_VECTORS:
        v = hadamard(v.reshape(-1, vectors // odd, odd * LANES), levels_of(vectors // odd))
    if rotation & ROTATE_THIRDS and odd == 3:
        v = v.reshape(-1, vectors // 3, 3, LANES)
        v = v + ((v[:, :, 0] + v[:, :, 1] + v[:, :, 2]) * TWO_THIRDS)[:, :, None]
    if rotation & ROTATE_LANES:
        v = hadamard(v.reshape(-1, LANES, 1), levels_of(LANES)[::-1])
    return v.reshape(-1, vectors * LANES)


def levels_of(points):
    """1, 2, 4 ... below `points`, a power of 2."""
    return [1 << level for level in range(points.bit_length() - 1)]


def hadamard(v, levels):
    """[rows, points, n]: at each level h, points i and i + h become their sum and their difference."""
    rows, points, n = v.shape
    for h in levels:
        pairs = v.reshape(rows, points // (2 * h), 2, h, n)
        a, b = pairs[:, :, 0], pairs[:, :, 1]
        v = numpy.stack([a + b, a - b], axis=2).reshape(rows, points, n)
    return v


# MARK: Gates and angles

def gated(x, activation):
    """The first half of each row, after the activation, times the other."""
    half = x.shape[-1] // 2
    return activation(x[:, :half]) * x[:, half:]


def turned(x, cosines, sines):
    """Queries or keys [heads, tokens, d], the first numbers of which are turned by their tokens' positions."""
    half = cosines.shape[1]
    a, b, rest = x[..., :half], x[..., half:2 * half], x[..., 2 * half:]
    c, s = cosines[:x.shape[1]], sines[:x.shape[1]]
    return numpy.concatenate([fma(a, c, -(b * s)), fma(b, c, a * s), rest], axis=-1)


# MARK: Attention over [heads, tokens, head size]

def spread(bias, tokens):
    """A table [heads, 2 n + 1] as [heads, tokens, tokens]: entry j - i + n for tokens i and j, held to its ends."""
    n = bias.shape[1] // 2
    places = numpy.arange(tokens)
    return bias[:, numpy.clip(places[None] - places[:, None] + n, 0, 2 * n)]


def classes(starts, tokens):
    """The row of a table by distance for tokens i and j, [tokens, tokens]: of class 0 the one in the middle, of the others the
    so many behind it where i is behind j, and before it otherwise."""
    places = numpy.arange(tokens)
    back = places[:, None] - places[None]
    number = numpy.searchsorted(starts, numpy.abs(back), side="right") - 1
    return len(starts) - 1 + numpy.sign(back) * number


def relative_terms(query, key, tables, rows, score_scale):
    """What heads [heads, tokens, d] have added to their scores, of tables [heads, rows, d]."""
    first, second = tables
    places = numpy.arange(len(rows))
    total = None
    if first is not None:
        total = chain(query, first.swapaxes(-1, -2))[:, places[:, None], rows]
    if second is not None:
        asked = chain(key, second.swapaxes(-1, -2))[:, places[None], rows]
        total = asked if total is None else total + asked
    return total * score_scale


def seen(tokens, window):
    """Whether each token sees each: those at most so far away, or all."""
    places = numpy.arange(tokens)
    return numpy.abs(places[None] - places[:, None]) <= (tokens if window is None else window)


def attend_float(query, key, value, score_scale, added=None, window=None):
    scores = chain(query, key.swapaxes(-1, -2)) * score_scale
    if added is not None:
        scores = scores + added
    sees = seen(scores.shape[-1], window)
    is_finite = (numpy.isfinite(scores) | ~sees).all(axis=-1)
    most = arithmetic.most_of(numpy.where(sees, scores, F32(-numpy.inf)))
    p = numpy.where(sees, arithmetic.exp(scores - most[..., None]), F32(0))
    total = chain(p, value)
    if window is not None:
        total = total + F32(0)
    out = total / arithmetic.sum_of(p)[..., None]
    return numpy.where(is_finite[..., None], out, NAN)


def rounded_values(value):
    """Values as integers [heads, tokens, d], how many times each token's scale goes into its head's largest in 256ths,
    and what one step of that is worth."""
    own = arithmetic.most_of(numpy.abs(value))
    most = own.max(axis=-1)
    largest = numpy.where(most > LEAST_RANGE, most, F32(1))
    own = arithmetic.most(own, (largest * F32(1 / 32))[:, None])
    times = fma(largest[:, None] / own, F32(256), MAGIC) - MAGIC
    inverse = times * (F32(127 / 256) / largest)[:, None]
    return low_bytes(fma(value, inverse[..., None], MAGIC)).view(numpy.int8), times, largest * PER_127


def powers_of(below):
    """8160 * 2^(-below / 2048), below in 0...32767, by 16-bit arithmetic."""
    part = below >> 7 & 15
    power = POWERS[part] - ((POWERS[part] - POWERS[part + 1]) * (below << 9 & 0xFFFF) >> 16)
    return power * OCTAVES[below >> 11] + 2**14 >> 15


def units_of(bias, unit):
    """Biases as integers: units of a score, each of which is worth `unit` steps."""
    most = numpy.minimum(F32(2.0**27) / unit, F32(2.0**27))
    units = arithmetic.least(arithmetic.most(bias * (F32(arithmetic.LOG2E * F32(2048)) / unit), -most), most)
    return (units + numpy.where(units < 0, F32(-0.5), F32(0.5))).astype(numpy.int64)


def attend_int8(query, key, value, score_scale, added=None, window=None):
    """Heads whose largest query or value is not finite give NaN: their integers mean nothing."""
    out, is_finite = attend_integers(query, key, numpy.where(numpy.isfinite(value), value, F32(0)), score_scale, added, window)
    is_finite &= numpy.isfinite(value).all(axis=(-1, -2))
    return numpy.where(is_finite[:, None, None], out, NAN)


def attend_integers(query, key, value, score_scale, added, window):
    """What int8 attention gives, and for each head whether the natural unit of its scores is finite."""
    key, key_step = rounded(key, -2)
    value, times, value_step = rounded_values(value)
    query = query * key_step[:, None]
    steps = score_scale * F32(arithmetic.LOG2E * F32(2048))
    natural = numpy.abs(query).max(axis=(-1, -2)) * PER_127 * steps
    is_finite = numpy.isfinite(natural)
    unit = numpy.where(natural > LEAST_UNIT, natural, LEAST_UNIT)
    unit = numpy.where(is_finite, unit, F32(1))
    query = low_bytes(fma(query, (steps / unit)[:, None, None], MAGIC)).view(numpy.int8)
    unit = numpy.minimum(unit, F32(32768) / F32(query.shape[-1]))[:, None]

    octaves = arithmetic.log2(times * F32(1 / 256))
    lighter = fma(octaves, F32(2048) / unit, F32(0.5)).astype(numpy.int64)
    score = exact_product(query, key.swapaxes(-1, -2)).astype(numpy.int64) - lighter[:, None]
    if added is not None:
        score = score + units_of(added, unit[..., None])
    sees = seen(score.shape[-1], window)
    most = numpy.where(sees, score, numpy.iinfo(numpy.int64).min).max(axis=-1, keepdims=True)
    below = numpy.where(sees, most - score, 0).astype(F32)
    below = fma(below, unit[..., None], F32(0.5)).astype(numpy.int64)
    power = numpy.where(sees, powers_of(numpy.minimum(below, 32767)), 0)
    total = (power * times.astype(numpy.int64)[:, None]).sum(axis=-1)
    total = fma((total >> 16).astype(F32), F32(65536), (total & 0xFFFF).astype(F32))
    factor = (value_step * F32(8192))[:, None] / total
    return exact_product(power * 1024 + 2**14 >> 15, value).astype(F32) * factor[..., None], is_finite


# MARK: Rows

def layer_norm(x, gain, bias, epsilon):
    width = F32(x.shape[-1])
    mean = arithmetic.sum_of(x) / width
    d = x - mean[:, None]
    variance = arithmetic.sum_of_products(d, d) / width
    inverse = numpy.where(numpy.isfinite(variance), F32(1) / numpy.sqrt(variance + epsilon), NAN)
    return fma(d * inverse[:, None], gain, bias)


def sum_of_rows(x):
    total = numpy.zeros(x.shape[-1], F32)
    for row in x:
        total = total + row
    return total


def weighted_mean_of_rows(x, skipped):
    total = numpy.zeros(x.shape[-1], F32)
    for i, row in enumerate(x, skipped + 1):
        total = fma(row, F32(i), total)
    return total / F32(sum(range(skipped + 1, skipped + len(x) + 1)))


def most_of_rows(x):
    total = x[0]
    for row in x[1:]:
        total = arithmetic.most(row, total)
    return total


def normalized(x):
    length = numpy.sqrt(arithmetic.sum_of_products(x, x))
    return x / length if length > 0 else x


# MARK: The encoder

class Encoder:
    """One path, "int8" or "float", of a file that bertq_reader opened."""

    def __init__(self, file, path):
        self.file, self.path, self.configuration = file, path, file.header["configuration"]
        if file.header["numeric_version"] != 4:
            raise Unsupported("has numeric version %d" % file.header["numeric_version"])
        self.tensors = {tensor["name"]: tensor for tensor in file.header["tensors"]}
        if path == "int8" and not any(".int8." in name for name in self.tensors):
            raise Unsupported("holds no int8 weights")
        c = self.configuration
        self.tables = [self.words(), self.load("embeddings.token_type"),
                       None if c["lacks_positions"] else self.load("embeddings.position")]
        self.projection = None if c["embedding_size"] is None else FloatLinear(self.load, "embeddings.projection")
        kinds = ("", "window.") if c["attention_window"] is not None else ("",)
        self.angles = None if c["rotary_size"] is None else [
            [self.load("attention.rotary." + kind + name) for name in ("cos", "sin")] for kind in kinds]
        self.embedding_norm = self.norm("embeddings.norm")
        self.bias = self.load("attention.bias") if self.configuration["bias_span"] is not None else None
        self.starts = numpy.array(c["relative_starts"], numpy.int64)
        terms = 1 + bool(c["has_relative_keys"]) + bool(c["has_relative_queries"])
        self.score_scale = F32(1) / numpy.sqrt(F32(c["hidden_size"] // c["head_count"] * terms))
        stored = [self.layer(i) for i in range(c["stored_layers"] or c["layer_count"])]
        self.layers = [stored[i % len(stored)] for i in range(c["layer_count"])]

    def load(self, name):
        if name not in self.tensors:
            raise Unsupported("has no tensor %s" % name)
        tensor = self.tensors[name]
        if self.file.damaged_chunk(tensor) is not None:
            raise Malformed("%s is damaged" % name)
        return self.file.array(tensor)

    def words(self):
        """The path's word embeddings as float32, in whatever form they are stored."""
        own = self.path == "int8" and "embeddings.int8.word" in self.tensors
        words = self.load("embeddings.int8.word" if own else "embeddings.word")
        if words.dtype == numpy.int8:
            scale = numpy.repeat(self.load("embeddings.int8.word.scale"), 32, axis=1)[:, :words.shape[1]]
            return words.astype(F32) * scale
        return words.astype(F32)

    def norm(self, name):
        return self.load(name + ".weight"), self.load(name + ".bias"), F32(self.configuration["layer_norm_epsilon"])

    def linear(self, name):
        quantized = self.path == "int8" and name + ".int8.weight" in self.tensors
        return (QuantizedLinear if quantized else FloatLinear)(self.load, name)

    def layer(self, number):
        name = "layer.%d." % number
        is_first = self.configuration["normalizes_first"] and number == 0
        parts = [self.linear(name + part) for part in (
            "attention.qkv", "attention.output", "feed_forward.up", "feed_forward.down")]
        return parts + [None if is_first else self.norm(name + "attention.norm"), self.norm(name + "feed_forward.norm")]

    def encode(self, ids, types=None):
        """One text's hidden states [tokens, hidden size]."""
        return self.states(ids, types)[-1]

    def states(self, ids, types=None):
        """The hidden states after the embeddings and after every layer."""
        word, token_type, position = self.tables
        x = word[ids] + token_type[types if types is not None else [0] * len(ids)]
        x = layer_norm(x + (F32(0) if position is None else position[:len(ids)]), *self.embedding_norm)
        if self.projection:
            x = self.projection(x)
        states = [x]
        norms_first = self.configuration["normalizes_first"]
        for number, (qkv, output, up, down, attention_norm, feed_forward_norm) in enumerate(self.layers):
            if norms_first:
                read = layer_norm(x, *attention_norm) if attention_norm else x
                x = output(self.attend(qkv(read), number)) + x
                x = down(self.between(up, layer_norm(x, *feed_forward_norm))) + x
            else:
                x = layer_norm(output(self.attend(qkv(x), number)) + x, *attention_norm)
                x = layer_norm(down(self.between(up, x)) + x, *feed_forward_norm)
            states.append(x)
        if norms_first:
            states[-1] = layer_norm(x, *self.norm("norm"))
        return states

    def between(self, up, x):
        """What goes into the second linear of a feed-forward block."""
        activation = self.configuration["activation"]
        if not self.configuration["gates_feed_forward"]:
            return up(x, activation)
        return gated(up(x), (COARSE if isinstance(up, QuantizedLinear) else FINE)[activation])

    def attend(self, qkv, layer):
        heads, window = self.configuration["head_count"], self.configuration["attention_window"]
        is_whole = window is None or layer % self.configuration["whole_attention_every"] == 0
        query, key, value = qkv.reshape(len(qkv), 3, heads, -1).transpose(1, 2, 0, 3)
        if self.angles:
            angles = self.angles[0 if is_whole else 1]
            query, key = turned(query, *angles), turned(key, *angles)
        added = None if self.bias is None else spread(self.bias, len(qkv))
        if len(self.starts):
            stored = layer % (self.configuration["stored_layers"] or self.configuration["layer_count"])
            added = relative_terms(query, key, self.relative_tables(stored), classes(self.starts, len(qkv)), self.score_scale)
        attend = attend_int8 if self.path == "int8" else attend_float
        context = attend(query, key, value, self.score_scale, added, None if is_whole else window)
        return numpy.ascontiguousarray(context.swapaxes(0, 1)).reshape(len(qkv), -1)

    def relative_tables(self, layer):
        """The tables by distance of a layer's queries and of its keys, [heads, rows, d]; None for one that is not there."""
        c = self.configuration
        tables = [self.load("layer.%d.attention.relative.%s" % (layer, kind)) if c["has_relative_%s" % has] else None
                  for kind, has in (("key", "keys"), ("query", "queries"))]
        return [None if t is None else t.reshape(len(t), c["head_count"], -1).swapaxes(0, 1) for t in tables]

    def pool(self, x, pooling, skipped=0):
        """One vector of a text's hidden states, less the first so many where the pooling does not read the last or the pooler."""
        if pooling == "cls":
            return x[skipped]
        if pooling == "lasttoken":
            return x[-1]
        if pooling == "pooler":
            # tanh would turn an infinity into a plausible 1.
            pooled = arithmetic.tanh(FloatLinear(self.load, "pooler")(x[:1]))[0]
            return pooled if numpy.isfinite(x[0]).all() else numpy.full_like(pooled, NAN)
        x = x[skipped:]
        if pooling == "max":
            return most_of_rows(x)
        if pooling == "weightedmean":
            return weighted_mean_of_rows(x, skipped)
        return sum_of_rows(x) / (F32(len(x)) if pooling == "mean" else numpy.sqrt(F32(len(x))))

    def embed(self, x, prompt_tokens=0):
        """A text's embedding, as the header says it is made of the hidden states."""
        recipe = self.file.header["embedding"]
        skipped = 0 if recipe["pools_prompt"] else prompt_tokens
        vector = numpy.concatenate([self.pool(x, pooling, skipped) for pooling in recipe["poolings"]])
        for index, module in enumerate(recipe["modules"]):
            if module["kind"] == "normalize":
                vector = normalized(vector)
            else:
                vector = OUTPUT[module["activation"]](FloatLinear(self.load, "module.%d" % index)(vector[None])[0])
        return vector[:recipe["dimensions"]]

    def answer(self, task, x):
        """What bert-run answers for a text's hidden states: rows of floats."""
        if task == "tokens":
            return x
        return (self.pool(x, "pooler") if task == "pooled" else self.embed(x))[None]


def main():
    parser = argparse.ArgumentParser(description="bert-run's vectors bit for bit, slowly.")
    parser.add_argument("model")
    parser.add_argument("input", help='JSON lines: {"ids":[...],"types":[...]}')
    parser.add_argument("output", help="the .npy file to write")
    path = parser.add_mutually_exclusive_group()
    path.add_argument("--int8", dest="path", action="store_const", const="int8", default="int8")
    path.add_argument("--float", dest="path", action="store_const", const="float")
    parser.add_argument("--task", choices=["embedding", "tokens", "pooled"], default="embedding")
    arguments = parser.parse_args()
    try:
        encoder = Encoder(open_file(arguments.model), arguments.path)
        with open(arguments.input, encoding="utf-8") as lines:
            texts = [json.loads(line) for line in lines]
        rows = [encoder.answer(arguments.task, encoder.encode(text["ids"], text.get("types"))) for text in texts]
    except OSError as error:
        print("%s: %s" % (error.filename, error.strerror), file=sys.stderr)
        return 66
    except (Malformed, Unsupported) as error:
        print("%s: %s" % (arguments.model, error), file=sys.stderr)
        return error.code
    numpy.save(arguments.output, numpy.concatenate(rows))
    return 0


if __name__ == "__main__":
    sys.exit(main())
