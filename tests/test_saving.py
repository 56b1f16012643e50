"""Saving without an edit changes nothing: through the server that `make lab` starts, chapter and laboratory."""

import json
import re
import shutil
import socket
import subprocess
import sys
import time
from contextlib import suppress
from urllib.request import Request, urlopen

import pytest

from data.files.paths import BOOK, ROOT

NAMES = "00_question", "12_table1", "lab"
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def copy(tmp_path_factory):
    """A checkout with a few pairs and what Jupytext reads."""
    top = tmp_path_factory.mktemp("checkout")
    for name in ("pyproject.toml", *(f"book/{name}{end}" for name in NAMES for end in (".py", ".ipynb"))):
        (top / name).parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / name, top / name)
    (top / "tfe").mkdir()
    (top / "results").mkdir()
    return top


@pytest.fixture(scope="module")
def server(copy):
    """The address that the server prints, and a way to ask it."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    options = re.search(r"^LAB := (.+)$", MAKEFILE, re.MULTILINE)[1].split()
    with subprocess.Popen(
            [sys.executable, "-m", "jupyterlab", *options, "--no-browser", "--allow-root", "--ip=127.0.0.1",
             f"--ServerApp.port={port}", "--IdentityProvider.token=t"],
            cwd=copy, stderr=subprocess.PIPE, text=True) as process:
        printed = next(found[0] for line in process.stderr
                       if (found := re.search(r"http://127\.0\.0\.1:\d+/\S+", line)))

        for _ in range(100):  # it prints its address a moment before it listens
            with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=5):
                break
            time.sleep(0.2)

        def ask(path, method="GET", body=None):
            request = Request(re.match(r"http://[^/]+", printed)[0] + f"/api/contents/{path}", method=method,
                              data=body and json.dumps(body).encode(),
                              headers={"Authorization": "token t", "Content-Type": "application/json"})
            with urlopen(request, timeout=30) as answer:
                return json.load(answer)

        yield printed, ask
        process.terminate()
        process.stderr.close()


def test_saving_without_an_edit_changes_no_file(server, copy):
    printed, ask = server
    assert "/lab/tree/book/00_question.ipynb" in printed
    assert {"pyproject.toml", "tfe", "results", "book"} <= {entry["name"] for entry in ask("")["content"]}
    for name in NAMES:
        for end in (".ipynb", ".py"):
            path = f"book/{name}{end}"
            found = ask(f"{path}?type=notebook")
            ask(path, "PUT", {"type": "notebook", "format": "json", "content": found["content"]})
    changed = [f"{name}{end}" for name in NAMES for end in (".ipynb", ".py")
               if (copy / "book" / f"{name}{end}").read_bytes() != (BOOK / f"{name}{end}").read_bytes()]
    assert not changed


def test_an_edit_that_is_saved_reaches_the_pair(server, copy):
    _, ask = server
    found = ask("book/lab.ipynb?type=notebook")["content"]
    found["cells"][0]["source"] += "\nOne line more."
    ask("book/lab.ipynb", "PUT", {"type": "notebook", "format": "json", "content": found})
    assert "# One line more." in (copy / "book" / "lab.py").read_text(encoding="utf-8")


def test_root_is_told_what_to_do(tmp_path):
    (tmp_path / "id").write_text("#!/bin/sh\necho 0\n")
    (tmp_path / "id").chmod(0o755)
    recipe = re.search(r'^\t@(\[ "\$\$\(id -u\)".+?exit 2; \})', MAKEFILE, re.MULTILINE | re.DOTALL)[1]
    done = subprocess.run(["bash", "-c", recipe.replace("$$", "$").replace("$(ALLOW_ROOT)", "")],
                          env={"PATH": f"{tmp_path}:/usr/bin:/bin"}, capture_output=True, text=True)
    assert done.returncode == 2 and "ALLOW_ROOT=1" in done.stderr
