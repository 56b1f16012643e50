"""How every command ends: its exit code, and one line where a user can mend something."""

import re
import sys
from traceback import extract_tb

from tfe.errors import StudyError


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
