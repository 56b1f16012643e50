"""The one exception that a user can mend."""


class StudyError(ValueError):
    """Bad input. The message is one line that names the file or argument and the remedy.

    The command line prints it and exits with code 2.
    """
