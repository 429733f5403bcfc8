"""Shows that a running bert-serve and its OpenAPI document agree: every example is answered, and schemathesis finds nothing.

    serve_openapi.py BASE_URL [--examples N] [--seed N]

The model is one for vectors: routes of other heads must refuse their examples by name.
"""
import argparse
import json
import os
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request

# Routes of heads that the model has not.
HEADS = {"/rerank", "/v1/rerank", "/v2/rerank", "/reranking", "/predict", "/classify", "/v1/classify", "/embed_sparse",
         "/v1/tag", "/v1/answer", "/v1/fill-mask", "/v1/zero-shot"}
# A text may be longer than the model takes, a prompt or a name unknown: no schema can say so. What must be answered are
# the examples.
CONFIG = """
# A header that is not known is passed over, as HTTP wants.
[generation]
allow-extra-parameters = false

[checks]
positive_data_acceptance.enabled = false
# A deadline of a millisecond cannot be kept, and is answered so.
not_a_server_error.expected-statuses = ["2xx", "3xx", "4xx", "504"]
negative_data_rejection.expected-statuses = ["400", "404", "405", "413", "415", "422", "424"]
"""


def ask(base, path, body=None):
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(base + path, data, {"content-type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()


def examples(base, document):
    count = 0
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            body = None
            if "requestBody" in operation:
                body = operation["requestBody"]["content"]["application/json"]["example"]
                assert body, path
            name = json.loads(ask(base, "/v1/models")[1])["data"][0]["id"]
            status, text = ask(base, path.replace("{model}", name), body)
            if path in HEADS:
                assert status in (400, 424) and b"the file has no" in text, (path, status, text)
            else:
                assert status == 200, (method, path, status, text)
            count += 1
    return count


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("base")
    parser.add_argument("--examples", type=int, default=25)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    status, text = ask(options.base, "/openapi.json")
    assert status == 200, text
    document = json.loads(text)
    print(f"  passed  {examples(options.base, document)} examples of the OpenAPI document", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        config = os.path.join(folder, "schemathesis.toml")
        with open(config, "w", encoding="utf-8") as file:
            file.write(CONFIG)
        command = [os.path.join(os.path.dirname(sys.executable), "schemathesis"), "--config-file", config, "run",
                   options.base + "/openapi.json", "--max-examples", str(options.examples), "--seed", str(options.seed),
                   "--phases", "examples,coverage,fuzzing", "--suppress-health-check", "all", "--request-timeout", "30"]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    if done.returncode != 0:
        print(done.stdout[-20000:], done.stderr[-2000:], file=sys.stderr)
        sys.exit(1)
    summary = [line.strip() for line in done.stdout.splitlines() if "generated" in line or "Operations" in line or "Selected" in line]
    print(f"  passed  schemathesis: {'; '.join(summary) or 'no failure'}", flush=True)


main()
