"""A process that computes what it is asked to, a JSON object a line; tools/peers/README.md has the protocol."""
import json
import os
import subprocess


class WorkerFailed(Exception):
    """A worker ended, or answered that it could not do what was asked, or answered wrongly."""


class Worker:
    """A running worker process, on the cores given (any when None)."""

    def __init__(self, runtime, command, cores=None, variables=None):
        self.runtime = runtime
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
            env=dict(os.environ, **(variables or {})), preexec_fn=lambda: cores and os.sched_setaffinity(0, cores))
        self.greeting = self.answer()
        self.version = self.greeting.get("version", "")

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
        """MB resident: the most so far, now, and of what is there now that which lies in files and that which does not."""
        with open(f"/proc/{self.process.pid}/status", encoding="utf-8") as file:
            values = dict(line.split(":") for line in file)
        return {name: int(values[name].split()[0]) / 1024 for name in ("VmHWM", "VmRSS", "RssFile", "RssAnon")}

    def close(self):
        self.process.stdin.close()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process.stdout.close()
