"""A run's state in one file, `checkpoint.safetensors`: what `tfe.training.fit` is handed."""

import json
from pathlib import Path

from safetensors.torch import load_file, save_file

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
        try:
            state = _read(self.path)
        except Exception as error:  # safetensors has no public base class for its errors
            raise StudyError(f"{self.path} is damaged ({error}): delete it to start the run "
                             "anew") from None
        self._refuse_another_system(state["system"], start["system"])
        settings = json.loads(json.dumps(start["settings"]))  # a tuple comes back as a list
        for name, value in settings.items():
            if state["settings"][name] != value:
                raise StudyError(f"{self.path} is of another run ({name}: {state['settings'][name]} "
                                 f"there, {value} here): choose another folder, or delete it")
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


def _read(path):
    """The state in the file: what `Checkpoint.save` was given."""
    with open(path, "rb") as file:
        header = json.loads(file.read(int.from_bytes(file.read(8), "little")))
    run = json.loads(header["__metadata__"]["run"])
    state = {"settings": run["settings"], "rows": run["history"], "system": {}, "optimisers": {}}
    for name, value in load_file(path).items():
        kind, rest = name.split(".", 1)
        if kind == "system":
            state["system"][rest] = value
        else:
            player, number, key = rest.rsplit(".", 2)
            state["optimisers"].setdefault(player, {}).setdefault(int(number), {})[key] = value
    return state
