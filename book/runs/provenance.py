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

BACKBONES = ROOT / "tfe" / "backbones"
PACKAGES = ("torch", "numpy", "scipy", "pandas", "av", "safetensors", "papermill")


def digest(path):
    """The first 16 digits of a file's SHA-256."""
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()[:16]


def sources(script, names=()):
    """The files of this repository that a script runs: itself and, transitively, its imports.

    names: strings by which it chooses modules while it runs, a backbone's or a peer's; the file that
    one of them names counts, its neighbours do not. Returns `{path from the root: digest}`, where the
    digest is of the syntax tree: comments, docstrings and line breaks change none.
    """
    by_name = [path for path in BACKBONES.rglob("*.py") if path.stem.replace("_", "-") in names]
    found, waiting = set(), [Path(script).resolve(), *by_name]
    while waiting:
        path = waiting.pop()
        if path not in found:
            found.add(path)
            waiting += _imports(path)
    return {str(path.relative_to(ROOT)): _digest_of_code(path) for path in sorted(found)}


@cache
def _tree(path):
    """A module's syntax; of a notebook's script without the cells tagged `drawing`.

    No number can come from a figure, so that what only draws is not part of a run.
    """
    text = path.read_text(encoding="utf-8")
    if text.startswith("# %%"):
        text = "".join(cell for cell in re.split(r"^(?=# %%)", text, flags=re.M)
                       if '"drawing"' not in cell.partition("\n")[0])
    return ast.parse(text)


@cache
def _digest_of_code(path):
    return hashlib.sha256(repr(_skeleton(_tree(path))).encode()).hexdigest()[:16]


def _skeleton(node):
    """A syntax tree as nested tuples, without docstrings and empty fields.

    Not `ast.dump`, whose empty fields differ between versions of Python.
    """
    if isinstance(node, list):
        return tuple(_skeleton(one) for one in node)
    if not isinstance(node, ast.AST):
        return node
    parts = dict(ast.iter_fields(node))
    if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef)) and ast.get_docstring(node):
        parts["body"] = node.body[1:]
    return type(node).__name__, *((name, _skeleton(part)) for name, part in parts.items()
                                  if part not in (None, []))


@cache
def _imports(path):
    """Files of the repository that `path` imports, wherever in it the import stands."""
    modules = set()
    for node in ast.walk(_tree(path)):
        if isinstance(node, ast.Import):
            modules |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            modules |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
        elif isinstance(node, ast.Attribute) and getattr(node.value, "id", "") == "tfe":
            modules.add(f"tfe.{node.attr}")
    return [file for module in modules for file in _files(module)]


def _files(module):
    """What runs when `module` is imported: its file, and the `__init__.py` of the packages above it."""
    top, _, rest = module.partition(".")
    if top not in ("tfe", "data", "book"):
        return []
    if top == "tfe" and rest in _HOME:  # a name that `tfe` loads on first use
        module = f"tfe.{_HOME[rest]}"
    place = ROOT.joinpath(*module.split("."))
    packages = [folder for folder in (place, *place.parents) if ROOT in folder.parents]
    return [file for file in (place.with_suffix(".py"),
                              *(folder / "__init__.py" for folder in packages)) if file.is_file()]


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
