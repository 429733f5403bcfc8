"""Generated weights of BERT and some relatives, and vocabularies: noise, scaled so that activations stay as wide as in trained models."""
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


ALBERT_NAMES = [("encoder.layer.0.attention.self", "encoder.layer.0.attention"), ("attention.output.dense", "attention.dense"),
                ("attention.output.LayerNorm", "attention.LayerNorm"), ("intermediate.dense", "ffn"), ("0.output.dense", "0.ffn_output"),
                ("0.output.LayerNorm", "0.full_layer_layer_norm"), ("encoder.layer.0", "encoder.albert_layer_groups.0.albert_layers.0"),
                ("pooler.dense", "pooler")]
GTE_NAMES = [("attention.output.dense", "attention.o_proj"), ("attention.output.LayerNorm", "attn_ln"), ("output.dense", "mlp.down_proj"),
             ("output.LayerNorm", "mlp_ln")]
NOMIC_NAMES = [("attention.output.dense", "attn.out_proj"), ("attention.output.LayerNorm", "norm1"), ("output.dense", "mlp.fc2"),
               ("output.LayerNorm", "norm2"), ("embeddings.LayerNorm", "emb_ln"), ("encoder.layer.", "encoder.layers.")]
JINA_NAMES = [("attention.output.dense", "attention.output.dense"), ("attention.output.LayerNorm", "attention.output.LayerNorm"),
              ("output.dense", "mlp.wo"), ("output.LayerNorm", "mlp.layernorm")]


# Two windows of attention and a whole layer, and the next; a reach that most texts exceed.
MODERN = dict(local_attention=17, global_attn_every_n_layers=3, global_rope_theta=160000.0, local_rope_theta=10000.0)


def modernbert(c):
    """The configuration and {name: shape} of a ModernBERT of a BERT's size."""
    h, i = c["hidden_size"], c["intermediate_size"]
    shapes = {"embeddings.tok_embeddings.weight": (c["vocab_size"], h), "embeddings.norm.weight": (h,)}
    for number in range(c["num_hidden_layers"]):
        layer = "layers.%d." % number
        if number > 0:
            shapes[layer + "attn_norm.weight"] = (h,)
        shapes.update({layer + "attn.Wqkv.weight": (3 * h, h), layer + "attn.Wo.weight": (h, h), layer + "mlp_norm.weight": (h,),
                       layer + "mlp.Wi.weight": (2 * i, h), layer + "mlp.Wo.weight": (h, i)})
    shapes["final_norm.weight"] = (h,)
    known = {key: value for key, value in c.items() if key not in ("hidden_act", "layer_norm_eps", "type_vocab_size")}
    return dict(known, model_type="modernbert", architectures=["ModernBertModel"], hidden_activation=c["hidden_act"],
                norm_eps=c["layer_norm_eps"], **MODERN), shapes


# Buckets of single distances that most texts exceed; and which terms of scores there are, by the number of layers.
DEBERTA = dict(relative_attention=True, position_buckets=16, norm_rel_ebd="layer_norm", share_att_key=True, position_biased_input=False,
               max_relative_positions=-1, type_vocab_size=0)
DEBERTA_TERMS = ("p2c", "p2c|c2p", "c2p")


def deberta(c):
    """The configuration and {name: shape} of a DebertaV2Model of a BERT's size."""
    h, shapes = c["hidden_size"], {}
    for name, shape in tensor_shapes(dict(c, type_vocab_size=1), False).items():
        if "position_embeddings" not in name and "token_type" not in name:
            for part in ("query", "key", "value"):
                name = name.replace("attention.self." + part, "attention.self.%s_proj" % part)
            shapes[name] = shape
    shapes["encoder.rel_embeddings.weight"] = (2 * DEBERTA["position_buckets"], h)
    shapes["encoder.LayerNorm.weight"] = shapes["encoder.LayerNorm.bias"] = (h,)
    terms = DEBERTA_TERMS[c["num_hidden_layers"] % 3]
    return dict(dict(c, **DEBERTA), model_type="deberta-v2", architectures=["DebertaV2Model"], pos_att_type=terms), shapes


def renamed(name, names):
    for bert, own in names:
        if bert in name:
            return name.replace(bert, own)
    return name


def relative(c, kind, pooler):
    """The configuration and {name: shape} of a relative of a BERT's size: "albert", "new", "nomic_bert", "jina", "modernbert" or "deberta"."""
    if kind in ("modernbert", "deberta"):
        return modernbert(c) if kind == "modernbert" else deberta(c)
    h, i = c["hidden_size"], c["intermediate_size"]
    narrow = max(1, h // 3)
    shapes = {}
    layers = 1 if kind == "albert" else c["num_hidden_layers"]
    for name, shape in tensor_shapes(dict(c, num_hidden_layers=layers), pooler).items():
        if kind == "albert":
            if name.startswith("embeddings."):
                shape = shape[:-1] + (narrow,)
            for bert, own in ALBERT_NAMES:
                name = name.replace(bert, own)
        elif "position_embeddings" in name:
            continue
        elif kind != "jina" and "attention.self." in name:
            part = {"new": "attention.qkv_proj", "nomic_bert": "attn.Wqkv"}[kind]
            name, shape = name.replace("attention.self.query", part), (3 * h,) + shape[1:]
            if "attention.self." in name:
                continue
        if kind in ("new", "jina") and "intermediate.dense" in name:
            name = name.replace("intermediate.dense", {"new": "mlp.up_gate_proj", "jina": "mlp.gated_layers"}[kind])
            shape = (2 * i, h) if name.endswith(".weight") else None
        if kind == "nomic_bert" and "intermediate.dense" in name:
            shapes[renamed(name.replace("intermediate.dense", "mlp.fc12"), NOMIC_NAMES)] = shape
            name = name.replace("intermediate.dense", "mlp.fc11")
        names = {"new": GTE_NAMES, "nomic_bert": NOMIC_NAMES, "jina": JINA_NAMES}.get(kind, [])
        for one in (names[4:] if kind == "nomic_bert" else []):
            name = name.replace(*one)
        name = renamed(name, names[:4])
        if shape is not None:
            shapes[name] = shape
    c = dict(c, model_type=kind)
    if kind == "albert":
        shapes["encoder.embedding_hidden_mapping_in.weight"], shapes["encoder.embedding_hidden_mapping_in.bias"] = (h, narrow), (h,)
        c.update(architectures=["AlbertModel"], embedding_size=narrow)
    elif kind == "jina":
        c.update(model_type="bert", architectures=["JinaBertModel"], position_embedding_type="alibi", feed_forward_type="geglu")
    elif kind == "new":
        c.update(architectures=["NewModel"], rope_theta=160000.0, rope_scaling=dict(type="ntk", factor=2.0))
    else:
        # Linears have no bias, but for the pooler's.
        layer = [name for name in shapes if name.startswith("encoder.") and name.endswith(".bias") and "norm" not in name]
        shapes = {name: shape for name, shape in shapes.items() if name not in layer}
        c.update(architectures=["NomicBertModel"], rotary_emb_base=1000.0)
        if c["hidden_act"] == "gelu":
            c["hidden_act"] = "silu"
    return c, shapes


NORMS = ("LayerNorm", "layer_norm", "layernorm", "attn_ln", "mlp_ln", "emb_ln", "norm1", "norm2", "attn_norm", "mlp_norm",
         "final_norm", "embeddings.norm", "head.norm")


def outlier_channels(hidden, count, seed):
    """The channels that are far wider than the others, the same in every layer, as in trained models."""
    return numpy.random.Generator(numpy.random.PCG64([seed, 7])).permutation(hidden)[:count]


def spread(name, shape):
    """The standard deviation of a tensor's values."""
    if name.endswith(".bias"):
        return 0.05
    if "relative_attention_bias" in name:
        return 2.0
    if "rel_embeddings" in name:
        return 1.0
    if "embeddings" in name:
        return 0.05
    # A third of the variance-preserving spread, so that the residual leads, as it does after training.
    wide = 1.0 if any(part in name for part in (".query", ".key", ".attn.q", ".attn.k", "qkv")) else 0.35
    return wide / numpy.sqrt(shape[1])


def chunks_of(name, shape, seed, outliers):
    """Yields a tensor's float32 values, flat, a chunk at a time."""
    random = numpy.random.Generator(numpy.random.PCG64([seed, zlib.crc32(name.encode())]))
    total = int(numpy.prod(shape))
    if any(part in name for part in NORMS):
        outliers = outliers[outliers < total]
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
