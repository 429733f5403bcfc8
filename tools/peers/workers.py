"""Starts workers of the comparison."""
import os
import sys

PEERS = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(PEERS, "..", "lib"))
from limits import LIMIT_FLAGS, LIMITS  # noqa: E402
from measures import processor_flags  # noqa: E402
from worker_process import Worker, WorkerFailed  # noqa: E402


# CTranslate2 takes AVX-512 for its own kernels on one maker's CPUs alone; on others it is 10 to 15 % faster when told to.
WIDE_SWITCHES = {"ctranslate2": {"CT2_FORCE_CPU_ISA": "AVX512"}}
WIDE_FLAGS = {"avx512f", "avx512cd", "avx512bw", "avx512dq", "avx512vl"}


def lacking(limit):
    """What this CPU lacks of a limit."""
    return {LIMIT_FLAGS[limit]} - set(processor_flags())


def switches(family, limit):
    """The environment variables that set the instruction sets of a runtime."""
    if limit:
        return LIMITS[limit][family]
    return WIDE_SWITCHES.get(family, {}) if WIDE_FLAGS <= set(processor_flags()) else {}


def start_worker(runtime, model, threads, programs, limit):
    """Starts a worker on as many cores as it has threads: the last ones, for the first are busier."""
    cores = sorted(os.sched_getaffinity(0))
    if threads > len(cores):
        raise WorkerFailed(f"there are {len(cores)} cores for {threads} threads")
    family, _, kind = runtime.partition("-")
    if family == "bertq":
        command = [os.path.join(programs, "bert-bench"), model, "--worker", "--precision", kind]
    else:
        command = [sys.executable, os.path.join(PEERS, "worker.py"), runtime, model]
    return Worker(runtime, command + ["--threads", str(threads)], cores[-threads:], switches(family, limit))
