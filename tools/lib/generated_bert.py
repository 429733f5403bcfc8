"""Generated weights of BERT and MPNet, and vocabularies: noise, scaled so that activations stay as wide as in trained models."""
import zlib

import numpy

CHUNK = 1 << 22
SPECIALS = ["[UNK]", "[CLS]", "[SEP]", "[MASK]"]


def tensor_shapes(c, pooler, head=None):
    """{name: shape} of a BertModel of configuration `c`, and of what stands on it, in the order they are written."""
    h, i = c["hidden_size"], c["intermediate_size"]
    shapes = {
        "embeddings.word_embeddings.weight": (c["vocab_size"], h),
        "embeddings.position_embeddings.weight": (c["max_position_embeddings"], h),
        "embeddings.token_type_embeddings.weight": (c["type_vocab_size"], h),
    }

    def norm(name):
        shapes[name + ".weight"] = shapes[name + ".bias"] = (h,)

    def linear(name, outputs, inputs):
        shapes[name + ".weight"], shapes[name + ".bias"] = (outputs, inputs), (outputs,)

    norm("embeddings.LayerNorm")
    for number in range(c["num_hidden_layers"]):
        layer = f"encoder.layer.{number}."
        for part in ("query", "key", "value"):
            linear(f"{layer}attention.self.{part}", h, h)
        linear(layer + "attention.output.dense", h, h)
        norm(layer + "attention.output.LayerNorm")
        linear(layer + "intermediate.dense", i, h)
        linear(layer + "output.dense", h, i)
        norm(layer + "output.LayerNorm")
    if pooler:
        linear("pooler.dense", h, h)
    if head == "rerank":
        linear("classifier", 1, h)
    if head == "fill-mask":
        linear("cls.predictions.transform.dense", h, h)
        norm("cls.predictions.transform.LayerNorm")
        shapes["cls.predictions.bias"] = (c["vocab_size"],)
    return shapes


MPNET_NAMES = [("attention.self.query", "attention.attn.q"), ("attention.self.key", "attention.attn.k"),
               ("attention.self.value", "attention.attn.v"), ("attention.output.dense", "attention.attn.o"),
               ("attention.output.LayerNorm", "attention.LayerNorm")]
BUCKETS = 32


def mpnet_configuration(c, head=""):
    """A BERT's configuration as that of an MPNet of its size."""
    known = ("vocab_size", "hidden_size", "num_attention_heads", "num_hidden_layers", "intermediate_size", "hidden_act", "layer_norm_eps",
             "id2label")
    return dict({key: c[key] for key in known if key in c}, model_type="mpnet", architectures=["MPNet" + (head or "Model")], pad_token_id=1,
                bos_token_id=0, eos_token_id=2, max_position_embeddings=c["max_position_embeddings"] + 2,
                relative_attention_num_buckets=BUCKETS)


def mpnet_shapes(c, pooler):
    """{name: shape} of an MPNetModel of a configuration of `mpnet_configuration`."""
    shapes = {}
    for name, shape in tensor_shapes(dict(c, type_vocab_size=1), pooler).items():
        for bert, own in MPNET_NAMES:
            name = name.replace(bert, own)
        if "token_type" not in name:
            shapes[name] = shape
    shapes["encoder.relative_attention_bias.weight"] = (BUCKETS, c["num_attention_heads"])
    return shapes


def outlier_channels(hidden, count, seed):
    """The channels that are far wider than the others, the same in every layer, as in trained models."""
    return numpy.random.Generator(numpy.random.PCG64([seed, 7])).permutation(hidden)[:count]


def spread(name, shape):
    """The standard deviation of a tensor's values."""
    if name.endswith(".bias"):
        return 0.05
    if "relative_attention_bias" in name:
        return 2.0
    if "embeddings" in name:
        return 0.05
    # A third of the variance-preserving spread, so that the residual leads, as it does after training.
    wide = 1.0 if any(part in name for part in (".query", ".key", ".attn.q", ".attn.k")) else 0.35
    return wide / numpy.sqrt(shape[1])


def chunks_of(name, shape, seed, outliers):
    """Yields a tensor's float32 values, flat, a chunk at a time."""
    random = numpy.random.Generator(numpy.random.PCG64([seed, zlib.crc32(name.encode())]))
    total = int(numpy.prod(shape))
    if "LayerNorm" in name:
        values = random.standard_normal(total, numpy.float32) * numpy.float32(0.1)
        if name.endswith(".weight"):
            values += 1
            values[outliers] *= 0.3
        else:
            values[outliers] += numpy.where(numpy.arange(len(outliers)) % 2, 6, -6).astype(numpy.float32)
        yield values
        return
    scale = numpy.float32(spread(name, shape))
    for start in range(0, total, CHUNK):
        yield random.standard_normal(min(CHUNK, total - start), numpy.float32) * scale


def make_vocabulary(size):
    """`size` tokens: the specials, characters with and without ##, then words and endings made of syllables."""
    tokens = ["[PAD]"]
    if size > 1000:
        tokens += [f"[unused{k}]" for k in range(99)]
    tokens += SPECIALS
    letters = "abcdefghijklmnopqrstuvwxyz"
    characters = ".,?!'-:;" + letters + "0123456789"
    tokens += list(characters) + ["##" + c for c in letters + "0123456789"]
    syllables = [c + v for c in "bdfgklmnprstvz" for v in "aeiou"]
    known, number = set(tokens), 0
    while len(tokens) < size:
        word, rest = "", number + len(syllables)
        while rest:
            rest, syllable = divmod(rest, len(syllables))
            word += syllables[syllable]
        number += 1
        token = "##" + word if number % 5 == 0 else word
        if token not in known:
            known.add(token)
            tokens.append(token)
    return tokens[:size]
