"""A model in other processes: forked at every moment, pickled, interrupted."""

import multiprocessing
import os
import pickle
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request

import numpy as np
import pytest

import bertq

TEXTS = ["a bird sings", "the old road to the sea", "x", "one two three four five six seven"] * 5


def in_child(work):
    """Runs `work` in a forked child, which a minute ends; gives its exit code."""
    child = os.fork()
    if child == 0:
        code = 1
        try:
            signal.alarm(60)
            code = 0 if work() else 2
        finally:
            os._exit(code)
    return os.waitpid(child, 0)[1]


@pytest.fixture(params=["idle", "used", "busy"])
def state(request):
    return request.param


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("deed", ["encode", "close and open"])
def test_a_forked_child_answers(model_path, state, threads, deed):
    """Opened before fork, and unused, used, or in use by other threads at that moment."""
    model = bertq.Model(model_path, threads=threads)
    expected = bertq.Model(model_path, threads=1).encode(TEXTS).tobytes()
    ending = threading.Event()
    busy = []
    if state == "used":
        model.encode(TEXTS)
    if state == "busy":
        def work():
            while not ending.is_set():
                model.encode(TEXTS)

        busy = [threading.Thread(target=work) for _ in range(2)]
        for thread in busy:
            thread.start()
        time.sleep(0.05)

    def child():
        if deed == "encode":
            return model.encode(TEXTS).tobytes() == expected
        model.close()
        return bertq.Model(model_path, threads=threads).encode(TEXTS).tobytes() == expected

    try:
        for _ in range(12 if state == "busy" else 3):
            assert in_child(child) == 0
    finally:
        ending.set()
        for thread in busy:
            thread.join()
    assert model.encode(TEXTS).tobytes() == expected


def test_a_hundred_and_fifty_forks_under_load_all_answer(model_path):
    model = bertq.Model(model_path, threads=2)
    expected = model.encode(TEXTS).tobytes()
    ending = threading.Event()

    def work():
        while not ending.is_set():
            model.encode(TEXTS)

    busy = [threading.Thread(target=work) for _ in range(2)]
    for thread in busy:
        thread.start()
    try:
        codes = [in_child(lambda: model.encode(TEXTS).tobytes() == expected) for _ in range(150)]
    finally:
        ending.set()
        for thread in busy:
            thread.join()
    assert codes == [0] * 150


def test_a_grandchild_answers(model_path):
    model = bertq.Model(model_path, threads=2)
    expected = model.encode(TEXTS).tobytes()

    def answers():
        return model.encode(TEXTS).tobytes() == expected

    assert in_child(lambda: in_child(answers) == 0 and answers()) == 0


def encode_in_pool(arguments):
    model, texts = arguments
    return model.encode(texts, truncate=True)


@pytest.mark.parametrize("way", ["fork", "spawn", "forkserver"])
def test_a_pool_of_processes_gives_the_same_bits(model, few, way):
    texts, expected = few
    halves = [texts[: len(texts) // 2], texts[len(texts) // 2 :]]
    with multiprocessing.get_context(way).Pool(2) as pool:
        found = pool.map(encode_in_pool, [(model, half) for half in halves])
    assert np.concatenate(found).tobytes() == expected.tobytes()


def test_a_pickled_model_refuses_another_file(model_path, tmp_path):
    path = tmp_path / "m.bertq"
    path.write_bytes(open(model_path, "rb").read())
    pickled = pickle.dumps(bertq.Model(path))
    assert pickle.loads(pickled).fingerprint
    pickled_float = pickle.dumps(bertq.Model(path, precision="float"))
    pickled = pickled_float.replace(
        bertq.Model(path, precision="float").fingerprint.encode(), b"0123456789abcdef")
    with pytest.raises(ValueError, match="another file"):
        pickle.loads(pickled)


INTERRUPTED = """
import os, signal, sys, threading, numpy, bertq
signal.signal(signal.SIGINT, signal.default_int_handler)  # A shell's job in the background ignores it.
model = bertq.Model(sys.argv[1], threads=1)
texts = [f"a bird sings in the old tree by the road {place}" for place in range(200_000)]
out = numpy.zeros([len(texts), model.dimension], numpy.float32)
begun = []

def interrupt(done, of):
    # While the second block is computed, or one behind it.
    if not begun:
        begun.append(threading.Timer(0.3, lambda: os.kill(os.getpid(), signal.SIGINT)))
        begun[0].start()

try:
    model.encode(texts, out=out, progress=interrupt)
    sys.exit("was not interrupted")
except KeyboardInterrupt:
    # The rest was not computed before it was heard.
    assert out[0].any() and not out[-1].any()
    model.encode("still there")
    print("interrupted")
"""


def test_control_c_ends_a_long_call(model_path):
    run = subprocess.run([sys.executable, "-c", INTERRUPTED, model_path], capture_output=True, text=True, timeout=120)
    assert run.stdout == "interrupted\n", run.stderr


LEAVING = """
import sys, threading, time, bertq
model = bertq.Model(sys.argv[1])
threading.Thread(target=lambda: [model.encode(["a bird sings"] * 1000) for _ in range(1000)], daemon=True).start()
time.sleep(0.2)
"""


def test_the_interpreter_ends_while_a_daemon_thread_is_in_a_call(model_path):
    run = subprocess.run([sys.executable, "-c", LEAVING, model_path], capture_output=True, text=True, timeout=60)
    assert (run.returncode, run.stderr) == (0, "")


APPLICATION = """
import os, bertq
model = bertq.Model(os.environ["MODEL"], threads=2)
model.encode("used before the fork")

def application(environment, start):
    start("200 OK", [("X-Process", str(os.getpid()))])
    return [model.encode("a bird sings").tobytes()]
"""


def test_a_server_that_loads_before_it_forks(model_path, model, tmp_path):
    pytest.importorskip("gunicorn")
    (tmp_path / "application.py").write_text(APPLICATION)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = subprocess.Popen(
        [sys.executable, "-m", "gunicorn", "--preload", "--workers", "3", "--bind", f"127.0.0.1:{port}", "application"], cwd=tmp_path,
        env={**os.environ, "MODEL": model_path, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
        stderr=subprocess.DEVNULL)
    try:
        processes, expected = set(), model.encode("a bird sings").tobytes()
        end = time.monotonic() + 120
        while len(processes) < 2 and time.monotonic() < end:
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=60) as answer:
                    processes.add(answer.headers["X-Process"])
                    assert answer.read() == expected
            except urllib.error.URLError:
                time.sleep(0.2)
        assert len(processes) >= 2
    finally:
        server.terminate()
        server.wait()
