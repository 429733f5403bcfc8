"""A bert-serve on a free port, for tests that ask it."""
import http.client
import json
import os
import signal
import socket
import subprocess
import tempfile
import time

JSON = {"content-type": "application/json"}


class Server:
    """A server on a free port, ended when the block ends."""

    def __init__(self, program, folder, model, *options, environment=None):
        self.program, self.folder, self.options = program, folder, options
        self.models = [model] if isinstance(model, str) else model
        self.environment = environment or {}

    def __enter__(self):
        self.log = tempfile.NamedTemporaryFile("w+", dir=self.folder, suffix="-log", delete=False)
        port = self.log.name + "-port"
        self.process = subprocess.Popen(
            [self.program, *self.models, "--port", "0", "--port-file", port, *self.options],
            stderr=self.log, env={**os.environ, **self.environment})
        for _ in range(300):
            if os.path.exists(port) and open(port).read().endswith("\n"):
                break
            assert self.process.poll() is None, self.text()
            time.sleep(0.05)
        self.port = int(open(port).read())
        self.base = f"http://127.0.0.1:{self.port}"
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            assert self.process.wait(40) == 0, self.text()
        self.log.close()

    def text(self):
        self.log.flush()
        return open(self.log.name).read()

    def ask(self, method, path, body=None, headers=None):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        data = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        connection.request(method, path, data, {**JSON, **(headers or {})})
        answer = connection.getresponse()
        text = answer.read()
        connection.close()
        return answer.status, answer.headers, text

    def embed(self, texts, headers=None):
        return self.ask("POST", "/v1/embeddings", {"input": texts, "truncate": True}, headers)

    def value(self, name, label=""):
        """A metric's value: the sum over the labels that contain what is given."""
        lines = self.ask("GET", "/metrics")[2].decode().splitlines()
        return sum(float(line.rsplit(" ", 1)[1]) for line in lines
                   if line.startswith((name + "{", name + " ")) and label in line)

    def until(self, name, label="", least=1, seconds=20):
        """Waits until a metric is as large."""
        end = time.monotonic() + seconds
        while self.value(name, label) < least:
            assert time.monotonic() < end, f"{name} stays below {least}"
            time.sleep(0.01)

    def raw(self, data, half_close=False):
        """What comes for bytes as they are."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=30) as connection:
            connection.sendall(data)
            if half_close:
                connection.shutdown(socket.SHUT_WR)
            answer = b""
            try:
                while part := connection.recv(65536):
                    answer += part
            except ConnectionError:
                pass
            return answer
