"""Clients of every bad kind at once beside good ones, and signals: nothing may crash, leak, or be lost that was taken.

    serve_chaos.py BERT_SERVE MODEL.bertq OTHER.bertq FOLDER [--seconds N] [--load PROGRAM] [--requests N]

OTHER is put in MODEL's place and back while they ask. --load is serve_load, compiled: with it a load follows in which every
answer's bytes are compared, and the memory behind it.
"""
import argparse
import json
import os
import random
import shutil
import signal
import socket
import struct
import subprocess
import threading
import time

from serve_process import Server

HEAD = b"POST /v1/embeddings HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n"
TEXTS = ["A bird sings.", "The old road to the sea", "a", "Where is the house?"]


def sized(body, more=b""):
    return HEAD + more + b"content-length: %d\r\n\r\n" % len(body) + body


def body(draw, count=None):
    texts = [f"{draw.choice(TEXTS)} {draw.randrange(10 ** 6)}" for _ in range(count or draw.randrange(1, 40))]
    return json.dumps({"input": texts, "truncate": True}).encode()


class Chaos:
    def __init__(self, server, seconds):
        self.server, self.end = server, time.monotonic() + seconds
        self.counts, self.wrong, self.lock = {}, [], threading.Lock()
        self.expected = {}

    def note(self, name):
        with self.lock:
            self.counts[name] = self.counts.get(name, 0) + 1

    def connect(self):
        connection = socket.create_connection(("127.0.0.1", self.server.port), timeout=20)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        return connection

    # The good ones: what they get is what they got alone, of one model or the other.
    def good(self, draw):
        texts = draw.choice(list(self.expected))
        status, _, text = self.server.ask("POST", "/v1/embeddings", {"input": list(texts)})
        if status not in (200, 429):
            self.wrong.append((status, text[:200]))
        elif status == 200:
            answer = json.loads(text)
            if answer["data"] != self.expected[texts].get(answer["fingerprint"]):
                self.wrong.append(("other bits", answer["fingerprint"]))

    # The bad ones.
    def reads_nothing(self, draw):
        with self.connect() as connection:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
            connection.sendall(sized(body(draw, 500)))
            time.sleep(draw.random())

    def half_closes(self, draw):
        with self.connect() as connection:
            data = sized(body(draw))
            connection.sendall(data[:draw.randrange(len(data) + 1)])
            connection.shutdown(socket.SHUT_WR)
            connection.recv(100)

    def goes(self, draw):
        with self.connect() as connection:
            data = sized(body(draw, 200))
            connection.sendall(data[:draw.randrange(len(data) + 1)])

    def many_headers(self, draw):
        with self.connect() as connection:
            connection.sendall(b"GET /health HTTP/1.1\r\n" + b"".join(b"h%d: v\r\n" % i for i in range(10000)) + b"\r\n")
            assert connection.recv(100).startswith(b"HTTP/1.1 400 ")

    def gigabyte(self, draw):
        with self.connect() as connection:
            connection.sendall(HEAD + b"content-length: 1000000000\r\n\r\n")
            part, sent, begin = b"x" * 65536, 0, time.monotonic()
            try:
                while sent < 1000000000:
                    connection.sendall(part)
                    sent += len(part)
            except ConnectionError:
                pass
            # It was told 413, and the server lets go only some of what comes then.
            assert sent < 200_000_000 and time.monotonic() - begin < 15, (sent, time.monotonic() - begin)

    def pipelines(self, draw):
        with self.connect() as connection:
            one = sized(json.dumps({"input": "a"}).encode())
            connection.sendall(one * 20 + one.replace(b"host: x", b"host: x\r\nconnection: close"))
            answer = b""
            while part := connection.recv(65536):
                answer += part
            assert answer.count(b"HTTP/1.1 200 ") + answer.count(b"HTTP/1.1 429 ") == 21, answer[:300]

    def continues(self, draw):
        with self.connect() as connection:
            data = json.dumps({"input": "a"}).encode()
            connection.sendall(HEAD + b"expect: 100-continue\r\ncontent-length: %d\r\n\r\n" % len(data))
            assert connection.recv(1000).startswith(b"HTTP/1.1 100 ")
            if draw.random() < 0.5:
                connection.sendall(data)
                assert connection.recv(100).startswith(b"HTTP/1.1 ")

    def no_text(self, draw):
        with self.connect() as connection:
            connection.sendall(sized(b'{"input":"' + draw.randbytes(draw.randrange(1, 200)) + b'\xff"}'))
            assert connection.recv(100).startswith(b"HTTP/1.1 400 ")

    def noise(self, draw):
        with self.connect() as connection:
            connection.sendall(draw.randbytes(draw.randrange(1, 3000)) + b"\r\n\r\n")
            connection.recv(100)

    def run(self, kind, seed):
        draw = random.Random(seed)
        while time.monotonic() < self.end:
            try:
                kind(draw)
                self.note(kind.__name__)
            except (ConnectionError, TimeoutError) as error:
                if kind == self.good:
                    self.wrong.append((type(error).__name__, "a good client's request was lost"))
            except AssertionError as error:
                self.wrong.append((kind.__name__, str(error)[:200]))


def facts(server):
    with open(f"/proc/{server.process.pid}/status", encoding="ascii") as file:
        resident = next(int(line.split()[1]) for line in file if line.startswith("VmRSS:"))
    return resident / 1024, len(os.listdir(f"/proc/{server.process.pid}/fd"))


def chaos(options):
    served = os.path.join(options.folder, "chaos.bertq")
    shutil.copy(options.model, served)
    with Server(options.server, options.folder, served, "--queue-ms", "20000") as server:
        state = Chaos(server, options.seconds)

        def put(model):
            os.replace(shutil.copy(model, served + ".new"), served)
            server.process.send_signal(signal.SIGHUP)

        # What good clients must get, of either model.
        prints = set()
        for model in (options.model, options.other):
            put(model)
            wait = time.monotonic() + 30
            while True:
                answer = json.loads(server.ask("POST", "/v1/embeddings", {"input": "a"})[2])
                if answer["fingerprint"] not in prints:
                    break
                assert time.monotonic() < wait, "no reload"
                time.sleep(0.05)
            prints.add(answer["fingerprint"])
            for texts in (tuple(TEXTS[:n]) for n in range(1, len(TEXTS) + 1)):
                answer = json.loads(server.ask("POST", "/v1/embeddings", {"input": list(texts)})[2])
                state.expected.setdefault(texts, {})[answer["fingerprint"]] = answer["data"]
        before = facts(server)
        kinds = [state.good, state.good, state.reads_nothing, state.half_closes, state.goes, state.many_headers, state.gigabyte,
                 state.pipelines, state.continues, state.no_text, state.noise]
        threads = [threading.Thread(target=state.run, args=(kind, seed)) for seed, kind in enumerate(kinds)]
        for thread in threads:
            thread.start()
        turn = 0
        while time.monotonic() < state.end:
            time.sleep(0.5)
            turn += 1
            put([options.model, options.other][turn % 2])
        for thread in threads:
            thread.join()
        assert server.process.poll() is None, server.text()
        assert not state.wrong, state.wrong[:5]
        # What the bad ones held comes back.
        wait = time.monotonic() + 40
        while True:
            after = facts(server)
            metrics = server.ask("GET", "/metrics")[2].decode()
            if after[1] <= before[1] + 2 and "bertq_held_bytes 0.0" in metrics and "bertq_connections 1.0" in metrics:
                break
            assert time.monotonic() < wait, (before, after, metrics)
            time.sleep(0.2)
        # The end under load: whoever was taken is answered.
        answers = []

        def last():
            try:
                answers.append(server.embed([f"a {n}" for n in range(1500)])[0])
            except ConnectionError as error:
                answers.append(type(error).__name__)
        threads = [threading.Thread(target=last) for _ in range(6)]
        for thread in threads:
            thread.start()
        time.sleep(0.15)
        server.process.send_signal(signal.SIGTERM)
        for thread in threads:
            thread.join()
        assert server.process.wait(40) == 0, server.text()
        assert 200 in answers and set(answers) <= {200, 503, "ConnectionRefusedError", "ConnectionResetError"}, answers
    assert min(state.counts.get(kind.__name__, 0) for kind in kinds) >= 1, state.counts
    counts = ", ".join(f"{name} {count}" for name, count in sorted(state.counts.items()))
    print(f"  passed  chaos of {options.seconds:.0f} s with {turn} reloads ({counts}); memory {before[0]:.0f} to {after[0]:.0f} MB", flush=True)


def load(options):
    """Requests of several kinds, whose answers must have the same bytes each time, and memory that does not grow."""
    draw = random.Random(3)
    files = {}
    for name, count in (("one", 1), ("list", 16)):
        files[name] = os.path.join(options.folder, name)
        with open(files[name], "w", encoding="utf-8") as file:
            for _ in range(200):
                file.write(body(draw, count).decode() + "\n")
    with Server(options.server, options.folder, options.model, "--queue-ms", "0", "--cache-mb", "0") as server:
        done, begin, sizes = 0, time.monotonic(), []
        while done < options.requests:
            run = subprocess.run(
                [options.load, str(server.port), "3", "0", f"name=one,path=/v1/embeddings,bodies={files['one']},connections=8,check=1",
                 f"name=list,path=/v1/embeddings,bodies={files['list']},connections=3,texts=16,check=1"], capture_output=True, text=True)
            assert run.returncode == 0, run.stderr
            for line in run.stdout.splitlines():
                found = json.loads(line)
                assert not found["wrong"] and not found["failed"] and not found["other"] and not found["refused"], found
                done += found["answered"]
            sizes.append(facts(server)[0])
        grown = sizes[-1] - sizes[0]
        assert grown <= 5, sizes
    print(f"  passed  {done} requests in {time.monotonic() - begin:.0f} s, each with the bits of the first; memory {sizes[0]:.1f} MB, "
          f"then {sizes[-1]:.1f}", flush=True)


def main():
    parser = argparse.ArgumentParser()
    for name in ("server", "model", "other", "folder"):
        parser.add_argument(name)
    parser.add_argument("--seconds", type=float, default=8)
    parser.add_argument("--load")
    parser.add_argument("--requests", type=int, default=20000)
    options = parser.parse_args()
    chaos(options)
    if options.load:
        load(options)


main()
