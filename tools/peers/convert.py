#!/usr/bin/env python3
"""Converts a checkpoint for one peer.

    convert.py RUNTIME CHECKPOINT FOLDER [--calibration IDS.json]      IDS.json: a list of lists of token ids
"""
import argparse
import json
import os
import shutil
import sys

import numpy

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from checkpoint_files import load_checkpoint  # noqa: E402


def padded(sequences):
    """input_ids, attention_mask and token_type_ids, int64 [sequences, longest]."""
    ids = numpy.zeros((len(sequences), max(map(len, sequences))), numpy.int64)
    mask = numpy.zeros_like(ids)
    for row, sequence in enumerate(sequences):
        ids[row, : len(sequence)] = sequence
        mask[row, : len(sequence)] = 1
    return {"input_ids": ids, "attention_mask": mask, "token_type_ids": numpy.zeros_like(ids)}


def onnxruntime_float(config, tensors, folder, *_):
    import onnx_graph
    onnx_graph.write(config, tensors, os.path.join(folder, "model.onnx"), fused=True)


def onnxruntime_int8(config, tensors, folder, *_):
    import onnx_graph
    from onnxruntime.quantization import QuantType, quantize_dynamic
    source = os.path.join(folder, "float.onnx")
    onnx_graph.write(config, tensors, source, fused=True)
    quantize_dynamic(source, os.path.join(folder, "model.onnx"), per_channel=True, weight_type=QuantType.QInt8,
                     use_external_data_format=True, extra_options={"DefaultTensorType": 1})
    os.remove(source)
    os.remove(source + ".weights")


def openvino_model(config, tensors, folder):
    import onnx_graph
    import openvino
    source = os.path.join(folder, "float.onnx")
    onnx_graph.write(config, tensors, source, fused=False)
    return openvino.Core().read_model(source)


def save_openvino(model, folder):
    import openvino
    openvino.save_model(model, os.path.join(folder, "model.xml"), compress_to_fp16=False)
    for name in os.listdir(folder):
        if name.startswith("float.onnx"):
            os.remove(os.path.join(folder, name))


def openvino_float(config, tensors, folder, *_):
    save_openvino(openvino_model(config, tensors, folder), folder)


def openvino_int8_dynamic(config, tensors, folder, *_):
    import nncf
    model = nncf.compress_weights(openvino_model(config, tensors, folder), mode=nncf.CompressWeightsMode.INT8_SYM)
    save_openvino(model, folder)


def openvino_int8_static(config, tensors, folder, calibration, _):
    import nncf
    samples = [padded([sequence]) for sequence in calibration]
    model = nncf.quantize(openvino_model(config, tensors, folder), nncf.Dataset(samples), subset_size=len(samples),
                          model_type=nncf.ModelType.TRANSFORMER)
    save_openvino(model, folder)


def ctranslate2_model(config, tensors, folder, quantization):
    from ctranslate2.specs import common_spec, transformer_spec
    encoder = transformer_spec.TransformerEncoderSpec(
        config["num_hidden_layers"], config["num_attention_heads"], pre_norm=False,
        activation=common_spec.Activation.GELU, layernorm_embedding=True, num_source_embeddings=2,
        embeddings_merge=common_spec.EmbeddingsMerge.ADD)
    model = transformer_spec.TransformerEncoderModelSpec(encoder)

    def array(name):
        return numpy.array(tensors[name], numpy.float32)

    def linear(spec, *names):
        spec.weight = numpy.concatenate([array(name + ".weight") for name in names])
        spec.bias = numpy.concatenate([array(name + ".bias") for name in names])

    def norm(spec, name):
        spec.gamma, spec.beta = array(name + ".weight"), array(name + ".bias")

    encoder.scale_embeddings = False
    encoder.embeddings[0].weight = array("embeddings.word_embeddings.weight")
    encoder.embeddings[1].weight = array("embeddings.token_type_embeddings.weight")
    encoder.position_encodings.encodings = array("embeddings.position_embeddings.weight")
    norm(encoder.layernorm_embedding, "embeddings.LayerNorm")
    for number, spec in enumerate(encoder.layer):
        name = f"encoder.layer.{number}."
        linear(spec.self_attention.linear[0], *(f"{name}attention.self.{part}" for part in ("query", "key", "value")))
        linear(spec.self_attention.linear[1], name + "attention.output.dense")
        norm(spec.self_attention.layer_norm, name + "attention.output.LayerNorm")
        linear(spec.ffn.linear_0, name + "intermediate.dense")
        linear(spec.ffn.linear_1, name + "output.dense")
        norm(spec.ffn.layer_norm, name + "output.LayerNorm")
    model.register_vocabulary([f"token{k}" for k in range(config["vocab_size"])])
    model.config.unk_token = "token0"
    model.config.layer_norm_epsilon = config["layer_norm_eps"]
    model.validate()
    model.optimize(quantization=quantization)
    model.save(folder)


def llamacpp_int8(config, tensors, folder, _, checkpoint):
    import gguf_file
    with open(os.path.join(checkpoint, "vocab.txt"), encoding="utf-8") as file:
        gguf_file.write(config, tensors, file.read().rstrip("\n").split("\n"), os.path.join(folder, "model.gguf"))


# Each is given the configuration, the arrays, the folder to fill, calibration texts and the checkpoint's folder.
CONVERTERS = {
    "onnxruntime-int8": onnxruntime_int8,
    "onnxruntime-float": onnxruntime_float,
    "openvino-int8-static": openvino_int8_static,
    "openvino-int8-dynamic": openvino_int8_dynamic,
    "openvino-float": openvino_float,
    "openvino-bf16": openvino_float,
    "ctranslate2-int8": lambda *arguments: ctranslate2_model(*arguments[:3], "int8"),
    "ctranslate2-float": lambda *arguments: ctranslate2_model(*arguments[:3], None),
    "llamacpp-int8": llamacpp_int8,
}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runtime", choices=list(CONVERTERS))
    parser.add_argument("checkpoint")
    parser.add_argument("folder")
    parser.add_argument("--calibration", metavar="IDS.json")
    arguments = parser.parse_args()
    calibration = None
    if arguments.calibration:
        with open(arguments.calibration, encoding="utf-8") as file:
            calibration = json.load(file)
    config, tensors = load_checkpoint(arguments.checkpoint)
    # Whole or absent: written beside its place, then renamed.
    work = arguments.folder + ".partial"
    shutil.rmtree(work, ignore_errors=True)
    os.makedirs(work)
    CONVERTERS[arguments.runtime](config, tensors, work, calibration, arguments.checkpoint)
    shutil.rmtree(arguments.folder, ignore_errors=True)
    os.rename(work, arguments.folder)


if __name__ == "__main__":
    main()
