"""Starts workers of the comparison."""
import os
import sys

PEERS = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(PEERS, "..", "lib"))
from measures import processor_flags  # noqa: E402
from worker_process import Worker, WorkerFailed  # noqa: E402


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
