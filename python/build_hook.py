"""Builds the C library and puts it into the wheel, whose tag says which systems can load it."""

import os
import platform
import re
import subprocess

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


def newest_glibc(path):
    """The newest minor version of glibc 2 whose symbols a library wants."""
    with open(path, "rb") as file:
        return max(int(found) for found in re.findall(rb"GLIBC_2\.([0-9]+)", file.read()))


class BuildHook(BuildHookInterface):
    def initialize(self, version, build_data):
        if version == "editable":
            return
        # What tools/build-library wrote; made here where it is not named.
        folder = os.environ.get("BERTQ_BUILT_LIBRARY")
        if not folder:
            folder = os.path.join(self.root, ".build", "libbertq")
            self.app.display_info("building libbertq.so: needs Swift 6.1 or newer; takes minutes")
            subprocess.run([os.path.join(self.root, "tools", "build-library"), folder], check=True, cwd=self.root)
        library = os.path.join(folder, "lib", "libbertq.so")
        # Tags of manylinux name a version of glibc; those below are the usual ones, which installers know.
        glibc = next(usual for usual in (28, 31, 34, 35, 39, 99) if newest_glibc(library) <= usual)
        build_data["pure_python"] = False
        build_data["tag"] = f"py3-none-manylinux_2_{glibc}_{platform.machine()}"
        build_data["force_include"][library] = "bertq/libbertq.so"
        build_data["force_include"][os.path.join(folder, "THIRD-PARTY-NOTICES")] = "bertq/THIRD-PARTY-NOTICES"
