"""The coordinator of tools/compare-peers: prepares models, lets workers take turns, checks and collects."""
import datetime
import glob
import os
import re
import subprocess
import sys

import numpy

PEERS = os.path.dirname(os.path.abspath(__file__))
TOOLS = os.path.dirname(PEERS)
ROOT = os.path.dirname(TOOLS)
sys.path[:0] = [PEERS, os.path.join(TOOLS, "lib")]
import footprint  # noqa: E402
import report  # noqa: E402
import store  # noqa: E402
from convert import CONVERTERS  # noqa: E402
from limits import LIMITS  # noqa: E402
from measures import cosines, processor_flags, processor_name, signal_to_noise, statistics  # noqa: E402
from model import Model  # noqa: E402
from verdict import verdict  # noqa: E402
from workers import WorkerFailed, lacking, start_worker  # noqa: E402
from workloads import CELLS, HEADS, Stream, asked, batches_of, multiply_adds, rows_of  # noqa: E402

# The least SQNR in dB of a result that counts: far under what each precision gives, far over what a mistake gives.
FLOORS = {"int8": 8, "bf16": 30, "float": 80}
# Compared with each other in turn: those that trade exactness for speed, and those that do not.
GROUPS = [("int8", "bf16"), ("float",)]
# Fewer for the larger ones, whose weights are generated and whose float32 reference takes long.
DRIFT_TEXTS = {"minilm": 640, "base": 160, "large": 80}
CALIBRATION_TEXTS = 200
# Those that compute a head too.
WITH_HEADS = ("bertq", "onnxruntime", "openvino")


def precision(runtime):
    return next(kind for kind in FLOORS if kind in runtime)


def documentation_sentences():
    """Sentences of the project's own documentation, the text that is always at hand."""
    text = []
    for path in sorted(glob.glob(os.path.join(ROOT, "*.md")) + glob.glob(os.path.join(ROOT, "*", "*.md"))):
        with open(path, encoding="utf-8") as file:
            whole = file.read()
        # Not what this tool writes: every run is to see the same texts.
        whole = re.sub(r"<!-- measured: begin.*?<!-- measured: end -->", " ", whole, flags=re.S)
        text.append(re.sub(r"```.*?```|^\|.*$|^#.*$", " ", whole, flags=re.S | re.M))
    for path in sorted(glob.glob(os.path.join(ROOT, "Sources", "*", "*.swift"))):
        with open(path, encoding="utf-8") as file:
            text.append(" ".join(re.findall(r"^ *///? (.*)$", file.read(), flags=re.M)))
    joined = re.sub(r"[`*]|\s+", " ", " ".join(text))
    return [part.strip() for part in re.split(r"(?<=[.!?]) +(?=[A-Z])", joined) if 20 < len(part.strip()) < 400]


class Comparison:
    """One run of the tool."""

    def __init__(self, arguments, cache):
        self.arguments, self.cache = arguments, cache
        self.failures, self.runs = 0, []
        peers = [name for name in CONVERTERS if name != "openvino-bf16" or "avx512_bf16" in processor_flags()]
        runtimes = ["bertq-int8", "bertq-float"] + peers
        if arguments.runtimes:
            unknown = set(arguments.runtimes) - set(runtimes)
            if unknown:
                sys.exit(f"error: no runtime here is called {', '.join(sorted(unknown))}; there are {', '.join(runtimes)}")
            runtimes = [name for name in runtimes if name in arguments.runtimes]
        if arguments.limit:
            missing = lacking(arguments.limit)
            if missing:
                sys.exit(f"error: --limit {arguments.limit} needs a CPU with {', '.join(missing)}")
            runtimes = [name for name in runtimes if name.split("-")[0] in LIMITS[arguments.limit] and "bf16" not in name]
        self.runtimes = runtimes

    def run(self):
        checkpoint = subprocess.run([os.path.join(TOOLS, "lib", "fetch-model")], check=True, stdout=subprocess.PIPE,
                                    text=True).stdout.strip()
        self.read_texts(checkpoint)
        for name in self.arguments.models:
            self.measure_model(Model(name, self.checkpoint(name, checkpoint), self.cache))
            if self.arguments.write:
                store.keep(self.cache, self.results)
        print(report.performance(self.runs))
        if self.arguments.write:
            report.write(store.kept(self.cache, CELLS))
        return 1 if self.failures else 0

    def measure_model(self, model):
        """Everything of one model, into an entry of `runs`."""
        self.results = {
            "model": model.name, "date": datetime.date.today().isoformat(), "limit": self.arguments.limit,
            "cpu": processor_name(), "rounds": self.arguments.rounds, "versions": {}, "cells": [], "drift": [], "memory": [],
            "start": []}
        self.runs.append(self.results)
        for threads in self.arguments.threads:
            for group in GROUPS:
                runtimes = [runtime for runtime in self.runtimes if precision(runtime) in group]
                if model.name in HEADS:
                    runtimes = [runtime for runtime in runtimes if runtime.split("-")[0] in WITH_HEADS]
                self.measure(model, threads, runtimes)
                self.save()
        if not self.arguments.no_drift and model.name not in HEADS:
            self.measure_drift(model)
        # Neither depends on the width of the kernels.
        if not self.arguments.no_memory and not self.arguments.limit and model.name not in HEADS:
            self.results["memory"] = footprint.memory(self.runtimes, self.worker, model, self.stream(), self.fail)
        if not self.arguments.no_start and not self.arguments.limit and model.name == "minilm":
            self.measure_start(model)
        self.results["verdict"] = verdict(self.results)
        self.save()

    # MARK: inputs

    def read_texts(self, checkpoint):
        from tokenizers import BertWordPieceTokenizer
        tokenizer = BertWordPieceTokenizer(os.path.join(checkpoint, "vocab.txt"), lowercase=True)
        own = documentation_sentences()
        texts = own
        if self.arguments.texts:
            with open(self.arguments.texts, encoding="utf-8") as file:
                texts = [line for line in file.read().splitlines() if line.strip()]

        def encode(sentences):
            return [item.ids for item in tokenizer.encode_batch(sentences) if len(item.ids) <= 256]

        self.sentences = encode(texts[:max(DRIFT_TEXTS.values())])
        # Calibration takes every seventh sentence of the documentation.
        self.calibration = encode(own[::7][:CALIBRATION_TEXTS])
        self.tokens = [token for sentence in encode(texts) for token in sentence[1:-1]]
        self.mask = tokenizer.token_to_id("[MASK]")
        self.specials = tokenizer.token_to_id("[CLS]"), tokenizer.token_to_id("[SEP]")

    def stream(self):
        return Stream(self.tokens, *self.specials)

    def checkpoint(self, name, minilm):
        """The folder of a checkpoint; BERT-base's and BERT-large's have generated weights with outlier channels."""
        if name == "minilm":
            return minilm
        makers = [os.path.join(TOOLS, "make", "checkpoint"), os.path.join(TOOLS, "lib", "generated_bert.py")]
        folder = os.path.join(self.cache, name + "-checkpoint")
        done = os.path.join(folder, "config.json")
        if not os.path.exists(done) or os.path.getmtime(done) < max(map(os.path.getmtime, makers)):
            print(f"Making a checkpoint of BERT-{name}'s sizes", file=sys.stderr)
            size, head = (HEADS[name], ["--head", name]) if name in HEADS else (name, [])
            subprocess.run([sys.executable, makers[0], size, folder, "--vocab", os.path.join(minilm, "vocab.txt"), *head],
                           check=True)
        return folder

    # MARK: measuring

    def worker(self, model, runtime, threads):
        """A started worker; what to start it with is in workers.py."""
        if runtime.startswith("bertq"):
            path = model.bertq(self.arguments.programs)
        else:
            path = model.converted(runtime, self.calibration)
        worker = start_worker(runtime, path, threads, self.arguments.programs, self.arguments.limit)
        self.results["versions"][runtime.split("-")[0]] = worker.version
        return worker

    def start_all(self, model, runtimes, threads):
        workers = []
        for runtime in runtimes:
            try:
                workers.append(self.worker(model, runtime, threads))
            except WorkerFailed as error:
                self.fail(f"{runtime} on {model.name}, {threads} threads: {error}")
        return workers

    def measure(self, model, threads, runtimes):
        """Every cell of a model at one number of threads: all workers stay alive and take turns."""
        workers = self.start_all(model, runtimes, threads)
        try:
            for name in CELLS[model.name]:
                if not self.arguments.workloads or name in self.arguments.workloads:
                    self.measure_cell(model, threads, name, list(workers))
        finally:
            for worker in workers:
                worker.close()

    def measure_cell(self, model, threads, name, workers):
        batches, own = ([[asked(model.name, sequence, self.mask) for sequence in batch] for batch in each]
                        for each in batches_of(name, self.stream()))
        work = multiply_adds(model.config, batches)
        rounds, quality = {}, {}
        for worker in list(workers):
            given = own if worker.runtime.startswith("bertq") else batches
            try:
                worker.ask({"set": name, "batches": given, **self.rows(model, given)})
                worker.ask({"run": name, "seconds": 0})
                quality[worker.runtime] = self.check(model, worker, name, given)
                rounds[worker.runtime] = []
            except WorkerFailed as error:
                workers.remove(worker)
                self.fail(f"{worker.runtime} on {model.name} {name}: {error}")
                self.results["cells"].append({"model": model.name, "workload": name, "threads": threads,
                                              "runtime": worker.runtime, "error": "wrong"})
        for _ in range(self.arguments.rounds):
            for worker in list(workers):
                try:
                    answer = worker.ask({"run": name, "seconds": self.arguments.seconds})
                    rounds[worker.runtime].append((float(numpy.median(answer["ms"])), answer.get("ceiling_gmac_s")))
                except WorkerFailed as error:
                    workers.remove(worker)
                    del rounds[worker.runtime]
                    self.fail(f"{worker.runtime} on {model.name} {name}: {error}")
        for worker in workers:
            cell = {"model": model.name, "workload": name, "threads": threads, "runtime": worker.runtime}
            cell.update(statistics(rounds, worker.runtime, work, threads))
            cell.update(quality[worker.runtime])
            self.results["cells"].append(cell)
            print(f"{model.name} {name} {threads}t {worker.runtime}: {report.cell_text(cell)} ms, "
                  f"{cell['sqnr_db']:.1f} dB", file=sys.stderr)

    def rows(self, model, batches):
        """What a head is asked about, where the model has one."""
        if model.name not in HEADS:
            return {}
        return {"rows": [[rows_of(model.name, sequence, self.mask) for sequence in batch] for batch in batches]}

    def outputs(self, worker, name):
        path = os.path.join(self.cache, f"output-{os.getpid()}.f32")
        try:
            answer = worker.ask({"write": name, "file": path})
            return numpy.fromfile(path, "<f4").reshape(answer["tokens"], answer["hidden"])
        finally:
            if os.path.exists(path):
                os.remove(path)

    def check(self, model, worker, name, batches):
        """How far a worker's result is from float32; raises when it is wrong."""
        reference, result = model.expected(batches, self.mask), self.outputs(worker, name)
        if result.shape != reference.shape:
            raise WorkerFailed(f"the result is {result.shape}, expected {reference.shape}")
        quality = {"sqnr_db": float(signal_to_noise(reference, result)),
                   "token_cosine_worst": float(cosines(reference, result).min())}
        floor = FLOORS[precision(worker.runtime)]
        if not quality["sqnr_db"] >= floor:
            raise WorkerFailed(f"wrong result: {quality['sqnr_db']:.1f} dB against float32, at least {floor} expected")
        return quality

    def measure_drift(self, model):
        """Every sentence by itself, each runtime against float32."""
        sentences = self.sentences[:DRIFT_TEXTS[model.name]]
        batches = [[sentence] for sentence in sentences]
        reference = model.expected(batches)
        ends = numpy.cumsum([len(sentence) for sentence in sentences])[:-1]
        for worker in self.start_all(model, [name for name in self.runtimes if precision(name) != "float"], 1):
            try:
                worker.ask({"set": "drift", "batches": batches})
                result = self.outputs(worker, "drift")
                pooled = [numpy.stack([part.mean(0) for part in numpy.split(x, ends)]) for x in (reference, result)]
                sentence = cosines(*pooled)
                self.results["drift"].append({
                    "runtime": worker.runtime, "texts": len(batches),
                    "sqnr_db": float(signal_to_noise(reference, result)), "cosine_mean": float(sentence.mean()),
                    "cosine_worst": float(sentence.min()),
                    "token_cosine_worst": float(cosines(reference, result).min())})
            except WorkerFailed as error:
                self.fail(f"{worker.runtime}, drift: {error}")
            finally:
                worker.close()

    def measure_start(self, model):
        """From starting a process to its first vectors, for one short text."""
        rows = footprint.worker_starts(self.runtimes, self.worker, model, [[self.stream().take(8)]],
                                       max(3, self.arguments.rounds), self.fail)
        if "bertq-int8" in self.runtimes:
            program = os.path.join(self.arguments.deployed, "bert-run")
            try:
                rows.insert(0, footprint.command_start(program, model.bertq(self.arguments.programs)))
            except WorkerFailed as error:
                self.fail(str(error))
        self.results["start"] = rows

    # MARK: results

    def fail(self, message):
        self.failures += 1
        print("error: " + message, file=sys.stderr)

    def save(self):
        if self.arguments.json:
            store.write_json(self.arguments.json, self.runs)
