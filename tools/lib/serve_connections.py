"""Starts bert-serve and shows what its connections do with requests that ask for another protocol, with answers that are read
late, and with what would take all its memory or time.

    serve_connections.py BERT_SERVE MODEL.bertq FOLDER
"""
import json
import os
import shutil
import signal
import socket
import sys
import time

import serve_process

SERVER, MODEL, FOLDER = sys.argv[1:4]


def Server(*options, model=MODEL):
    return serve_process.Server(SERVER, FOLDER, model, "--queue-ms", "0", *options)


def request(path, body, more=b"", version=b"1.1"):
    body = body if isinstance(body, bytes) else json.dumps(body).encode()
    return (b"POST %s HTTP/%s\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: %d\r\n%s\r\n"
            % (path.encode(), version, len(body), more) + body)


def slow(server, size=4096):
    """A connection whose kernel takes few bytes before somebody reads."""
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, size)
    connection.connect(("127.0.0.1", server.port))
    connection.settimeout(20)
    return connection


def answers(connection, count):
    """The statuses and bodies of so many answers that come one after the other."""
    found, data = [], b""
    while len(found) < count:
        head, ends, rest = data.partition(b"\r\n\r\n")
        length = next((int(line[15:]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")), 0)
        if ends and len(rest) >= length:
            found.append((int(head.split()[1]), rest[:length]))
            data = rest[length:]
            continue
        part = connection.recv(1 << 20)
        assert part, (count, found[-1:], len(data), length)
        data += part
    return found


def other_protocols():
    """A request that asks for HTTP/2 or WebSocket is answered, and so is what follows on its connection."""
    with Server() as server:
        for name in (b"h2c", b"websocket"):
            more = b"connection: upgrade, http2-settings\r\nupgrade: %s\r\nhttp2-settings: AAMAAABkAAQAAP__\r\n" % name
            with socket.create_connection(("127.0.0.1", server.port), timeout=20) as connection:
                for _ in range(3):
                    connection.sendall(request("/embed", {"inputs": "a"}, more))
                    assert answers(connection, 1)[0][0] == 200, name
                # At once, the plain ones behind them too.
                connection.sendall((request("/embed", {"inputs": "a"}, more) + request("/embed", {"inputs": "a"})) * 20)
                assert {status for status, _ in answers(connection, 40)} == {200}
        # What only looks like it, with the next request half there.
        plain = request("/embed", {"inputs": "a"})
        for more in (b"connection: upgrade\r\nupgrade:\r\n", b"connection: upgrade\r\nupgrade:  \r\n", b"connection: upgrade\r\n",
                     b"upgrade: h2c\r\n", b"connection: upgraded\r\nupgrade: h2c\r\n", b"connection: a, UPGRADE ,b\r\nupgrade: h2c\r\n"):
            with socket.create_connection(("127.0.0.1", server.port), timeout=20) as connection:
                connection.sendall(request("/embed", {"inputs": "a"}, more) + plain + plain[:20])
                time.sleep(0.05)
                connection.sendall(plain[20:])
                assert [status for status, _ in answers(connection, 3)] == [200] * 3, more
        assert server.raw(b"CONNECT example.org:80 HTTP/1.1\r\nhost: x\r\n\r\n").startswith(b"HTTP/1.1 404")


def long_paths():
    """A path of nothing but slashes takes no longer than any other."""
    with Server() as server, socket.create_connection(("127.0.0.1", server.port), timeout=20) as connection:
        begin = time.monotonic()
        connection.sendall((b"GET /embed" + b"/" * 16000 + b" HTTP/1.1\r\nhost: x\r\n\r\n") * 100)
        assert {status for status, _ in answers(connection, 100)} == {405}
        assert time.monotonic() - begin < 20  # milliseconds, or minutes


def late_readers():
    """An answer comes whole to whoever reads it late, also when its connection or the server ends behind it."""
    # Some 2,200 bytes a text: what the system does not take of an answer is less than 32 KiB of some, and more of others.
    bodies = [{"inputs": ["a " * 8] * count} for count in range(136, 546, 11)]
    with Server() as server:
        whole = [server.ask("POST", "/embed_all", body)[2] for body in bodies]
        kinds = [[slow(server) for _ in bodies] for _ in range(3)]
        for kind, more, version in ((0, b"", b"1.1"), (1, b"connection: close\r\n", b"1.1"), (2, b"", b"1.0")):
            for connection, body in zip(kinds[kind], bodies):
                connection.sendall(request("/embed_all", body, more, version))
        time.sleep(3)
        for kind in kinds[1:]:
            for connection, expected in zip(kind, whole):
                assert answers(connection, 1) == [(200, expected)], len(expected)
                assert connection.recv(1) == b"", len(expected)
        server.process.send_signal(signal.SIGTERM)
        time.sleep(0.5)
        for connection, expected in zip(kinds[0], whole):
            assert answers(connection, 1) == [(200, expected)], len(expected)


def held_answers():
    """Answers that nobody reads are counted with what requests hold, and no more than that is kept."""
    with Server("--max-body-mb", "1") as server:
        # 40 bytes of answer and more for each of a text's tokens and dimensions.
        texts = ["a " * 40] * 300
        begin = server.value("process_resident_memory_bytes")
        connections = [slow(server) for _ in range(150)]
        for connection in connections:
            connection.sendall(request("/embed_all", {"inputs": texts, "truncate": True}))
        server.until("bertq_requests_total", '/embed_all"', least=len(connections), seconds=60)
        held, limit = server.value("bertq_held_bytes"), 256 << 20
        assert 0.5 * limit < held <= limit, held
        assert server.value("bertq_requests_total", 'status="429"') > 0
        assert server.value("process_resident_memory_bytes") - begin < 1.5 * limit
        assert server.embed("a")[0] == 200
        for connection in connections:
            connection.close()
        end = time.monotonic() + 20
        while server.value("bertq_held_bytes"):
            assert time.monotonic() < end, server.value("bertq_held_bytes")
            time.sleep(0.2)


def large_bodies():
    """Those who send large bodies, and stop, keep no usual query out."""
    with Server() as server:
        # Three bytes are held for each: all but some thousand of the 256 MiB.
        connections = [slow(server) for _ in range(3)]
        for connection, count in zip(connections, (30_000_000, 30_000_000, 29_470_000)):
            connection.sendall(b"POST /embed HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n"
                               b"content-length: 31000000\r\n\r\n" + b" " * count)
        time.sleep(1)
        assert server.value("bertq_held_bytes") > 150e6
        assert server.embed("the sea " * 2000)[0] == 200
        for connection in connections:
            connection.close()


def damaged_files():
    """A file that is damaged anywhere takes no model's place, and keys are read all the same."""
    served, keys = os.path.join(FOLDER, "damaged.bertq"), os.path.join(FOLDER, "damaged-keys")
    shutil.copy(MODEL, served)
    with open(MODEL, "rb") as file:
        whole = file.read()
    with open(keys, "w") as file:
        file.write("\ufefffirst\n")
    with Server("--api-key-file", keys, model=served) as server:
        before = server.embed("a", {"authorization": "Bearer first"})
        assert before[0] == 200, before
        # Weights of every kind: some are looked at only when a text needs them.
        for part in range(1, 20):
            damaged = bytearray(whole)
            damaged[len(whole) * part // 20] ^= 1
            with open(served + ".new", "wb") as file:
                file.write(damaged)
            os.replace(served + ".new", served)
            with open(keys, "w") as file:
                file.write(f"key {part}\n")
            server.process.send_signal(signal.SIGHUP)
            end = time.monotonic() + 20
            while server.text().count("not reloaded") < part:
                assert time.monotonic() < end, (part, server.text())
                time.sleep(0.02)
            server.until("bertq_model_info")
            assert server.embed("a", {"x-api-key": f"key {part}"})[2] == before[2], part
        assert server.value("bertq_model_info") == 1


def broken_requests():
    """What is no HTTP has one answer that says so and ends the connection; none where the request was answered before."""
    chunked = b"POST %s HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n"
    good = request("/embed", {"inputs": "a"})
    with Server() as server:
        for data, statuses in ((chunked % b"/nowhere" + b"5\r\nabcdefgh\r\n", [404]), (chunked % b"/embed" + b"5\r\nabcdefgh\r\n", [400]),
                               (b"no HTTP\r\n\r\n", [400]), (good + b"no HTTP\r\n\r\n", [200, 400]),
                               (good + chunked % b"/nowhere" + b"no size\r\n", [200, 404])):
            text = server.raw(data)
            assert [int(part.split()[0]) for part in text.split(b"HTTP/1.1 ")[1:]] == statuses, (data, text)
            if statuses[-1] == 400:
                head, _, body = text[text.rindex(b"HTTP/1.1 400 "):].lower().partition(b"\r\n\r\n")
                assert b"connection: close" in head and b"no http/1 request" in body and json.loads(body), text
        # Beside a whole request, broken ones are counted and do no harm.
        assert server.embed("a")[0] == 200


for check in (broken_requests, other_protocols, long_paths, late_readers, held_answers, large_bodies, damaged_files):
    begin = time.monotonic()
    check()
    print(f"  passed  {check.__name__} ({time.monotonic() - begin:.1f} s)", flush=True)
