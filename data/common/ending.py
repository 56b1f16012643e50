"""How every command ends: its exit code, and one line where a user can mend something."""

import re
import shutil
import sys
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path
from textwrap import indent
from traceback import extract_tb

from tfe.errors import StudyError

# What torch and the driver say of a card, what that means, and what to set.
CARD = {
    r"busy or unavailable": "another job holds the card: end it (nvidia-smi lists it), or name "
    "another card in CUDA_VISIBLE_DEVICES",
    r"CUDA.*out of memory": "the card has too little memory: double accumulate in the schedule "
    "(`python -m book plan` says what fits), or end the other jobs that nvidia-smi lists",
    r"driver.*(too old|insufficient)": "the card's driver is too old for this torch: bring it up to "
    "date, or install torch's build for an older CUDA",
    r"not support bfloat16": "the card has no bf16: set precision to fp32",
    r"CUDA error|no CUDA-capable|No CUDA GPUs|NCCL error": "the card failed or is gone: look at "
    "nvidia-smi, reset it or restart the machine"}


def of_card(text):
    """One line for what a card's driver says, with what to set; None where it is not the card."""
    line = next((line for pattern, line in CARD.items() if re.search(pattern, text)), None)
    return line and f"{line}; then the same command goes on from the last epoch"


def typed(text):
    """`text` with `.venv/bin/` before its commands, where no activated environment would find them."""
    python = shutil.which("python")
    if python and Path(python).parent == Path(sys.executable).parent:
        return text
    before = ".venv/bin/"
    # What stands under a command's explanation, or under a usage, moves with it.
    text = re.sub(r"^((?:usage:)? *python (?:-m|book/).*\n)((?: {20,}.*\n)+)",
                  lambda found: found[1] + indent(found[2], " " * len(before)), text, flags=re.M)
    return re.sub(r"(?<![\w./-])(?=python (-m (book|data)\b|book/)|papermill book/|torchrun --)",
                  before, text)


def ended(main, arguments=None):
    """Run `main(arguments)` as a command; return its exit code.

    That is what `main` returns, or 0; 2 for bad input, a full disk or a card in trouble, each told in
    one line, in which long quoted texts are cut; 130 for Ctrl-C. Commands that an error or a `--help`
    prints work as pasted.
    """
    out = sys.stdout
    try:
        if {"-h", "--help"}.isdisjoint(sys.argv[1:] if arguments is None else arguments):
            return main(arguments) or 0
        with redirect_stdout(StringIO()) as said:
            try:
                return main(arguments) or 0
            finally:
                print(typed(said.getvalue()), end="", file=out)
    except StudyError as error:
        text = re.sub(r"(?<!\w)(['\"])((?:(?!\1).){197})(?:(?!\1).)+(?=\1)", r"\1\2...", str(error))
        print(f"error: {' '.join(typed(text).split())}", file=sys.stderr)
        return 2
    except OSError as error:  # a full disk, a folder that may not be written
        last = extract_tb(error.__traceback__)[-1]
        where = "" if error.filename else f" (in {last.filename}, line {last.lineno})"
        print(f"error: {error}{where}: mend it and run the same command again", file=sys.stderr)
        return 2
    except RuntimeError as error:
        if not of_card(str(error)):
            raise
        print(f"error: {of_card(str(error))}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("interrupted: run the same command again to go on", file=sys.stderr)
        return 130
