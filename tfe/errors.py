"""The one exception that a user can mend, and how every command ends."""

import re
import sys
from traceback import extract_tb


class StudyError(ValueError):
    """Bad input, in one line that names the file or argument and the remedy; commands exit with 2."""


def one_of(name, value, choices):
    """Raise StudyError unless the option called `name` has one of its values."""
    if value not in choices:
        raise StudyError(f"{name} is {value!r}: choose one of {', '.join(choices)}")


def ended(main, arguments=None):
    """Run `main(arguments)`; return its code or 0, 2 for bad input (quotes cut), 130 for Ctrl-C."""
    try:
        return main(arguments) or 0
    except StudyError as error:
        text = re.sub(r"(?<!\w)(['\"])((?:(?!\1).){197})(?:(?!\1).)+(?=\1)", r"\1\2...", str(error))
        print(f"error: {' '.join(text.split())}", file=sys.stderr)
        return 2
    except OSError as error:  # a full disk, a folder that may not be written
        last = extract_tb(error.__traceback__)[-1]
        where = "" if error.filename else f" (in {last.filename}, line {last.lineno})"
        print(f"error: {error}{where}: mend it and run the same command again", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("interrupted: run the same command again to go on", file=sys.stderr)
        return 130
