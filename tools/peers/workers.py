"""Starts workers and speaks the protocol with them; README.md beside this file describes it."""
import json
import os
import subprocess
import sys

from measures import processor_flags

PEERS = os.path.dirname(os.path.abspath(__file__))


class WorkerFailed(Exception):
    """A worker ended, or answered that it could not do what was asked, or answered wrongly."""


# What limits each runtime to AVX2. ONNX Runtime has no such switch: it asks the CPU; llama.cpp is built for one. They are left
# out of that comparison. OpenVINO asks the CPU too whether int8 activations made at run time are worth it, which they are not
# without VNNI: told otherwise, it finds no kernel and answers nothing.
AVX2_SWITCHES = {
    "bertq": {"BERTQ_KERNELS": "avx2"},
    "ctranslate2": {"CT2_FORCE_CPU_ISA": "AVX2", "ONEDNN_MAX_CPU_ISA": "AVX2"},
    "openvino": {"ONEDNN_MAX_CPU_ISA": "AVX2", "BERTQ_OPENVINO_GROUP": "0"},
}
# CTranslate2 takes AVX-512 for its own kernels on one maker's CPUs alone; on others it is 10 to 15 % faster when told to.
WIDE_SWITCHES = {"ctranslate2": {"CT2_FORCE_CPU_ISA": "AVX512"}}
WIDE_FLAGS = {"avx512f", "avx512cd", "avx512bw", "avx512dq", "avx512vl"}


def switches(family, avx2):
    """The environment variables that set the instruction sets of a runtime."""
    if avx2:
        return AVX2_SWITCHES[family]
    return WIDE_SWITCHES.get(family, {}) if WIDE_FLAGS <= set(processor_flags()) else {}


class Worker:
    """A running worker process."""

    def __init__(self, runtime, command, cores, variables):
        self.runtime = runtime
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
            env=dict(os.environ, **variables), preexec_fn=lambda: os.sched_setaffinity(0, cores))
        self.version = self.answer().get("version", "")

    def answer(self):
        line = self.process.stdout.readline()
        if not line:
            raise WorkerFailed(f"it ended with code {self.process.wait()}")
        answer = json.loads(line)
        if "error" in answer:
            raise WorkerFailed(answer["error"])
        return answer

    def ask(self, command):
        try:
            self.process.stdin.write(json.dumps(command) + "\n")
            self.process.stdin.flush()
        except BrokenPipeError:
            raise WorkerFailed(f"it ended with code {self.process.wait()}") from None
        return self.answer()

    def memory(self):
        """(the most memory it has had resident so far, what is resident now of pages of files), in MB."""
        with open(f"/proc/{self.process.pid}/status", encoding="utf-8") as file:
            values = dict(line.split(":") for line in file)
        return tuple(int(values[name].split()[0]) / 1024 for name in ("VmHWM", "RssFile"))

    def close(self):
        self.process.stdin.close()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process.stdout.close()


def start_worker(runtime, model, threads, programs, avx2):
    """Starts a worker on as many cores as it has threads: the last ones, for the first are busier."""
    cores = sorted(os.sched_getaffinity(0))
    if threads > len(cores):
        raise WorkerFailed(f"there are {len(cores)} cores for {threads} threads")
    family, _, kind = runtime.partition("-")
    if family == "bertq":
        command = [os.path.join(programs, "bert-bench"), model, "--worker", "--precision", kind]
    else:
        command = [sys.executable, os.path.join(PEERS, "worker.py"), runtime, model]
    return Worker(runtime, command + ["--threads", str(threads)], cores[-threads:], switches(family, avx2))
