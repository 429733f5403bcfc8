"""Virtual environments with the Python libraries that checks compare with."""
import os
import subprocess
import sys

CACHE = os.environ.get("BERTQ_CACHE", os.path.expanduser("~/.cache/bertq"))


def environment(name, versions, folder=None):
    """The Python of an environment that holds these versions, made by pip in the cache folder where it is not there.

    `versions` is a list of `name==version`, or of tuples of such of which the first that can be had is taken.
    None where they cannot be installed. BERTQ_PYTHON names a Python that has what is needed already."""
    own = os.environ.get("BERTQ_PYTHON")
    if own:
        return own
    folder = folder or os.path.join(CACHE, name)
    python = os.path.join(folder, "bin", "python")
    if os.path.exists(python) and all(any(has(python, v) for v in choices(wanted)) for wanted in versions):
        return python
    made = subprocess.run([sys.executable, "-m", "venv", folder], capture_output=True)
    if made.returncode != 0:
        return None
    for wanted in versions:
        installed = any(subprocess.run([python, "-m", "pip", "install", "-q", version], capture_output=True).returncode == 0
                        for version in choices(wanted))
        if not installed:
            return None
    return python


def choices(wanted):
    return (wanted,) if isinstance(wanted, str) else wanted


def has(python, version):
    name, _, number = version.partition("==")
    probe = "import importlib.metadata as m; print(m.version(%r))" % name
    found = subprocess.run([python, "-c", probe], capture_output=True).stdout.decode().strip()
    return bool(found) and (not number or found == number)


def skip(reason):
    """Ends a check of which nothing can run."""
    print("skipped: " + reason)
    sys.exit(77)
