#!/usr/bin/env python3
"""Writes a BERT checkpoint with generated weights: config.json, vocab.txt and the tensors. Needs NumPy.

    make-checkpoint.py base OUT                      BERT-base's sizes, float32, one safetensors file
    make-checkpoint.py large OUT --dtype bf16        BERT-large's, bfloat16
    make-checkpoint.py tiny OUT --npz --prefix bert. --gamma-beta
    make-checkpoint.py --hidden 320 --heads 4 --layers 3 --intermediate 1000 OUT

The weights are noise, scaled so that activations stay as wide as in trained models, with a few outlier channels, which
trained BERT models have and which are what makes them hard to quantise. A tensor's values depend on the seed, its name
and its shape alone. One chunk of one tensor is held in memory at a time.
"""
import argparse
import json
import os
import sys

import numpy

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "lib"))
from checkpoint_files import encode, write_npz, write_safetensors  # noqa: E402
from generated_bert import chunks_of, make_vocabulary, outlier_channels, tensor_shapes  # noqa: E402

SIZES = {  # layers, hidden, heads, intermediate, vocabulary, positions
    "tiny": (2, 64, 4, 128, 1000, 128),
    "minilm": (6, 384, 12, 1536, 30522, 512),
    "base": (12, 768, 12, 3072, 30522, 512),
    "large": (24, 1024, 16, 4096, 30522, 512),
}


def published_name(name, prefix, gamma_beta):
    """The name a tensor has in the checkpoint."""
    if gamma_beta and "LayerNorm" in name:
        name = name.replace("LayerNorm.weight", "LayerNorm.gamma").replace("LayerNorm.bias", "LayerNorm.beta")
    return prefix + name


def configuration(arguments):
    """config.json of the sizes asked for."""
    layers, hidden, heads, intermediate, vocabulary, positions = SIZES[arguments.size or "tiny"]
    return {
        "architectures": ["BertModel"], "attention_probs_dropout_prob": 0.1, "hidden_act": arguments.activation,
        "hidden_dropout_prob": 0.1, "hidden_size": arguments.hidden or hidden, "initializer_range": 0.02,
        "intermediate_size": arguments.intermediate or intermediate, "layer_norm_eps": 1e-12,
        "max_position_embeddings": arguments.positions or positions, "model_type": "bert",
        "num_attention_heads": arguments.heads or heads, "num_hidden_layers": arguments.layers or layers,
        "pad_token_id": 0, "type_vocab_size": 2, "vocab_size": arguments.vocabulary or vocabulary,
    }


def write_weights(folder, tensors, arguments):
    """Writes the container that the arguments ask for."""
    if arguments.npz or arguments.npz_compressed:
        write_npz(os.path.join(folder, "model.npz"), tensors, arguments.npz_compressed)
    elif arguments.shards == 1:
        write_safetensors(os.path.join(folder, "model.safetensors"), tensors, {"format": "pt"})
    else:
        count = min(arguments.shards, len(tensors))
        weight_map, total = {}, 0
        for shard in range(count):
            part = tensors[len(tensors) * shard // count: len(tensors) * (shard + 1) // count]
            name = f"model-{shard + 1:05}-of-{count:05}.safetensors"
            write_safetensors(os.path.join(folder, name), part, {"format": "pt"})
            weight_map.update({tensor[0]: name for tensor in part})
            total += sum(int(numpy.prod(tensor[2])) * {"F32": 4}.get(tensor[1], 2) for tensor in part)
        with open(os.path.join(folder, "model.safetensors.index.json"), "w", encoding="utf-8") as file:
            json.dump({"metadata": {"total_size": total}, "weight_map": weight_map}, file, indent=2)


def parse():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("size", nargs="?", choices=list(SIZES), help="sizes by name (tiny)")
    parser.add_argument("folder", help="made when absent")
    for name in ("layers", "hidden", "heads", "intermediate", "positions"):
        parser.add_argument("--" + name, type=int)
    parser.add_argument("--vocabulary", type=int, metavar="COUNT")
    parser.add_argument("--vocab", metavar="FILE", help="copy this vocab.txt; its lines say the count")
    parser.add_argument("--activation", default="gelu", choices=["gelu", "gelu_new", "relu"])
    parser.add_argument("--no-pooler", action="store_true")
    parser.add_argument("--outliers", type=int, help="outlier channels (one in 128, at least 2)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--dtype", default="f32", choices=["f32", "f16", "bf16"])
    parser.add_argument("--prefix", default="", help="put before every tensor name, such as bert.")
    parser.add_argument("--gamma-beta", action="store_true", help="old names in layer norms")
    parser.add_argument("--shards", type=int, default=1)
    parser.add_argument("--npz", action="store_true")
    parser.add_argument("--npz-compressed", action="store_true")
    arguments = parser.parse_intermixed_args()
    if arguments.dtype == "bf16" and (arguments.npz or arguments.npz_compressed):
        parser.error("an npz archive has no bfloat16")
    if arguments.shards < 1 or (arguments.shards > 1 and (arguments.npz or arguments.npz_compressed)):
        parser.error("--shards is a positive number, and for safetensors alone")
    return parser, arguments


def main():
    parser, arguments = parse()
    if arguments.vocab:
        with open(arguments.vocab, encoding="utf-8", newline="\n") as file:
            words = file.read().splitlines()
        arguments.vocabulary = len(words)
    config = configuration(arguments)
    if config["hidden_size"] % config["num_attention_heads"]:
        parser.error(f"hidden size {config['hidden_size']} is no multiple of {config['num_attention_heads']} heads")
    if not arguments.vocab:
        words = make_vocabulary(config["vocab_size"])

    hidden = config["hidden_size"]
    count = max(2, hidden // 128) if arguments.outliers is None else arguments.outliers
    outliers = outlier_channels(hidden, count, arguments.seed)

    def source(name, shape):
        return lambda: (encode(chunk, arguments.dtype)
                        for chunk in chunks_of(name, shape, arguments.seed, outliers))

    tensors = [(published_name(name, arguments.prefix, arguments.gamma_beta), arguments.dtype.upper(), shape,
                source(name, shape))
               for name, shape in tensor_shapes(config, not arguments.no_pooler).items()]
    os.makedirs(arguments.folder, exist_ok=True)
    write_weights(arguments.folder, tensors, arguments)
    with open(os.path.join(arguments.folder, "vocab.txt"), "w", encoding="utf-8", newline="\n") as file:
        file.write("\n".join(words) + "\n")
    with open(os.path.join(arguments.folder, "config.json"), "w", encoding="utf-8") as file:
        json.dump(config, file, indent=2)
        file.write("\n")


if __name__ == "__main__":
    main()
