"""A BERT encoder as a GGUF file for llama.cpp, made from a checkpoint's arrays.

The file is what llama.cpp's converter and its `llama-quantize ... Q8_0` make of the checkpoint: Q8_0 for the linears' weights
and the word embeddings, float32 for everything else. Query, key and value stay apart, as the converter leaves them.
"""
import gguf
import numpy

ARCHITECTURE = "bert"
LAYER = {  # of the checkpoint: of the file
    "attention.self.query": "attn_q", "attention.self.key": "attn_k", "attention.self.value": "attn_v",
    "attention.output.dense": "attn_output", "attention.output.LayerNorm": "attn_output_norm",
    "intermediate.dense": "ffn_up", "output.dense": "ffn_down", "output.LayerNorm": "layer_output_norm",
}
# The pooler and heads have no place in it: the result is the last hidden state.
EMBEDDINGS = {
    "embeddings.word_embeddings": "token_embd", "embeddings.position_embeddings": "position_embd",
    "embeddings.token_type_embeddings": "token_types", "embeddings.LayerNorm": "token_embd_norm",
}
FLOAT_MATRICES = ("position_embd", "token_types")


def piece(token):
    """A WordPiece token in llama.cpp's spelling: the start of a word is marked, not its continuation."""
    if token.startswith("[") and token.endswith("]") and len(token) > 2:
        return token
    return token[2:] if token.startswith("##") else "\u2581" + token


def add_vocabulary(writer, tokens):
    """The vocabulary; ids are given, so only its size matters, but llama.cpp loads no BERT without one."""
    special = {"[CLS]", "[SEP]", "[UNK]", "[PAD]", "[MASK]"}
    writer.add_tokenizer_model("bert")
    writer.add_token_list([piece(token) for token in tokens])
    writer.add_token_types([gguf.TokenType.CONTROL if token in special else gguf.TokenType.NORMAL for token in tokens])
    for token, add in (("[CLS]", writer.add_bos_token_id), ("[SEP]", writer.add_sep_token_id),
                       ("[UNK]", writer.add_unk_token_id), ("[PAD]", writer.add_pad_token_id),
                       ("[MASK]", writer.add_mask_token_id)):
        if token in tokens:
            add(tokens.index(token))


def add_configuration(writer, config):
    writer.add_name("bert")
    writer.add_context_length(config["max_position_embeddings"])
    writer.add_embedding_length(config["hidden_size"])
    writer.add_feed_forward_length(config["intermediate_size"])
    writer.add_block_count(config["num_hidden_layers"])
    writer.add_head_count(config["num_attention_heads"])
    writer.add_layer_norm_eps(config["layer_norm_eps"])
    writer.add_causal_attention(False)
    writer.add_pooling_type(gguf.PoolingType.NONE)
    writer.add_token_type_count(config["type_vocab_size"])
    writer.add_vocab_size(config["vocab_size"])
    writer.add_file_type(gguf.LlamaFileType.MOSTLY_Q8_0)


def add_tensor(writer, name, values):
    values = numpy.ascontiguousarray(values, numpy.float32)
    base, _, kind = name.rpartition(".")
    if kind == "weight" and values.ndim == 2 and base not in FLOAT_MATRICES:
        quantized = gguf.quants.quantize(values, gguf.GGMLQuantizationType.Q8_0)
        writer.add_tensor(name, quantized, raw_dtype=gguf.GGMLQuantizationType.Q8_0)
    else:
        writer.add_tensor(name, values)


def write(config, tensors, tokens, path):
    """Writes the encoder. `tokens` is the vocabulary in the order of its ids."""
    if config["hidden_act"] != "gelu":
        raise ValueError(f"peers are compared with gelu alone, not {config['hidden_act']}")
    # An id past the vocabulary's end has an embedding all the same.
    tokens = tokens[: config["vocab_size"]] + [f"[unused{k}]" for k in range(len(tokens), config["vocab_size"])]
    writer = gguf.GGUFWriter(path, ARCHITECTURE)
    add_configuration(writer, config)
    add_vocabulary(writer, tokens)
    for theirs, ours in EMBEDDINGS.items():
        for kind in ("weight", "bias"):
            if f"{theirs}.{kind}" in tensors:
                add_tensor(writer, f"{ours}.{kind}", tensors[f"{theirs}.{kind}"])
    for number in range(config["num_hidden_layers"]):
        for theirs, ours in LAYER.items():
            for kind in ("weight", "bias"):
                add_tensor(writer, f"blk.{number}.{ours}.{kind}", tensors[f"encoder.layer.{number}.{theirs}.{kind}"])
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
