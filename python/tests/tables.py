"""The blocks of docs/tables.md, each with the real package: run by hand, with the packages installed.

    python -m pytest python/tests/tables.py
"""

import json
import os
import pathlib
import re
import subprocess
import sys

import numpy as np
import pytest

PAGE = pathlib.Path(__file__).resolve().parent.parent.parent / "docs/tables.md"
BLOCKS = dict(re.findall(r"^```python (\w+)\n(.*?)^```", PAGE.read_text(encoding="utf-8"), re.M | re.S))


@pytest.mark.parametrize("package", BLOCKS)
def test_a_block_gives_the_bytes_of_bert_run(package, few, model_path, tmp_path):
    pytest.importorskip(package)
    texts, expected = few
    os.symlink(model_path, tmp_path / "model.bertq")
    # A process of its own, as these packages start more.
    program = tmp_path / "block.py"
    body = "".join(f"    {line}\n" if line else "\n" for line in BLOCKS[package].splitlines()).replace('"model.bertq"', "path")
    program.write_text(
        "import json, os, sys\nimport numpy\n\nif __name__ == '__main__':\n"
        "    path = os.path.abspath('model.bertq')\n    texts = json.load(open('texts.json'))\n"
        f"{body}    numpy.save('vectors.npy', numpy.array([list(row) for row in vectors], numpy.float32))\n")
    (tmp_path / "texts.json").write_text(json.dumps(texts))
    run = subprocess.run([sys.executable, program], cwd=tmp_path, capture_output=True, text=True, timeout=900,
                         env={**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)})
    assert run.returncode == 0, run.stderr[-3000:]
    assert np.load(tmp_path / "vectors.npy").tobytes() == expected.tobytes()
