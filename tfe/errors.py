"""The one exception that a user can mend, and how every command ends."""

import re
import sys
from traceback import extract_tb


class StudyError(ValueError):
    """Bad input. The message is one line that names the file or argument and the remedy.

    The command line prints it and exits with code 2.
    """


def one_of(name, value, choices):
    """Raise StudyError unless the option called `name` has one of its values."""
    if value not in choices:
        raise StudyError(f"{name} is {value!r}: choose one of {', '.join(choices)}")


def ended(main, arguments=None):
    """Run `main(arguments)`; return its code or 0, 2 for what a user can mend, or 130 for Ctrl-C."""
    try:
        return main(arguments) or 0
    except StudyError as error:
        # What it quotes of a file, which may be megabytes, is cut to 200 characters.
        text = re.sub(r"""(?<!\w)(['"])((?:(?!\1).){197})(?:(?!\1).)+(?=\1)""", r"\1\2...",
                      " ".join(str(error).split()))
        print(f"error: {text}", file=sys.stderr)
        return 2
    except OSError as error:  # a full disk, a folder that may not be written
        last = extract_tb(error.__traceback__)[-1]
        where = "" if error.filename else f" (in {last.filename}, line {last.lineno})"
        print(f"error: {error}{where}: mend it and run the same command again", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("interrupted: run the same command again to go on", file=sys.stderr)
        return 130
