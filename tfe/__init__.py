"""The model and the adversarial loop of the study of temporal fidelity enhancement.

Public names and submodules load on first use, so that `import tfe` costs nothing.
"""

from importlib import import_module
from importlib.util import find_spec

_HOME = {"relaxed_khot": "khot", "hard_khot": "khot", "Disentangler": "disentangler",
         "StudyError": "errors"}
__all__ = list(_HOME)


def __getattr__(name):
    if name in _HOME:
        return getattr(import_module(f"tfe.{_HOME[name]}"), name)
    if not name.startswith("_") and find_spec(f"tfe.{name}"):  # not for __path__ and its like
        return import_module(f"tfe.{name}")
    raise AttributeError(f"module 'tfe' has no attribute {name!r}")


def __dir__():
    return sorted([*globals(), *__all__])
