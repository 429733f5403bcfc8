"""What a runtime takes besides time at work: memory, and the time of its start. Each figure is of fresh processes."""
import os
import time

import numpy

from workers import WorkerFailed
from workloads import CELLS, batches_of

# One command line is short against the jitter of starting a process.
COMMAND_STARTS = 20
TEXT = "a short text"


def memory(runtimes, start, model, stream, fail):
    """The most memory each runtime had resident while it computed the model's largest cell, once, on one thread.

    `mapped` is the resident part that is pages of files: of programs, and of weights where a runtime maps them, in so far as
    they were touched. Such pages are shared by all processes and are the system's to drop. What remains was allocated.
    """
    name = [cell for cell in CELLS[model.name] if not cell.startswith("ragged")][-1]
    batches, _ = batches_of(name, stream)
    rows = []
    for runtime in runtimes:
        try:
            worker = start(model, runtime, 1)
            worker.ask({"set": name, "batches": batches})
            worker.ask({"run": name, "seconds": 0})
            memory = worker.memory()
            worker.close()
            rows.append({"runtime": runtime, "workload": name, "peak_mb": memory["VmHWM"], "mapped_mb": memory["RssFile"]})
        except WorkerFailed as error:
            fail(f"{runtime} on {model.name}, memory: {error}")
    return rows


def worker_starts(runtimes, start, model, batches, rounds, fail):
    """From starting a worker to its first vectors, for one short text: loading the runtime and the model, and computing."""
    times = {runtime: [] for runtime in runtimes}
    for _ in range(rounds):
        for runtime in list(times):
            try:
                begin = time.perf_counter()
                worker = start(model, runtime, 1)
                worker.ask({"set": "start", "batches": batches})
                worker.ask({"run": "start", "seconds": 0})
                times[runtime].append((time.perf_counter() - begin) * 1e3)
                worker.close()
            except WorkerFailed as error:
                del times[runtime]
                fail(f"{runtime}, start: {error}")
    return [{"runtime": runtime, "ms_median": float(numpy.median(taken)), "runs": rounds}
            for runtime, taken in times.items()]


def command_start(program, path):
    """From starting `bert-run` for one short text to its end, its file in the page cache, on one core.

    posix_spawn shares this process's memory until the program runs, so this process's size costs nothing.
    """
    command = [program, "--int8", path, TEXT]
    cores = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {max(cores)})
    quiet = [(os.POSIX_SPAWN_OPEN, descriptor, os.devnull, os.O_WRONLY, 0) for descriptor in (1, 2)]
    times = []
    try:
        for _ in range(COMMAND_STARTS + 1):
            begin = time.perf_counter()
            _, status = os.waitpid(os.posix_spawn(program, command, os.environ, file_actions=quiet), 0)
            times.append((time.perf_counter() - begin) * 1e3)
            if status != 0:
                raise WorkerFailed(f"{program} ended with code {os.waitstatus_to_exitcode(status)}")
    finally:
        os.sched_setaffinity(0, cores)
    # The first brings the file and the program into the page cache.
    return {"runtime": "bert-run", "ms_median": float(numpy.median(times[1:])), "runs": COMMAND_STARTS}
