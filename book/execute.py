"""Make the executed notebook beside each chapter's `.py`, and stamp it with what it was made from.

    .venv/bin/python book/execute.py              every chapter whose stamp is out of date
    .venv/bin/python book/execute.py 03_theorem1  that chapter, if out of date
    .venv/bin/python book/execute.py --force ...  whether out of date or not
    .venv/bin/python book/execute.py --times      no notebook: seconds and memory of each, into
                                                  results/chapters.csv

The `.py` is the only file that a person edits. The stamp, `metadata.tfe.reads`, holds the digest of
the `.py`, of the syntax of the modules that it imports and of the committed result files that it names.
"""

import argparse
import ast
import csv
import os
import resource
import sys
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from pathlib import Path

if __name__ == "__main__":  # what PYTHONPATH names would come before this repository
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
    from data.common.isolation import isolate
    isolate()
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # as make does: two kernels share two cores

import jupytext
import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError
from traitlets.config import Config

from data.common import isolation
from data.files.paths import BOOK, RESULTS, ROOT, atomic
from book.notebooks import KERNEL
from book.runs.provenance import digest, receipt, sources


def chapters():
    """The `.py` of every chapter, in the order of the book; laboratory and papermill template last."""
    return sorted(BOOK.glob("[0-9][0-9]_*.py")) + [BOOK / "lab.py", BOOK / "run.py"]


def reads(source):
    """What a chapter depends on: `{path from the root: digest}`.

    Of the modules the syntax alone counts, of the chapter itself its text as well.
    """
    names = {node.value for node in ast.walk(ast.parse(source.read_text(encoding="utf-8")))
             if isinstance(node, ast.Constant) and isinstance(node.value, str)}
    # `f"{name}_summary.csv"` names a file too: by its end and by a name that stands elsewhere; "*.csv"
    # names them all.
    ends = tuple(name for name in names if name.endswith((".csv", ".json")))
    results = {path for path in RESULTS.glob("*.*") for end in ends if path.match(end) or (
        path.name.endswith(end) and path.name.removesuffix(end) in names)}
    # A string may name the backbone that a chapter builds.
    return sources(source, names) | {str(path.relative_to(ROOT)): digest(path)
                                     for path in [source, *sorted(results)]}


def current(source):
    """Whether the notebook beside `source` was made from what is there now."""
    notebook = source.with_suffix(".ipynb")
    if not notebook.is_file():
        return False
    return nbformat.read(notebook, 4).metadata.get("tfe", {}).get("reads") == reads(source)


def run(source):
    """Run the chapter in a fresh kernel; returns the notebook. Raises CellExecutionError."""
    notebook = jupytext.read(source)
    notebook.metadata.pop("jupytext", None)
    # All that Jupytext would add when the notebook is saved in JupyterLab: see pyproject.toml.
    notebook.metadata["jupytext"] = {"cell_metadata_filter": "tags,-all", "formats": "ipynb,py:percent",
                                     "notebook_metadata_filter": "-all"}
    notebook.metadata["kernelspec"] = KERNEL
    for number, cell in enumerate(notebook.cells):
        cell["id"] = f"cell-{number:02d}"  # random ids would change at every execution
    with isolation.sockets() as folder:  # of its own: two kernels side by side must not share
        config = Config({"KernelManager": {"transport": "ipc", "ip": f"{folder}/kernel"}})
        # Timing would change the file at every execution; the kernel runs where the chapter lies.
        # A dial without its kernel is dead, and its id changes every time: `live` cells stay blank.
        NotebookClient(notebook, timeout=600, record_timing=False, config=config,
                       skip_cells_with_tag="live",
                       resources={"metadata": {"path": str(BOOK)}}).execute()
    return notebook


def execute(source):
    """Run the chapter and write the notebook beside it, stamped; raises CellExecutionError."""
    notebook = run(source)
    notebook.metadata["tfe"] = {"reads": reads(source)}
    with atomic(source.with_suffix(".ipynb")) as temporary:
        nbformat.write(notebook, temporary)


def times(sources):
    """Write what each chapter costs: seconds of one core, its kernel's start included, and memory.

    Processor time, not the clock's: it says the same on a machine that is busy with other things.
    Memory is the peak of its largest process. A process measures one chapter: both are of its children.
    """
    made, path = receipt("cpu", threads=1), RESULTS / "chapters.csv"
    known = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
    lines = {line["chapter"]: line for line in csv.DictReader(known)}
    with ProcessPoolExecutor(1, max_tasks_per_child=1) as pool:
        for source, (spent, peak) in zip(sources, pool.map(_cost, sources)):
            lines[source.stem] = {"chapter": source.stem, "core_seconds": f"{spent:.0f}",
                                  "peak_gb": f"{peak:.2f}", "device": made["device"],
                                  "commit": made["commit"]}
            print(*lines[source.stem].values(), flush=True)
    with atomic(path) as temporary, open(temporary, "w", encoding="utf-8") as file:
        table = csv.DictWriter(file, ("chapter", "core_seconds", "peak_gb", "device", "commit"),
                               lineterminator="\n")
        table.writeheader()
        table.writerows(lines[source.stem] for source in chapters() if source.stem in lines)


def _cost(source):
    """Seconds of one core and GB of the largest process, of a chapter that is run by this process."""
    run(source)
    spent = resource.getrusage(resource.RUSAGE_CHILDREN)
    return spent.ru_utime + spent.ru_stime, spent.ru_maxrss * 1024 / 1e9


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("names", nargs="*", help="chapters, e.g. 03_theorem1 (default: all)")
    parser.add_argument("--force", action="store_true", help="even where nothing changed")
    parser.add_argument("--check", action="store_true", help="only say which are out of date")
    parser.add_argument("--times", action="store_true", help="measure, and write no notebook")
    options = parser.parse_args(arguments)
    wanted = [p for p in chapters() if not options.names or p.stem in options.names]
    unknown = set(options.names) - {p.stem for p in wanted}
    if unknown:
        parser.error(f"no such chapter: {', '.join(sorted(unknown))}")
    if options.times:
        return times(wanted)
    stale = [p for p in wanted if options.force or not current(p)]
    if options.check:
        print("\n".join(f"out of date: {p.stem} (run `make chapters`)" for p in stale)
              or "every notebook is up to date")
        return bool(stale)
    failed = 0
    with ThreadPoolExecutor(2) as pool:
        for path, error in zip(stale, pool.map(_try, stale)):
            print(f"{path.stem}: {error or 'executed'}", flush=True)
            failed += error is not None
    print(f"{len(stale) - failed} executed, {len(wanted) - len(stale)} up to date, {failed} failed")
    return bool(failed)


def _try(source):
    try:
        execute(source)
    except CellExecutionError as error:
        return f"failed\n{error}"


if __name__ == "__main__":
    sys.exit(main())
