"""The coordinator of tools/compare-peers: prepares models, lets workers take turns, checks and collects."""
import glob
import hashlib
import json
import os
import re
import subprocess
import sys
import time

import numpy

PEERS = os.path.dirname(os.path.abspath(__file__))
TOOLS = os.path.dirname(PEERS)
ROOT = os.path.dirname(TOOLS)
sys.path[:0] = [PEERS, TOOLS, os.path.join(TOOLS, "lib")]
import report  # noqa: E402
from checkpoint_files import load_checkpoint  # noqa: E402
from convert import CONVERTERS  # noqa: E402
from reference_bert import ReferenceBert  # noqa: E402
from workers import AVX2_SWITCHES, WorkerFailed, start_worker  # noqa: E402
from workloads import CELLS, RAGGED, Stream, batches_of, multiply_adds  # noqa: E402

# The least SQNR in dB of a result that counts: far under what each precision gives, far over what a mistake gives.
FLOORS = {"int8": 8, "bf16": 30, "float": 80}
# Compared with each other in turn: the runtimes of one precision.
GROUPS = {"int8": ["int8"], "float": ["float", "bf16"]}
DRIFT_TEXTS, CALIBRATION_TEXTS = 640, 200


def precision(runtime):
    return next(kind for kind in FLOORS if kind in runtime)


def documentation_sentences():
    """Sentences of the project's own documentation, the text that is always at hand."""
    text = []
    for path in sorted(glob.glob(os.path.join(ROOT, "*.md")) + glob.glob(os.path.join(ROOT, "*", "*.md"))):
        with open(path, encoding="utf-8") as file:
            text.append(re.sub(r"```.*?```|^\|.*$|^#.*$", " ", file.read(), flags=re.S | re.M))
    for path in sorted(glob.glob(os.path.join(ROOT, "Sources", "*", "*.swift"))):
        with open(path, encoding="utf-8") as file:
            text.append(" ".join(re.findall(r"^ *///? (.*)$", file.read(), flags=re.M)))
    joined = re.sub(r"[`*]|\s+", " ", " ".join(text))
    return [part.strip() for part in re.split(r"(?<=[.!?]) +(?=[A-Z])", joined) if 20 < len(part.strip()) < 400]


def signal_to_noise(reference, result):
    noise = float(((result - reference) ** 2).sum(dtype=numpy.float64))
    return 10 * numpy.log10(float((reference ** 2).sum(dtype=numpy.float64)) / max(noise, 1e-30))


def cosines(a, b):
    return (a * b).sum(-1) / numpy.sqrt((a * a).sum(-1) * (b * b).sum(-1))


class Model:
    """A checkpoint, its conversions and its float32 reference."""

    def __init__(self, name, folder, cache):
        self.name, self.folder, self.cache = name, folder, os.path.join(cache, name)
        self.config, tensors = load_checkpoint(folder)
        self.reference, self.known = ReferenceBert(self.config, tensors, numpy.float32), {}
        os.makedirs(self.cache, exist_ok=True)

    def expected(self, batches):
        """The last hidden state of all tokens, [tokens, hidden]."""
        sequences = [tuple(sequence) for batch in batches for sequence in batch]
        missing = sorted({sequence for sequence in sequences if sequence not in self.known})
        if missing:
            self.known.update(zip(missing, self.computed(missing)))
        return numpy.concatenate([self.known[sequence] for sequence in sequences])

    def computed(self, sequences):
        """The reference's last hidden state of each sequence; kept on disk, for it takes longer than what it judges."""
        weights = os.stat(os.path.join(self.folder, "model.safetensors"))
        key = json.dumps([weights.st_size, weights.st_mtime_ns, sequences]).encode()
        path = os.path.join(self.cache, f"reference-{hashlib.sha256(key).hexdigest()[:16]}.npy")
        if os.path.exists(path):
            return numpy.split(numpy.load(path), numpy.cumsum([len(sequence) for sequence in sequences])[:-1])
        print(f"Computing the float32 reference of {len(sequences)} sequences", file=sys.stderr)
        states = [self.reference.encode(sequence)[-1] for sequence in sequences]
        numpy.save(path + ".partial.npy", numpy.concatenate(states))
        os.rename(path + ".partial.npy", path)
        return states

    def converted(self, runtime, calibration):
        """The folder of the model for a peer, converted when it is not there or the converter has changed."""
        digest = hashlib.sha256(json.dumps(calibration if "static" in runtime else None).encode())
        for name in ("convert.py", "onnx_graph.py", "requirements.txt"):
            with open(os.path.join(PEERS, name), "rb") as file:
                digest.update(file.read())
        folder = os.path.join(self.cache, f"{runtime}-{digest.hexdigest()[:12]}")
        if not os.path.isdir(folder):
            print(f"Converting {self.name} for {runtime}", file=sys.stderr)
            sample = os.path.join(self.cache, "calibration.json")
            with open(sample, "w", encoding="utf-8") as file:
                json.dump(calibration, file)
            done = subprocess.run([sys.executable, os.path.join(PEERS, "convert.py"), runtime, self.folder, folder,
                                   "--calibration", sample], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
            if done.returncode != 0:
                raise WorkerFailed(f"{runtime} could not convert {self.name}:\n{done.stdout[-3000:]}")
        return folder

    def bertq(self, programs):
        """The .bertq file, converted when it is not there or bert-convert is newer."""
        path, program = os.path.join(self.cache, "model.bertq"), os.path.join(programs, "bert-convert")
        if not os.path.exists(path) or os.path.getmtime(path) < os.path.getmtime(program):
            print(f"Converting {self.name} for bertq", file=sys.stderr)
            subprocess.run([program, self.folder, path], check=True, stdout=sys.stderr)
        return path


class Comparison:
    """One run of the tool."""

    def __init__(self, arguments, cache):
        self.arguments, self.cache = arguments, cache
        self.failures, self.results = 0, {"cpu": processor_name(), "rounds": arguments.rounds, "versions": {},
                                          "cells": [], "drift": [], "start": []}
        peers = [name for name in CONVERTERS if name != "openvino-bf16" or "avx512_bf16" in processor_flags()]
        runtimes = ["bertq-int8", "bertq-float"] + peers
        if arguments.runtimes:
            unknown = set(arguments.runtimes) - set(runtimes)
            if unknown:
                sys.exit(f"error: no runtime here is called {', '.join(sorted(unknown))}; there are {', '.join(runtimes)}")
            runtimes = [name for name in runtimes if name in arguments.runtimes]
        if arguments.avx2:
            runtimes = [name for name in runtimes if name.split("-")[0] in AVX2_SWITCHES and "bf16" not in name]
        self.runtimes = runtimes

    def run(self):
        checkpoint = subprocess.run([os.path.join(TOOLS, "fetch-model")], check=True, stdout=subprocess.PIPE,
                                    text=True).stdout.strip()
        self.read_texts(checkpoint)
        for name in self.arguments.models:
            model = Model(name, self.checkpoint(name, checkpoint), self.cache)
            for threads in self.arguments.threads:
                for group in GROUPS.values():
                    members = [runtime for runtime in self.runtimes if precision(runtime) in group]
                    self.measure(model, threads, members)
                    self.save()
            if name == "minilm":
                self.measure_drift(model)
                self.measure_start(model)
            self.save()
        if self.arguments.write:
            report.put_between_markers(os.path.join(ROOT, "README.md"), report.summary(self.results))
            report.put_between_markers(os.path.join(ROOT, "docs", "performance.md"), report.performance(self.results))
        print(report.performance(self.results))
        return 1 if self.failures else 0

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

        self.sentences = encode(texts[:DRIFT_TEXTS])
        # Calibration takes every seventh sentence of the documentation.
        self.calibration = encode(own[::7][:CALIBRATION_TEXTS])
        self.tokens = [token for sentence in encode(texts) for token in sentence[1:-1]]
        self.specials = tokenizer.token_to_id("[CLS]"), tokenizer.token_to_id("[SEP]")

    def checkpoint(self, name, minilm):
        """The folder of a checkpoint; BERT-base's and BERT-large's have generated weights with outlier channels."""
        if name == "minilm":
            return minilm
        makers = [os.path.join(TOOLS, "make-checkpoint.py"), os.path.join(TOOLS, "lib", "generated_bert.py")]
        folder = os.path.join(self.cache, name + "-checkpoint")
        done = os.path.join(folder, "config.json")
        if not os.path.exists(done) or os.path.getmtime(done) < max(map(os.path.getmtime, makers)):
            print(f"Making a checkpoint of BERT-{name}'s sizes", file=sys.stderr)
            subprocess.run([sys.executable, makers[0], name, folder, "--vocab", os.path.join(minilm, "vocab.txt")],
                           check=True)
        return folder

    # MARK: measuring

    def worker(self, model, runtime, threads):
        """A started worker; what to start it with is in workers.py."""
        if runtime.startswith("bertq"):
            path = model.bertq(self.arguments.programs)
        else:
            path = model.converted(runtime, self.calibration)
        worker = start_worker(runtime, path, threads, self.arguments.programs, self.arguments.avx2)
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
        batches, own = batches_of(name, Stream(self.tokens, *self.specials))
        work = multiply_adds(model.config, batches)
        rounds, quality = {}, {}
        for worker in list(workers):
            given = own if worker.runtime.startswith("bertq") else batches
            try:
                worker.ask({"set": name, "batches": given})
                worker.ask({"run": name, "seconds": 0})
                quality[worker.runtime] = self.check(model, worker, name, given)
                rounds[worker.runtime] = []
            except WorkerFailed as error:
                workers.remove(worker)
                self.fail(f"{worker.runtime} on {model.name} {name}: {error}")
                self.results["cells"].append({"model": model.name, "workload": name, "threads": threads,
                                              "runtime": worker.runtime, "error": "wrong"})
        for _ in range(self.arguments.rounds):
            for worker in workers:
                answer = worker.ask({"run": name, "seconds": self.arguments.seconds})
                rounds[worker.runtime].append((float(numpy.median(answer["ms"])), answer.get("ceiling_gmac_s")))
        for worker in workers:
            cell = {"model": model.name, "workload": name, "threads": threads, "runtime": worker.runtime}
            cell.update(statistics(rounds, worker.runtime, work, threads))
            cell.update(quality[worker.runtime], peak_rss_mb=worker.peak_memory())
            self.results["cells"].append(cell)
            print(f"{model.name} {name} {threads}t {worker.runtime}: {report.cell_text(cell)} ms, "
                  f"{cell['sqnr_db']:.1f} dB", file=sys.stderr)

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
        reference, result = model.expected(batches), self.outputs(worker, name)
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
        if self.arguments.no_drift:
            return
        batches = [[sentence] for sentence in self.sentences]
        reference = model.expected(batches)
        ends = numpy.cumsum([len(sentence) for sentence in self.sentences])[:-1]
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
        if self.arguments.no_start:
            return
        batches = [[Stream(self.tokens, *self.specials).take(8)]]
        times = {runtime: [] for runtime in self.runtimes}
        for _ in range(max(3, self.arguments.rounds)):
            for runtime in list(times):
                try:
                    begin = time.perf_counter()
                    worker = self.worker(model, runtime, 1)
                    worker.ask({"set": "start", "batches": batches})
                    worker.ask({"run": "start", "seconds": 0})
                    times[runtime].append((time.perf_counter() - begin) * 1e3)
                    worker.close()
                except WorkerFailed as error:
                    del times[runtime]
                    self.fail(f"{runtime}, start: {error}")
        self.results["start"] = [{"runtime": runtime, "ms_median": float(numpy.median(list_of))}
                                 for runtime, list_of in times.items()]

    # MARK: results

    def fail(self, message):
        self.failures += 1
        print("error: " + message, file=sys.stderr)

    def save(self):
        if self.arguments.json:
            with open(self.arguments.json + ".partial", "w", encoding="utf-8") as file:
                json.dump(self.results, file, indent=1)
                file.write("\n")
            os.rename(self.arguments.json + ".partial", self.arguments.json)


def statistics(rounds, runtime, work, threads):
    """The numbers of one cell, from [(median ms of a turn, ceiling seen)] of each round, for every runtime."""
    mine = numpy.array([milliseconds for milliseconds, _ in rounds[runtime]])
    ours = next((name for name in rounds if name.startswith("bertq")), None)
    cell = {"ms_median": float(numpy.median(mine)), "ms_best": float(mine.min()), "ms_worst": float(mine.max()),
            "ms_rounds": [round(float(value), 4) for value in mine], "gmac_s": work / float(numpy.median(mine)) / 1e6}
    if ours:
        cell["times_bertq"] = float(numpy.median(mine / numpy.array([value for value, _ in rounds[ours]])))
        # One round's ceiling stands for all turns of the round.
        ceilings = numpy.array([ceiling or numpy.nan for _, ceiling in rounds[ours]])
        shares = work / mine / 1e6 / (threads * ceilings)
        if numpy.isfinite(shares).any():
            cell["ceiling_fraction"] = float(numpy.nanmedian(shares))
    return cell


def processor_flags():
    with open("/proc/cpuinfo", encoding="utf-8") as file:
        return next((line.split(":")[1].split() for line in file if line.startswith(("flags", "Features"))), [])


def processor_name():
    with open("/proc/cpuinfo", encoding="utf-8") as file:
        name = next((line.split(":")[1].strip() for line in file if line.startswith("model name")), "an unnamed CPU")
    kinds = [kind for kind in ("avx2", "avx512_vnni", "avx512_bf16", "amx_int8") if kind in processor_flags()]
    return name + (f" ({', '.join(kinds)})" if kinds else "")
