"""Keeps what the caller's environment says to Python, Jupyter and matplotlib away from the study.

The commands, and `make` with the same names, clean their own environment, which the processes and
kernels that they start inherit. Standard library alone: it runs before anything else is imported.
"""

import os
import re
import sys
import tempfile
from contextlib import contextmanager

from data.files.paths import ROOT
from tfe.errors import StudyError

# Other modules, kernels, start-up files and backends than the study's own.
FOREIGN = re.compile("(PYTHON|JUPYTER|IPYTHON).*|MPLBACKEND|PIP_(USER|TARGET|PREFIX|ROOT)")
OWN = {"PYTHONNOUSERSITE": "1", "PIP_USER": "0", "MATPLOTLIBRC": os.devnull,  # its defaults
       "JUPYTER_PREFER_ENV_PATH": "1", "IPYTHONDIR": os.path.join(sys.prefix, "share", "ipython")}
# Of a Unix socket's address 107 bytes are to be had; Jupyter adds "/kernel-5".
LONGEST = 107 - len("/tmp12345678/kernel-12345")


def isolate():
    """Clean `os.environ`, and `sys.path` of what PYTHONPATH put there."""
    added = {os.path.abspath(path) for path in os.environ.get("PYTHONPATH", "").split(os.pathsep)}
    added -= {str(ROOT), os.getcwd()}
    sys.path[:] = [path for path in sys.path if os.path.abspath(path) not in added]
    for name in filter(FOREIGN.fullmatch, list(os.environ)):
        del os.environ[name]
    os.environ.update(OWN)


@contextmanager
def sockets():
    """A new folder with a path short enough for the sockets of a kernel; removed in the end."""
    short = [place for place in (tempfile.gettempdir(), "/tmp", "/var/tmp", "/dev/shm")
             if len(os.fsencode(place)) <= LONGEST and os.access(place, os.W_OK | os.X_OK)]
    if not short:
        raise StudyError(f"{tempfile.gettempdir()} is too long for sockets: name a short TMPDIR")
    with tempfile.TemporaryDirectory(dir=short[0]) as folder:
        yield folder
