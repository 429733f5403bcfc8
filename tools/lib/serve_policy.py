"""Starts bert-serve and shows what it does when clients are hostile, too many, strange or gone.

    serve_policy.py BERT_SERVE MODEL.bertq OTHER.bertq SLOW.bertq FOLDER

SLOW is one that some hundred texts keep busy for a while.
"""
import concurrent.futures
import email.utils
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time

import serve_process

SERVER, MODEL, OTHER, SLOW, FOLDER = sys.argv[1:6]


def Server(*options, model=MODEL, environment=None):
    return serve_process.Server(SERVER, FOLDER, model, *options, environment=environment)


def many(n, start=0):
    """Texts that no cache knows."""
    return [f"the old road {start + i} to the sea {i * 7 + start}" for i in range(n)]


def keys_and_origins():
    keys = os.path.join(FOLDER, "keys")
    with open(keys, "w") as file:
        file.write("# ours\nfirst\n  second \n")
    with Server("--api-key-file", keys, "--cors-origin", "https://a.example") as server:
        for header, status in ((None, 401), ("Bearer third", 401), ("Bearer first", 200), ("Bearer second", 200)):
            answer = server.embed("a", {"authorization": header} if header else {})
            assert answer[0] == status, (header, answer)
            assert status == 200 or answer[1]["www-authenticate"] == "Bearer"
        for path in ("/health", "/health/ready", "/metrics", "/"):
            assert server.ask("GET", path)[0] == 200, path
        for path in ("/info", "/v1/models"):
            assert server.ask("GET", path)[0] == 401, path
        with open(keys, "w") as file:
            file.write("third\n")
        server.process.send_signal(signal.SIGHUP)
        for _ in range(100):
            if server.embed("a", {"authorization": "Bearer third"})[0] == 200:
                break
            time.sleep(0.05)
        assert server.embed("a", {"authorization": "Bearer first"})[0] == 401
        asked = {"access-control-request-method": "POST"}
        status, headers, _ = server.ask("OPTIONS", "/embed", None, {"origin": "https://a.example", **asked})
        assert status == 204 and headers["access-control-allow-origin"] == "https://a.example", headers
        assert "authorization" in headers["access-control-allow-headers"]
        status, headers, _ = server.ask("OPTIONS", "/embed", None, {"origin": "https://b.example", **asked})
        assert status == 405 and "access-control-allow-origin" not in headers
    refused = subprocess.run([SERVER, MODEL, "--host", "0.0.0.0", "--port", "0"], capture_output=True, text=True)
    assert refused.returncode == 64 and "--api-key-file" in refused.stderr, refused


def options_of_the_environment():
    environment = {"BERTQ_MAX_INPUTS": "2", "BERTQ_STRICT_MODEL": "1", "BERTQ_ACCESS_LOG": "1"}
    with Server(model="name=" + MODEL, environment=environment) as server:
        assert server.embed(["a"] * 3)[0] == 413
        assert server.ask("POST", "/embed", {"inputs": "a", "model": "other"})[0] == 404
        trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
        named = {"x-request-id": "mine", "traceparent": trace}
        answer = server.ask("POST", "/embed", {"inputs": "a", "model": "name"}, named)
        assert answer[0] == 200 and answer[1]["x-request-id"] == "mine"
        strange = server.ask("GET", "/health", None, {"x-request-id": "a b\"c"})[1]["x-request-id"]
        assert len(strange) == 16, strange
        lines = [json.loads(line) for line in server.text().splitlines()]
        line = next(line for line in lines if line.get("request_id") == "mine")
        assert line["trace_id"] == trace[3:35] and line["status"] == "200" and int(line["tokens"]) > 0, line
    wrong = subprocess.run([SERVER, MODEL], capture_output=True, text=True, env={**os.environ, "BERTQ_PORT": "x"})
    assert wrong.returncode == 64 and "BERTQ_PORT" in wrong.stderr, wrong
    with Server() as server:
        for options, code, words in ((["--port", str(server.port)], 71, "another --port"),
                                     (["--host", "nowhere.invalid", "--no-auth"], 64, "nowhere.invalid"),
                                     (["--host", "203.0.113.5", "--no-auth", "--port", "0"], 71, "another --host")):
            wrong = subprocess.run([SERVER, MODEL, *options], capture_output=True, text=True)
            last = wrong.stderr.splitlines()[-1]
            assert wrong.returncode == code and last.startswith("error: ") and words in last, wrong


def several_models():
    with Server(model=["a=" + MODEL, "b=" + OTHER]) as server:
        names = [item["id"] for item in json.loads(server.ask("GET", "/v1/models")[2])["data"]]
        assert names == ["a", "b"]
        answers = [json.loads(server.ask("POST", "/v1/embeddings", {"input": "a bird", "model": name})[2])
                   for name in names]
        assert [answer["model"] for answer in answers] == names
        assert answers[0]["fingerprint"] != answers[1]["fingerprint"]
        assert answers[0]["data"] != answers[1]["data"]
        assert server.embed("a")[0] == 400
        status, _, text = server.ask("POST", "/v1/embeddings", {"input": "a", "model": "c"})
        assert status == 404 and b"'a', 'b'" in text


def overload():
    """Too much work is refused with a time to come again, and no answer is wrong."""
    with Server("--queue-ms", "1", "--cache-mb", "0", model=SLOW) as server:
        alone = json.loads(server.embed(many(4))[2])["data"]
        with concurrent.futures.ThreadPoolExecutor(16) as pool:
            answers = list(pool.map(lambda n: server.embed(many(4) + many(200, n * 1000)), range(32)))
        statuses = [answer[0] for answer in answers]
        assert set(statuses) == {200, 429}, statuses
        for status, headers, text in answers:
            if status == 429:
                assert int(headers["retry-after"]) >= 1 and int(headers["retry-after-ms"]) >= 1
                assert json.loads(text)["error"]["code"] == "overloaded"
            else:
                assert json.loads(text)["data"][:4] == alone
        assert server.embed("a")[0] == 200
        assert server.embed(many(2000), {"x-request-timeout-ms": "1"})[0] == 504
        assert server.embed("a", {"x-request-timeout-ms": "soon"})[0] == 400
        assert server.embed(many(2000), {"x-stainless-read-timeout": "0.001"})[0] == 504
        # Making tokens takes its time too.
        long = [text * 8 for text in many(2000)]
        assert server.ask("POST", "/tokenize", {"inputs": long}, {"x-request-timeout-ms": "1"})[0] == 504
        metrics = server.ask("GET", "/metrics")[2].decode()
        assert 'bertq_refused_total{reason="overloaded"}' in metrics
        assert 'bertq_refused_total{reason="deadline_exceeded"} 3' in metrics


def kept_answers():
    with Server() as server:
        first, again = server.embed(many(50)), server.embed(many(50))
        assert first[2] == again[2]
        metrics = server.ask("GET", "/metrics")[2].decode()
        name = os.path.basename(MODEL).removesuffix(".bertq")
        assert f'bertq_cache_hits_total{{model="{name}"}} 50.0' in metrics, metrics


def times():
    """What an answer says of how it was made: times in whole milliseconds, and as many characters and tokens as were sent."""
    with Server("--queue-ms", "0", model=SLOW) as server:
        texts = ["caf\u00e9 \u65e5\u672c"] + many(30)
        for hits in (0, len(texts)):
            begin = time.monotonic()
            status, headers, _ = server.ask("POST", "/embed", {"inputs": texts})
            passed = (time.monotonic() - begin) * 1000
            assert status == 200 and headers["x-bertq-cache"] == f"hits={hits};misses={len(texts) - hits}", headers
            assert int(headers["x-compute-characters"]) == sum(map(len, texts)), headers
            tokens = json.loads(server.ask("POST", "/v1/embeddings", {"input": texts})[2])["usage"]["prompt_tokens"]
            assert int(headers["x-compute-tokens"]) == tokens, (headers, tokens)
            parts = [int(headers[f"x-{name}-time"]) for name in ("tokenization", "queue", "inference")]
            total = int(headers["x-total-time"])
            assert sum(parts) <= total <= passed and headers["x-compute-time"] == headers["x-total-time"], headers
            assert (parts[2] > 0) == (hits == 0), headers
        assert "x-total-time" not in server.ask("POST", "/tokenize", {"inputs": texts})[1]
        # What comes behind a long job waits, and says so.
        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            job = pool.submit(server.embed, many(2000, 9000))
            server.until("bertq_waiting_texts", least=1000)
            status, headers, _ = server.embed(many(200, 5000), {"x-bertq-priority": "bulk"})
            assert status == 200 and int(headers["x-queue-time"]) > 0, headers
            assert job.result()[0] == 200
        # Half of another is let go with its client.
        with socket.create_connection(("127.0.0.1", server.port)) as gone:
            body = json.dumps({"inputs": many(2000, 20_000)}).encode()
            gone.sendall(b"POST /embed HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n"
                         b"content-length: %d\r\n\r\n" % len(body) + body)
            server.until("bertq_waiting_texts", least=1000)
        server.until("bertq_cancelled_texts_total", 'reason="closed"', least=1)
        assert server.value("bertq_cancelled_texts_total", 'reason="deadline_exceeded"') == 0
        before = server.value("bertq_queue_seconds_count")
        assert server.embed("a text that waits for nobody")[0] == 200
        assert server.value("bertq_queue_seconds_count") == before + 1
        assert server.value("bertq_queue_seconds_count", 'flow="bulk"') >= 2
        assert server.value("bertq_tokens_total", 'flow="bulk"') > tokens


def one_after_the_other():
    """Requests on one connection are answered in their order, whether they are taken or refused, read whole or not."""
    body = b'{"inputs":"a bird"}'
    refused = b"POST /nowhere HTTP/1.1\r\nhost: x\r\ncontent-length: 100000\r\n\r\n" + b"x" * 100_000
    taken = b"POST /embed HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n" % len(body) + body
    last = b"GET /health HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n"
    with Server() as server:
        answers = server.raw(refused + taken + refused + taken + last)
        assert re.findall(rb"HTTP/1.1 (\d+) ", answers) == [b"404", b"200", b"404", b"200", b"200"], answers
        for path in (b"/nowhere", b"/health"):
            asked = b"".join(b"GET %s HTTP/1.1\r\nhost: x\r\nx-request-id: n%d\r\n\r\n" % (path, n) for n in range(20_000))
            names = [line[14:] for line in server.raw(asked + last).split(b"\r\n") if line.startswith(b"x-request-id: n")]
            assert names == [b"n%d" % n for n in range(20_000)], (len(names), names[:3])
        old = b"GET /health HTTP/1.0\r\n%s\r\n"
        assert server.raw(old % b"" + old % b"").count(b"HTTP/1.1 200 ") == 1
        assert server.raw(old % b"connection: keep-alive\r\n" + old % b"").count(b"HTTP/1.1 200 ") == 2
        date = email.utils.parsedate_to_datetime(server.ask("GET", "/health")[1]["date"])
        assert abs(date.timestamp() - time.time()) < 5, date
        begin = time.monotonic()
        # One that sends nothing any more is taken to be gone: its connection is not kept.
        assert server.raw(last.replace(b"connection: close", b"a: b"), half_close=True).count(b"HTTP/1.1 200 ") <= 1
        assert server.raw(b"", half_close=True) == b"" and time.monotonic() - begin < 5
        head = server.raw(last.replace(b"GET", b"HEAD"))
        assert b"content-length: 15" in head and head.endswith(b"\r\n\r\n"), head


def hostile_clients():
    body = b'{"inputs":"a"}'
    head = b"POST /embed HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n"
    sized = head + b"content-length: %d\r\n" % len(body)
    with Server("--max-body-mb", "1") as server:
        first = None
        with socket.create_connection(("127.0.0.1", server.port), timeout=30) as connection:
            connection.sendall(sized + b"expect: 100-continue\r\nconnection: close\r\n\r\n")
            first = connection.recv(1000)
            connection.sendall(body)
            assert first.startswith(b"HTTP/1.1 100 ") and connection.recv(1000).startswith(b"HTTP/1.1 200 ")
        with socket.create_connection(("127.0.0.1", server.port), timeout=30) as connection:
            connection.sendall(sized.replace(b"/embed", b"/nowhere") + b"expect: 100-continue\r\n\r\n")
            answer = b""
            while part := connection.recv(1000):
                answer += part
            assert answer.startswith(b"HTTP/1.1 404 ") and b"connection: close" in answer, answer
        assert server.raw((sized + b"\r\n" + body) * 49 + sized + b"connection: close\r\n\r\n" + body).count(
            b"HTTP/1.1 200 ") == 50
        huge = [head + b"content-length: 1000000000\r\n\r\n" + b"x" * 5_000_000,
                head + b"transfer-encoding: chunked\r\n\r\n" + (b"10000\r\n" + b"x" * 65536 + b"\r\n") * 80]
        for data in huge:
            assert server.raw(data).startswith(b"HTTP/1.1 413 "), data[:100]
        # What is refused by its path is not read to its end either.
        with socket.create_connection(("127.0.0.1", server.port), timeout=30) as connection:
            connection.sendall(b"POST /nowhere HTTP/1.1\r\nhost: x\r\ncontent-length: 1000000000\r\n\r\n")
            sent = 0
            try:
                while sent < 1000000000:
                    connection.sendall(b"x" * 65536)
                    sent += 65536
            except ConnectionError:
                pass
            assert sent < 200_000_000, sent
        for data in (b"GET /health HTTP/1.1\r\n" + b"".join(b"h%d: v\r\n" % i for i in range(10000)) + b"\r\n",
                     b"\x16\x03\x01 no HTTP\r\n\r\n", b"GET /health HTTP/1.1\r\nh: " + b"v" * 100_000 + b"\r\n\r\n",
                     sized + b"content-length: 6\r\n\r\n" + body,
                     sized + b"transfer-encoding: chunked\r\n\r\n" + body):
            assert server.raw(data).startswith(b"HTTP/1.1 400 "), data[:100]
        # Half a request, and the client is gone.
        for data in (b"", b"POST /embed HT", sized + b"\r\n" + body[:5]):
            server.raw(data, half_close=True)
        # A client that goes before its answer: its texts are not computed.
        for _ in range(20):
            with socket.create_connection(("127.0.0.1", server.port)) as connection:
                texts = json.dumps({"inputs": many(1000), "truncate": True}).encode()
                connection.sendall(head + b"content-length: %d\r\n\r\n" % len(texts) + texts)
        # One that asks again and again and does not read: its answers are not kept, and others are answered.
        begin = server.value("process_resident_memory_bytes")
        with socket.create_connection(("127.0.0.1", server.port)) as greedy:
            greedy.settimeout(2)
            asked = b"GET /openapi.json HTTP/1.1\r\nhost: x\r\n\r\n" * 1000
            sent = 0
            try:
                while sent < 100 * len(asked):
                    sent += greedy.send(asked)
            except TimeoutError:
                pass
            assert sent < 100 * len(asked), "all was read"
            grown = server.value("process_resident_memory_bytes") - begin
            assert grown < 30e6, (grown, sent)
        # One that does not read.
        stuck = socket.create_connection(("127.0.0.1", server.port))
        stuck.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        texts = json.dumps({"inputs": many(2000), "truncate": True}).encode()
        stuck.sendall(head + b"content-length: %d\r\n\r\n" % len(texts) + texts)
        begin = time.monotonic()
        assert server.ask("POST", "/embed", {"inputs": "a"})[0] == 200
        assert time.monotonic() - begin < 5
        begin = time.monotonic()
        assert server.raw(b"GET /health HTTP/1.1\r\n") == b"" and 5 < time.monotonic() - begin < 20
        stuck.close()
        deadline = time.monotonic() + 20
        while "bertq_held_bytes 0.0" not in server.ask("GET", "/metrics")[2].decode():
            assert time.monotonic() < deadline, server.ask("GET", "/metrics")[2].decode()
            time.sleep(0.2)


def reload_and_end_under_load():
    """No request is lost when models change, nor any that was taken when the server ends."""
    served = os.path.join(FOLDER, "served.bertq")
    shutil.copy(MODEL, served)
    with Server("--queue-ms", "0", "--cache-mb", "0", model=served) as server:
        lost, prints, stop = [], [], threading.Event()

        def client(n):
            while not stop.is_set():
                status, _, text = server.embed(many(20, n))
                (prints.append(json.loads(text)["fingerprint"]) if status == 200 else lost.append(status))

        threads = [threading.Thread(target=client, args=(n,)) for n in range(4)]
        for thread in threads:
            thread.start()
        for model in (OTHER, MODEL, OTHER):
            time.sleep(0.3)
            os.replace(shutil.copy(model, served + ".new"), served)
            server.process.send_signal(signal.SIGHUP)
        time.sleep(0.5)
        with open(served + ".new", "wb") as file:
            file.write(b"no model")
        os.replace(served + ".new", served)
        server.process.send_signal(signal.SIGHUP)
        time.sleep(0.5)
        stop.set()
        for thread in threads:
            thread.join()
        assert not lost and len(set(prints)) == 2, (lost[:5], set(prints))
        assert "not reloaded" in server.text()
        assert server.embed("a")[0] == 200
        # Requests that are under way when the signal comes.
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            asked = [pool.submit(server.embed, many(2000, n)) for n in range(8)]
            time.sleep(0.1)
            server.process.send_signal(signal.SIGTERM)
            answers = []
            for future in asked:
                try:
                    answers.append(future.result()[0])
                except ConnectionError as error:
                    # It came too late to be taken.
                    answers.append(type(error).__name__)
        assert answers.count(200) >= 1 and set(answers) <= {200, "ConnectionRefusedError", "ConnectionResetError"}, answers
        assert server.process.wait(40) == 0


for check in (keys_and_origins, options_of_the_environment, several_models, kept_answers, times, overload,
              one_after_the_other, hostile_clients, reload_and_end_under_load):
    begin = time.monotonic()
    check()
    print(f"  passed  {check.__name__} ({time.monotonic() - begin:.1f} s)", flush=True)
