"""Where a number comes from: hashes of the code and files behind it, versions, device, commit."""

import ast
import hashlib
import platform
import re
import subprocess
from functools import cache
from importlib import metadata
from pathlib import Path

from tfe import _HOME
from tfe.device import choose
from data.files.paths import ROOT

PACKAGES = ("torch", "numpy", "scipy", "pandas", "av", "safetensors", "papermill")


def digest(path):
    """The first 16 digits of a file's SHA-256."""
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()[:16]


def sources(script):
    """The files of this repository that a script runs: itself and, transitively, its imports.

    Returns `{path from the root: digest}`. Importing a package counts all of its files, because
    it may choose among them by name.
    """
    found, waiting = set(), [Path(script).resolve()]
    while waiting:
        path = waiting.pop()
        if path not in found:
            found.add(path)
            waiting += _imports(path)
    return {str(path.relative_to(ROOT)): digest(path) for path in sorted(found)}


@cache
def _imports(path):
    """Files of the repository that `path` imports, wherever in it the import stands."""
    if path.name == "__init__.py" and path.parent.name == "tfe":
        return []  # lazy: what a script uses of it is seen where the script uses it
    modules = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            modules |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            modules |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
        elif isinstance(node, ast.Attribute) and getattr(node.value, "id", "") == "tfe":
            modules.add(f"tfe.{node.attr}")
    files = []
    for module in modules:
        top, _, rest = module.partition(".")
        if top == "tfe" and rest in _HOME:
            module = f"tfe.{_HOME[rest]}"
        elif top not in ("tfe", "data", "book"):
            continue
        place = ROOT.joinpath(*module.split("."))
        if place.with_suffix(".py").is_file():
            files.append(place.with_suffix(".py"))
        elif (place / "__init__.py").is_file():
            files += [place / "__init__.py"] if place.name == "tfe" else sorted(place.glob("*.py"))
    return files


def commit():
    """The checkout's commit, with "+" where tracked files differ from it; "unknown" outside git."""
    def git(*words):
        return subprocess.run(["git", "-C", str(ROOT), *words], capture_output=True, text=True,
                              check=True).stdout.strip()
    try:
        # Results and notebooks are products: they do not make the code another.
        dirty = git("status", "--porcelain", "--untracked-files=no", "--", "tfe", "data",
                    "book/*.py", "book/batches", "environment.yml")
        return git("rev-parse", "--short=10", "HEAD") + "+" * bool(dirty)
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def processor():
    """The processor's model, as far as the system tells it."""
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        text = ""
    model = re.search(r"^model name\s*:\s*(.+)$", text, re.MULTILINE)
    return model[1].strip() if model else platform.processor() or platform.machine()


def receipt(device="cpu", threads=None):
    """What a run ran on: versions, device, threads, commit; no name of a machine or user."""
    import torch

    device = choose(device)
    # Sums run in another order where vectors are wider, so the width is part of the device.
    name = (torch.cuda.get_device_name(device) if device.type == "cuda"
            else f"{processor()}; {torch.backends.cpu.get_cpu_capability()}")
    return {"commit": commit(), "device": f"{device} ({name})",
            "threads": threads, "python": platform.python_version(),
            "versions": {package: metadata.version(package) for package in PACKAGES}}
