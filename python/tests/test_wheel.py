"""The package as a zip, for clusters whose nodes have no pip."""

import os
import shutil
import subprocess
import sys

import numpy as np
import pytest

import bertq


def test_the_version_is_that_of_the_library(model):
    assert model.info["library"] == f"bertq {bertq.__version__}"


@pytest.mark.parametrize("name", ["libc.so.6", "/no/such.so"])
def test_a_library_that_is_another_is_named(name):
    run = subprocess.run(
        [sys.executable, "-c", "import bertq"], env={**os.environ, "BERTQ_LIBRARY": name, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True, text=True)
    said = run.stderr.strip().splitlines()[-1]
    assert said.startswith("ImportError: ") and name in said and "BERTQ_LIBRARY" in said


def test_a_wheel_renamed_to_zip_is_imported_as_it_is(model, tmp_path):
    wheel = os.environ.get("BERTQ_TEST_WHEEL")
    if not wheel:
        pytest.skip("BERTQ_TEST_WHEEL names no wheel")
    shutil.copy(wheel, tmp_path / "bertq.zip")
    code = "import sys, bertq; assert '.zip' in bertq.__file__; sys.stdout.buffer.write(bertq.Model(sys.argv[1]).encode('a bird').tobytes())"
    folder = os.path.dirname(np.__path__[0])
    run = subprocess.run(
        [sys.executable, "-S", "-c", code, model.path], env={**os.environ, "PYTHONPATH": f"{tmp_path}/bertq.zip:{folder}"},
        capture_output=True)
    assert run.stdout == model.encode("a bird").tobytes(), run.stderr.decode()
