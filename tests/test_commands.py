"""What is printed as a command works as pasted: its program is found, and what it names exists."""

import re
import subprocess
import sys

import pytest

from book.__main__ import COMMANDS
from data.__main__ import scripts
from data.common import ending
from data.common.ending import ended, typed
from data.files.paths import BOOK, ROOT
from tfe.errors import StudyError

# The template of the runs stays as it is until they are made again.
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted(BOOK.glob("*.md")),
         *sorted(BOOK.glob("[0-9][0-9]_*.py"))]
PROGRAM = re.compile(r"(?<![\w./$-])(?:python (?:-m (?:book|data)\b|book/)|papermill |torchrun --)")
TARGETS = set(re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.M)) | {
    f"reproduce-table{n}" for n in "1234"}


def printed(path):
    """The commands of a page: code set apart or within a line, and nothing else of it."""
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".py":
        text = "\n".join(line[2:] for line in text.splitlines() if line.startswith("# "))
    fenced = re.findall(r"^```\n(.*?)^```", text, re.M | re.S)
    inline = re.findall(r"(?<!`)`([^`]+)`(?!`)", re.sub(r"^```.*?^```", "", text, flags=re.M | re.S))
    return "\n".join([*fenced, *(" ".join(one.split()) for one in inline)])


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_a_printed_command_names_its_program_and_something_that_exists(path):
    text = printed(path)
    assert PROGRAM.findall(text) == []
    assert set(re.findall(r"-m book ([a-z]\w*)", text)) <= set(COMMANDS)
    assert {name.replace("-", "_") for name in re.findall(r"-m data ([a-z][\w-]*)", text)} <= {
        *scripts(), "features", "census", "pulse"}  # pulse: what chapter and page have one write
    assert set(re.findall(r"(?:^|(?<=\n))(?:gmake|make) ([a-z][\w-]*)", text)) <= TARGETS
    for name in re.findall(r"(?<![\w/])book/batches/\w+\.yaml", text):
        assert (ROOT / name).is_file()


def test_a_bare_program_and_a_missing_target_would_be_seen(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("Type `python -m book\nplan`.\n```\nmake nosuch\n```\n")
    assert PROGRAM.findall(printed(page)) and "make nosuch" in printed(page)


@pytest.mark.parametrize("active", [True, False])
def test_an_error_and_a_help_print_what_can_be_pasted(active, monkeypatch, capsys):
    monkeypatch.setattr(ending.shutil, "which", lambda name: sys.executable if active else None)
    before = "" if active else ".venv/bin/"

    def refuse(arguments):
        if "--help" in arguments:
            print("try python -m data planted")
            raise SystemExit(0)
        raise StudyError("x is missing: `python -m data folder DIR`, or make data")

    assert ended(refuse, []) == 2
    assert f"`{before}python -m data folder" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        ended(refuse, ["--help"])
    assert capsys.readouterr().out == f"try {before}python -m data planted\n"
    assert typed(".venv/bin/python -m book plan") == ".venv/bin/python -m book plan"


@pytest.mark.parametrize("active", [True, False])
def test_explanations_beside_commands_stay_in_their_column(active, monkeypatch):
    monkeypatch.setattr(ending.shutil, "which", lambda name: sys.executable if active else None)
    help_text = ("usage: python -m data x [-h] [--out DIR]\n"
                 "                        [--from DIR]\n\n"
                 "  python -m data x          downloads, and goes on\n"
                 "                            where it stopped\n"
                 "  python -m data x --small  some\n\n"
                 "options:\n"
                 "  --from DIR            what `python -m data x`\n"
                 "                        takes\n")
    usage, more, _, first, under, second, *options = typed(help_text).splitlines()
    assert usage.index("[-h]") == more.index("[--from")
    assert first.index("downloads") == under.index("where") == second.index("some")
    assert options[-1] == "                        takes"


@pytest.mark.parametrize("given", [[], ["DATA=/mine"], ["DATASET=ucf101", "FROM=/mine", "SPLIT=2"]], ids=str)
@pytest.mark.parametrize("target", sorted(TARGETS - {"PHONY"}))
def test_every_target_is_a_program_that_its_shell_can_read(target, given):
    """A comma within `$(if ...)` begins another branch, which only the shell would notice."""
    recipe = subprocess.run(["make", "-n", "-o", ".venv/.ready", target, *given], cwd=ROOT, capture_output=True, text=True)
    assert recipe.returncode == 0, recipe.stderr
    read = subprocess.run(["bash", "-n"], input=recipe.stdout, capture_output=True, text=True)
    assert not read.stderr, read.stderr
