"""A BERT encoder as an ONNX graph, made from a checkpoint's arrays."""
import math

import numpy
import onnx
from onnx import TensorProto, helper, numpy_helper

OPSET = 17
FUSED = "com.microsoft"
# Added to the scores of padding; large enough that its weight underflows to zero, as published BERT has it.
MASKED = -10000.0


class GraphBuilder:
    """Collects nodes and weights. `fused` writes ONNX Runtime's own operators, else the standard ones."""

    def __init__(self, config, tensors, fused):
        self.config, self.tensors, self.fused = config, tensors, fused
        self.nodes, self.weights, self.counter = [], {}, 0

    def weight(self, name, values, dtype=numpy.float32):
        if name not in self.weights:
            self.weights[name] = numpy_helper.from_array(numpy.ascontiguousarray(values, dtype), name)
        return name

    def tensor(self, name):
        return self.weight(name, self.tensors[name])

    def node(self, operator, inputs, domain="", outputs=1, **attributes):
        self.counter += 1
        names = [f"{operator}_{self.counter}" + (f"_{k}" if k else "") for k in range(outputs)]
        self.nodes.append(helper.make_node(operator, inputs, names, name=names[0], domain=domain, **attributes))
        return names[0]

    def constant(self, name, value, dtype=numpy.float32):
        return self.weight(name, numpy.array(value, dtype), dtype)

    def product(self, x, name):
        return self.node("MatMul", [x, self.weight(name + ".weight^T", self.tensors[name + ".weight"].T)])

    def linear(self, x, name):
        return self.node("Add", [self.product(x, name), self.tensor(name + ".bias")])

    def norm(self, x, name):
        return self.node("LayerNormalization", [x, self.tensor(name + ".weight"), self.tensor(name + ".bias")],
                         axis=-1, epsilon=self.config["layer_norm_eps"])

    def residual_norm(self, product, residual, linear, norm):
        """norm(product + bias of the linear + residual)."""
        if self.fused:
            return self.node("SkipLayerNormalization",
                             [product, residual, self.tensor(norm + ".weight"), self.tensor(norm + ".bias"),
                              self.tensor(linear + ".bias")], FUSED, epsilon=self.config["layer_norm_eps"])
        return self.norm(self.node("Add", [self.node("Add", [product, self.tensor(linear + ".bias")]), residual]), norm)

    def embeddings(self):
        words = self.node("Gather", [self.tensor("embeddings.word_embeddings.weight"), "input_ids"])
        types = self.node("Gather", [self.tensor("embeddings.token_type_embeddings.weight"), "token_type_ids"])
        length = self.node("Slice", [self.node("Shape", ["input_ids"]), self.constant("one", [1], numpy.int64),
                                     self.constant("two", [2], numpy.int64)])
        positions = self.node("Slice", [self.tensor("embeddings.position_embeddings.weight"),
                                        self.constant("zero", [0], numpy.int64), length,
                                        self.constant("zero", [0], numpy.int64)])
        total = self.node("Add", [self.node("Add", [words, types]), positions])
        return self.norm(total, "embeddings.LayerNorm")

    def mask(self):
        if self.fused:
            return self.node("Cast", ["attention_mask"], to=TensorProto.INT32)
        axes = self.constant("mask axes", [1, 2], numpy.int64)
        wide = self.node("Cast", [self.node("Unsqueeze", ["attention_mask", axes])], to=TensorProto.FLOAT)
        gone = self.node("Sub", [self.constant("1.0", 1), wide])
        return self.node("Mul", [gone, self.constant("masked", MASKED)])

    def split_heads(self, x, order):
        heads = self.config["num_attention_heads"]
        shape = self.constant("heads", [0, 0, heads, self.config["hidden_size"] // heads], numpy.int64)
        return self.node("Transpose", [self.node("Reshape", [x, shape])], perm=order)

    def attention(self, x, name, mask):
        if self.fused:
            parts = [f"{name}.self.{part}" for part in ("query", "key", "value")]
            stacked = numpy.concatenate([self.tensors[part + ".weight"] for part in parts])
            bias = numpy.concatenate([self.tensors[part + ".bias"] for part in parts])
            return self.node("Attention", [x, self.weight(name + ".qkv", stacked.T),
                                           self.weight(name + ".qkv.bias", bias), mask], FUSED,
                             num_heads=self.config["num_attention_heads"])
        query = self.split_heads(self.linear(x, name + ".self.query"), [0, 2, 1, 3])
        key = self.split_heads(self.linear(x, name + ".self.key"), [0, 2, 3, 1])
        value = self.split_heads(self.linear(x, name + ".self.value"), [0, 2, 1, 3])
        root = math.sqrt(self.config["hidden_size"] // self.config["num_attention_heads"])
        scores = self.node("Div", [self.node("MatMul", [query, key]), self.constant("root", root)])
        weights = self.node("Softmax", [self.node("Add", [scores, mask])], axis=-1)
        context = self.node("Transpose", [self.node("MatMul", [weights, value])], perm=[0, 2, 1, 3])
        shape = self.constant("merged", [0, 0, self.config["hidden_size"]], numpy.int64)
        return self.node("Reshape", [context, shape])

    def gelu(self, product, linear):
        if self.fused:
            return self.node("BiasGelu", [product, self.tensor(linear + ".bias")], FUSED)
        x = self.node("Add", [product, self.tensor(linear + ".bias")])
        inner = self.node("Erf", [self.node("Div", [x, self.constant("sqrt2", math.sqrt(2))])])
        whole = self.node("Mul", [x, self.node("Add", [inner, self.constant("1.0", 1)])])
        return self.node("Mul", [whole, self.constant("half", 0.5)])

    def layer(self, x, number, mask):
        name = f"encoder.layer.{number}"
        output = name + ".attention.output"
        x = self.residual_norm(self.product(self.attention(x, name + ".attention", mask), output + ".dense"), x,
                               output + ".dense", output + ".LayerNorm")
        inner = self.gelu(self.product(x, name + ".intermediate.dense"), name + ".intermediate.dense")
        return self.residual_norm(self.product(inner, name + ".output.dense"), x,
                                  name + ".output.dense", name + ".output.LayerNorm")

    def head(self, x):
        """(a name, the result, its sizes): what a model's class computes of the last hidden states, as it is exported."""
        kind = self.config["architectures"][0]
        if kind == "BertForSequenceClassification":
            first = self.node("Gather", [x, self.constant("first", 0, numpy.int64)], axis=1)
            return "logits", self.linear(self.node("Tanh", [self.linear(first, "pooler.dense")]), "classifier"), [1]
        if kind == "BertForMaskedLM":
            inner = self.gelu(self.product(x, "cls.predictions.transform.dense"), "cls.predictions.transform.dense")
            inner = self.norm(inner, "cls.predictions.transform.LayerNorm")
            words = self.weight("words^T", self.tensors["embeddings.word_embeddings.weight"].T)
            logits = self.node("Add", [self.node("MatMul", [inner, words]), self.tensor("cls.predictions.bias")])
            return "logits", logits, ["length", self.config["vocab_size"]]
        return "last_hidden_state", x, ["length", self.config["hidden_size"]]

    def model(self):
        if self.config["hidden_act"] != "gelu":
            raise ValueError(f"peers are compared with gelu alone, not {self.config['hidden_act']}")
        x, mask = self.embeddings(), self.mask()
        for number in range(self.config["num_hidden_layers"]):
            x = self.layer(x, number, mask)
        name, x, width = self.head(x)
        self.nodes.append(helper.make_node("Identity", [x], [name], name="result"))
        inputs = [helper.make_tensor_value_info(name, TensorProto.INT64, ["batch", "length"])
                  for name in ("input_ids", "attention_mask", "token_type_ids")]
        output = helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch"] + width)
        graph = helper.make_graph(self.nodes, "bert", inputs, [output], list(self.weights.values()))
        opsets = [helper.make_opsetid("", OPSET)] + ([helper.make_opsetid(FUSED, 1)] if self.fused else [])
        model = helper.make_model(graph, opset_imports=opsets)
        model.ir_version = 10
        return model


def write(config, tensors, path, fused):
    """Writes the encoder; weights go in a file beside it, for a protobuf message ends at 2 GiB."""
    onnx.save_model(GraphBuilder(config, tensors, fused).model(), path, save_as_external_data=True,
                    all_tensors_to_one_file=True, location=path.rsplit("/", 1)[-1] + ".weights", size_threshold=1024)
