"""The one exception that a user can mend."""


class StudyError(ValueError):  # a ValueError: callers need not know the class
    """Bad input: one line that names the file or argument and the remedy; commands exit with 2."""


def one_of(name, value, choices):
    """Raise StudyError unless the option called `name` has one of its values."""
    if value not in choices:
        raise StudyError(f"{name} is {value!r}: choose one of {', '.join(choices)}")
