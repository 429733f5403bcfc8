#!/usr/bin/env python3
"""A peer as a worker of tools/compare-peers; README.md beside this file has the protocol.

    worker.py RUNTIME MODEL --threads N
"""
import argparse
import json
import os
import sys
import time

import numpy

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from convert import padded  # noqa: E402
from llamacpp import LlamaCpp  # noqa: E402


class Padded:
    """A peer that computes a batch as a rectangle, padding and all."""

    array = staticmethod(lambda output: output)

    def rows(self, output, batch, asked):
        """The last hidden states of each sequence, or what a head makes of those tokens that it is asked about."""
        states = self.array(output)
        if states.ndim == 2:
            return [states[row: row + 1] for row in range(len(batch))]
        return [states[row, : len(sequence)] if asked is None else states[row, asked[row]] for row, sequence in enumerate(batch)]


class OnnxRuntime(Padded):
    def __init__(self, folder, threads, _):
        import onnxruntime
        self.version = onnxruntime.__version__
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
        options.log_severity_level = 3
        self.session = onnxruntime.InferenceSession(
            os.path.join(folder, "model.onnx"), options, providers=["CPUExecutionProvider"])

    def prepare(self, batch):
        return padded(batch)

    def run(self, prepared):
        return self.session.run(None, prepared)[0]


class OpenVINO(Padded):
    def __init__(self, folder, threads, runtime):
        import openvino
        self.version = openvino.__version__
        settings = {
            "INFERENCE_NUM_THREADS": threads, "NUM_STREAMS": 1, "PERFORMANCE_HINT": "LATENCY",
            "ENABLE_CPU_PINNING": False, "INFERENCE_PRECISION_HINT": "bf16" if runtime.endswith("bf16") else "f32",
        }
        if runtime.endswith("dynamic"):
            settings["DYNAMIC_QUANTIZATION_GROUP_SIZE"] = os.environ.get("BERTQ_OPENVINO_GROUP", "128")
        compiled = openvino.Core().compile_model(os.path.join(folder, "model.xml"), "CPU", settings)
        self.request = compiled.create_infer_request()

    def prepare(self, batch):
        return padded(batch)

    def run(self, prepared):
        return self.request.infer(prepared, share_inputs=True, share_outputs=True)[0]


class CTranslate2(Padded):
    def __init__(self, folder, threads, runtime):
        import ctranslate2
        self.version = ctranslate2.__version__
        self.storage = ctranslate2.StorageView
        self.encoder = ctranslate2.Encoder(
            folder, device="cpu", compute_type="float32" if runtime.endswith("float") else "int8",
            inter_threads=1, intra_threads=threads)

    def prepare(self, batch):
        ids = padded(batch)["input_ids"].astype(numpy.int32)
        lengths = numpy.array([len(sequence) for sequence in batch], numpy.int32)
        return self.storage.from_array(ids), self.storage.from_array(lengths), (ids, lengths)

    def run(self, prepared):
        return self.encoder.forward_batch(prepared[0], prepared[1]).last_hidden_state

    array = staticmethod(numpy.array)


FAMILIES = {"onnxruntime": OnnxRuntime, "openvino": OpenVINO, "ctranslate2": CTranslate2, "llamacpp": LlamaCpp}


class Worker:
    def __init__(self, peer):
        self.peer, self.batches, self.asked, self.prepared = peer, [], [], []

    def set(self, command):
        self.batches = command["batches"]
        self.asked = command.get("rows") or [None] * len(self.batches)
        self.prepared = [self.peer.prepare(batch) for batch in self.batches]
        return {"ok": True}

    def run(self, command):
        times, start = [], time.perf_counter()
        while True:
            begin = time.perf_counter()
            for prepared in self.prepared:
                self.peer.run(prepared)
            end = time.perf_counter()
            times.append((end - begin) * 1e3)
            if end - start >= command["seconds"]:
                return {"ms": times}

    def write(self, command):
        tokens = hidden = 0
        with open(command["file"], "wb") as file:
            for batch, asked, prepared in zip(self.batches, self.asked, self.prepared):
                for states in self.peer.rows(self.peer.run(prepared), batch, asked):
                    file.write(numpy.ascontiguousarray(states, "<f4").tobytes())
                    tokens, hidden = tokens + states.shape[0], states.shape[1]
        return {"tokens": tokens, "hidden": hidden}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runtime")
    parser.add_argument("model")
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    # Runtimes print; the protocol has standard output to itself.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)

    def answer(value):
        answers.write(json.dumps(value) + "\n")
        answers.flush()

    peer = FAMILIES[arguments.runtime.split("-")[0]](arguments.model, arguments.threads, arguments.runtime)
    worker = Worker(peer)
    answer({"ready": arguments.runtime, "version": peer.version})
    for line in sys.stdin:
        command = json.loads(line)
        try:
            verb = next(verb for verb in ("set", "run", "write") if verb in command)
            answer(getattr(worker, verb)(command))
        except Exception as error:  # The coordinator decides; a worker goes on.
            answer({"error": f"{type(error).__name__}: {error}"})


if __name__ == "__main__":
    main()
