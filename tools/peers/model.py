"""A model of the comparison: its checkpoint, what it is converted to for each runtime, and its float32 reference."""
import hashlib
import json
import os
import subprocess
import sys

import numpy

PEERS = os.path.dirname(os.path.abspath(__file__))
TOOLS = os.path.dirname(PEERS)
sys.path[:0] = [PEERS, os.path.join(TOOLS, "lib")]
from checkpoint_files import load_checkpoint  # noqa: E402
from reference_bert import ReferenceBert  # noqa: E402
from workers import WorkerFailed  # noqa: E402
from workloads import HEADS, rows_of  # noqa: E402


class Model:
    """A checkpoint, its conversions and its float32 reference."""

    def __init__(self, name, folder, cache):
        self.name, self.folder, self.cache = name, folder, os.path.join(cache, name)
        self.config, tensors = load_checkpoint(folder)
        self.reference, self.known = ReferenceBert(self.config, tensors, numpy.float32), {}
        os.makedirs(self.cache, exist_ok=True)

    def expected(self, batches, mask=None):
        """The last hidden state of all tokens, [tokens, hidden], or what the model's head makes of those it is asked about."""
        sequences = [tuple(sequence) for batch in batches for sequence in batch]
        missing = sorted({sequence for sequence in sequences if sequence not in self.known})
        if missing:
            self.known.update(zip(missing, self.computed(missing)))
        return numpy.concatenate([self.scores(self.known[sequence], sequence, mask) for sequence in sequences])

    def scores(self, states, sequence, mask):
        if self.name == "rerank":
            return self.reference.classify(states)[None]
        return self.reference.words(states[rows_of(self.name, sequence, mask)]) if self.name in HEADS else states

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
        for name in ("convert.py", "gguf_file.py", "onnx_graph.py", "requirements.txt"):
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
