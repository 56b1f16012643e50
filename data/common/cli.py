"""How every script of this folder ends: 0, or one line on stderr and a number that says why."""

import sys

from tfe.errors import StudyError


def ended(main, arguments=None):
    """Run `main(arguments)`; return 0, 2 for what a user can mend, or 130 for Ctrl-C."""
    try:
        main(arguments)
    except StudyError as error:
        print(f"error: {' '.join(str(error).split())}", file=sys.stderr)
        return 2
    except OSError as error:  # a full disk, a folder that cannot be written
        print(f"error: {error}: free space or choose another folder", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("interrupted: run the same command again to go on", file=sys.stderr)
        return 130
    return 0
