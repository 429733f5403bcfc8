"""Looks through server/deploy beside a running server: what rules, board, manifest and unit name must be there.

    serve_deploy.py BERT_SERVE BASE_URL FOLDER      FOLDER: for what promtool reads
"""
import json
import os
import re
import shutil
import subprocess
import sys
import urllib.error
import urllib.request

import yaml

SERVER, BASE, FOLDER = sys.argv[1:4]
ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
DEPLOY = os.path.join(ROOT, "server", "deploy")
NAME = re.compile(r"\b(?:bertq|process)_[a-z_]+\b")


def text(*path):
    with open(os.path.join(*path), encoding="utf-8") as file:
        return file.read()


def get(path):
    with urllib.request.urlopen(BASE + path, timeout=10) as answer:
        return answer.read().decode()


def require_metrics(expressions, known):
    used = {name for expression in expressions for name in NAME.findall(expression)}
    assert len(used) > 5, used
    unknown = used - known
    assert not unknown, f"no such metrics: {sorted(unknown)}"


def promtool(*arguments):
    done = subprocess.run(["promtool", *arguments], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def rules(known):
    path = os.path.join(DEPLOY, "alerts.yaml")
    all_rules = [rule for group in yaml.safe_load(text(path))["groups"] for rule in group["rules"]]
    require_metrics([rule["expr"] for rule in all_rules], known)
    promtool("check", "rules", path)
    tests = os.path.join(FOLDER, "alerts-test.yaml")
    with open(tests, "w", encoding="utf-8") as file:
        file.write(text(ROOT, "tools", "lib", "serve-alerts-test.yaml").replace("RULES", path))
    promtool("test", "rules", tests)
    return f"{len(all_rules)} rules, and what they say of made-up series"


def board(known):
    made = json.loads(text(DEPLOY, "grafana.json"))
    variables = {variable["name"] for variable in made["templating"]["list"]}
    panels = made["panels"]
    places, expressions = set(), []
    for panel in panels:
        assert panel["title"] and panel["datasource"]["uid"] == "${datasource}", panel
        place = panel["gridPos"]
        assert 0 <= place["x"] and place["x"] + place["w"] <= 24, panel["title"]
        cells = {(x, y) for x in range(place["x"], place["x"] + place["w"]) for y in range(place["y"], place["y"] + place["h"])}
        assert not cells & places, f"{panel['title']} lies on another panel"
        places |= cells
        expressions += [target["expr"] for target in panel["targets"]]
    assert len({panel["id"] for panel in panels}) == len(panels)
    require_metrics(expressions, known)
    for expression in expressions:
        assert set(re.findall(r"\$(?!__)(\w+)", expression)) <= variables, expression
    # The rules' parser is the queries'.
    made_up = os.path.join(FOLDER, "board.yaml")
    plain = [re.sub(r"\$\w+", ".*", e.replace("$__rate_interval", "5m")) for e in expressions]
    with open(made_up, "w", encoding="utf-8") as file:
        yaml.safe_dump({"groups": [{"name": "board", "rules": [
            {"record": f"board:{n}", "expr": e} for n, e in enumerate(plain)]}]}, file)
    promtool("check", "rules", made_up)
    return f"{len(panels)} panels with {len(expressions)} queries"


def manifest(variables):
    documents = list(yaml.safe_load_all(text(DEPLOY, "kubernetes.yaml")))
    assert [document["kind"] for document in documents] == ["Deployment", "Service"]
    deployment, service = documents
    pod = deployment["spec"]["template"]
    assert deployment["spec"]["selector"]["matchLabels"] == service["spec"]["selector"] == pod["metadata"]["labels"]
    container = pod["spec"]["containers"][0]
    for entry in container["env"]:
        assert entry["name"] in variables, f"bert-serve knows no {entry['name']}"
    ports = {port["name"] for port in container["ports"]}
    for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
        asked = container[probe]["httpGet"]
        assert asked["port"] in ports and json.loads(get(asked["path"])) == {"status": "ok"}, probe
    mounts = {mount["name"] for mount in container["volumeMounts"]}
    assert mounts == {volume["name"] for volume in pod["spec"]["volumes"]}
    # Draining takes at most so long.
    delay = next(int(entry["value"]) for entry in container["env"] if entry["name"] == "BERTQ_DRAIN_DELAY_MS")
    assert pod["spec"]["terminationGracePeriodSeconds"] * 1000 >= delay + 30000
    return "the manifest's probes, variables and labels"


def unit(variables):
    used = set(re.findall(r"BERTQ_[A-Z_]+", text(DEPLOY, "bert-serve.default")))
    assert used and used <= variables, used - variables
    if not shutil.which("systemd-analyze"):
        return None
    # It wants the program where the unit says that it is.
    path = os.path.join(FOLDER, "bert-serve.service")
    with open(path, "w", encoding="utf-8") as file:
        file.write(text(DEPLOY, "bert-serve.service").replace("/usr/bin/bert-serve", os.path.abspath(SERVER)))
    done = subprocess.run(["systemd-analyze", "verify", "--man=no", path], capture_output=True, text=True)
    assert done.returncode == 0 and not done.stderr.strip(), done.stderr
    done = subprocess.run(["systemd-analyze", "security", "--offline=true", "--threshold=25", path], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-500:] + done.stderr
    exposure = re.search(r"exposure level .*: ([\d.]+)", done.stdout).group(1)
    return f"the unit (systemd-analyze verify; exposure {exposure} of 10)"


def ask(body):
    request = urllib.request.Request(BASE + "/embed", json.dumps(body).encode(), {"content-type": "application/json"})
    try:
        urllib.request.urlopen(request, timeout=10).read()
    except urllib.error.HTTPError:
        pass


def main():
    # What is never counted has no series yet.
    for body in ({"inputs": "a"}, {"inputs": "sea " * 10000, "truncate": True}, {}):
        ask(body)
    known = set(NAME.findall(get("/metrics")))
    help_text = subprocess.run([SERVER, "--help"], capture_output=True, text=True, check=True).stdout
    variables = set(re.findall(r"BERTQ_[A-Z_]+", re.sub(r"\s+", " ", help_text)))
    for check in (manifest, unit):
        found = check(variables)
        print(f"  passed  {found}" if found else "  skipped  the unit: there is no systemd-analyze", flush=True)
    if not shutil.which("promtool"):
        print("  skipped  rules and board: there is no promtool (Debian's package prometheus has it)", flush=True)
        return
    for check in (rules, board):
        print(f"  passed  {check(known)}", flush=True)


main()
