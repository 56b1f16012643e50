"""A run's state in one file, `checkpoint.safetensors`: what `tfe.training.fit` is handed."""

import json
from contextlib import contextmanager
from pathlib import Path

from safetensors import safe_open
from safetensors.torch import save_file

from data.files.paths import atomic
from tfe.errors import StudyError


class Checkpoint:
    """Weights, optimisers and history of a run, in `folder/checkpoint.safetensors`.

    One file, written atomically, so that its parts can never be of different epochs. The settings in
    it say which run it is: another one does not go on from it.
    """

    def __init__(self, folder):
        self.path = Path(folder) / "checkpoint.safetensors"

    def save(self, state):
        """Write the state that `fit` gives."""
        tensors = {f"system.{name}": value for name, value in state["system"].items()}
        for player, numbers in state["optimisers"].items():
            for number, values in numbers.items():
                tensors |= {f"optimiser.{player}.{number}.{k}": v for k, v in values.items()}
        run = {"history": state["rows"], "settings": state["settings"]}
        with atomic(self.path) as temporary:
            # One entry: safetensors writes several in an order that changes from run to run.
            save_file({k: v.contiguous() for k, v in tensors.items()}, temporary,
                      {"run": json.dumps(run)})

    def load(self, start):
        """The state that was saved last, or None; `start` is that of the run as it begins.

        Raises StudyError where the file is damaged, of another system or of another run.
        """
        if not self.path.is_file():
            return None
        state = _read(self.path)
        self._refuse_another_system(state["system"], start["system"])
        settings = json.loads(json.dumps(start["settings"]))  # a tuple comes back as a list
        for name, value in settings.items():
            there = state["settings"].get(name)
            if _alike(there) != _alike(value):
                raise StudyError(f"{self.path} is of another run ({name}: {str(there)[:80]} there, "
                                 f"{value} here): choose another folder, or delete it")
        return {**state, "optimisers": {player: state["optimisers"].get(player, {})
                                        for player in start["optimisers"]}}

    def _refuse_another_system(self, *states):
        there, here = ({name: tuple(value.shape) for name, value in state.items()}
                       for state in states)
        differs = sorted(n for n in there | here if there.get(n) != here.get(n))
        if differs:
            shapes = [state.get(differs[0], "absent") for state in (there, here)]
            raise StudyError(f"{self.path} is of another system ({differs[0]}: {shapes[0]} there, "
                             f"{shapes[1]} here): delete it to start the run anew")


def _alike(setting):
    """A setting without what changes no result: a run may go on in smaller parts, on another card."""
    return ({k: v for k, v in setting.items() if k != "accumulate"} if isinstance(setting, dict)
            else setting)


def tensors(path):
    """`(tensors by name, what is noted in the header)` of a safetensors file.

    Raises StudyError where it is missing or damaged, without memory for what it only announces.
    """
    with _opened(path) as file:
        return {name: file.get_tensor(name) for name in file.keys()}, file.metadata() or {}


def weights(folder):
    """The weights in a run's checkpoint, the state of its system.

    Raises StudyError where it is missing or damaged.
    """
    return {name.removeprefix("system."): value
            for name, value in tensors(Path(folder) / "checkpoint.safetensors")[0].items()
            if name.startswith("system.")}


def check(folder):
    """Raise StudyError where a run's checkpoint, if there is one, is damaged."""
    path = Path(folder) / "checkpoint.safetensors"
    if path.is_file():
        with _opened(path):
            pass


@contextmanager
def _opened(path):
    if not Path(path).is_file():
        raise StudyError(f"{path} is missing: run it again")
    try:
        with safe_open(path, "pt") as file:
            yield file
    except Exception as error:  # safetensors has no public base class for its errors
        raise StudyError(f"{path} is damaged ({str(error)[:200]}): delete it to start the run "
                         "anew") from None


def _read(path):
    """The state in the file: what `Checkpoint.save` was given."""
    found, noted = tensors(path)
    try:
        run = json.loads(noted["run"])
        state = {"settings": dict(run["settings"]), "rows": list(run["history"]), "system": {},
                 "optimisers": {}}
        for name, value in found.items():
            kind, rest = name.split(".", 1)
            if kind == "system":
                state["system"][rest] = value
            else:
                player, number, key = rest.rsplit(".", 2)
                state["optimisers"].setdefault(player, {}).setdefault(int(number), {})[key] = value
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise StudyError(f"{path} is no checkpoint of a run ({type(error).__name__}): delete it to "
                         "start the run anew") from None
    return state
