"""Every guard proven: an attack that fails while the guard stands, and succeeds without it.

`GUARDS` names for each guard how it is taken out and the attack that it stops. An attack raises `Harm`
where it succeeds. The first test sees each fail; the second takes the guard out and sees it succeed,
so that no attack here is one that could not have done harm anyway.
"""

import io
import json
import pickle
import resource
import zipfile
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace
from unittest.mock import patch

import numpy as np
import pandas as pd
import pytest
import torch

from data.common.archives import extract
from data.common.generators.render import write_video
from data.common.generators.storyboard import storyboard
from book.runs import heads
from data.encoders import i3d, recipes, store_key
from data.files import paths, store
from data.files.dataset import open_dataset, write_dataset
from data.video import decode, film
from tfe import StudyError, systems


class Harm(Exception):
    """The attack succeeded."""


@dataclass(frozen=True)
class Guard:
    attack: object  # folder -> None; raises Harm where it succeeds
    out: object  # () -> context manager without the guard


FLAG = "the pickle's code was run"


class Evil:
    def __reduce__(self):
        return exec, (f"import builtins; builtins.harmed = {FLAG!r}",)


@contextmanager
def nothing_runs():
    """Raise Harm where what was read ran code."""
    import builtins

    builtins.harmed = None
    try:
        yield
    except Harm:
        raise
    except Exception:  # refused, or broken after the code was run
        pass
    finally:
        harmed, builtins.harmed = builtins.harmed, None
    if harmed:
        raise Harm(harmed)


def evil_checkpoint(folder):
    with nothing_runs():
        i3d.read_checkpoint(pickle.dumps({"params": Evil()}))


def evil_weights(folder):
    buffer = io.BytesIO()
    torch.save({"x": Evil()}, buffer)
    with nothing_runs():
        recipes._tensors(buffer.getvalue())


def evil_array(folder):
    toy(folder)
    np.save(folder / "features" / "mine" / "features.npy", np.array([Evil()], object))
    with nothing_runs():
        store.open_features(open_dataset(folder), "mine")


def toy(folder):
    """A dataset of one video with features."""
    videos = pd.DataFrame({"video_id": ["a"], "split": "train", "duration": 1.0, "labels": "go"})
    write_dataset(folder, {"task": "singlelabel", "classes": ["go"]}, videos)
    store.write_features(folder / "features" / "mine", ["a"], np.ones((1, 4, 2)), {})


def refused(action, harm):
    """Raise Harm unless the action raises StudyError."""
    try:
        action()
    except StudyError:
        return
    raise Harm(harm)


def changed_weights(folder):
    recipe = replace(recipes.ENCODERS["efficientnet-lite0"], parse=lambda content: "parsed",
                     sha256="0" * 64)
    refused(lambda: recipes.read_weights(recipe), "weights of another hash were parsed")


def mixed_store(folder):
    toy(folder)
    store.save_array(folder / "features" / "mine" / "features.npy", np.zeros((1, 4, 2), np.float16))
    refused(lambda: store.open_features(open_dataset(folder), "mine"),
            "features and index of different writes were read")


def store_made_otherwise(folder):
    settings = store_key.settings_of("efficientnet-lite0")
    toy(folder)
    made = folder / "features" / "efficientnet-lite0"
    (folder / "features" / "mine").rename(made)
    meta = json.loads((made / "meta.json").read_text())
    (made / "meta.json").write_text(json.dumps(meta | settings | {"weights_sha256": "0" * 64}))
    dataset = open_dataset(folder)
    refused(lambda: store_key.known_rows(dataset, made, settings),
            "features of other weights were kept beside new ones")


def head(folder):
    system = systems.build("mean-pool", "none", 2, 8, "multilabel")
    card = {"row": "r", "method": "mean-pool", "backbone": "none", "classes": ["a", "b"],
            "features": {"d": 8}, "task": "multilabel"}
    heads.write(heads.Head(system, card), folder / "head")
    return folder / "head"


def touched_head(folder):
    path = head(folder) / "approximator.safetensors"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    refused(lambda: heads.read(path.parent), "a head was read whose bytes were changed")


def stranger_key(folder):
    where = head(folder)
    card = json.loads((where / "head.json").read_text())
    path = where / "approximator.safetensors"
    from safetensors.torch import load_file, save_file

    save_file({f"other.{name}": value for name, value in load_file(path).items()}, path)
    card["sha256"][path.name] = store.sha256(path)
    (where / "head.json").write_text(json.dumps(card))
    refused(lambda: heads.read(where), "weights of other names were left out in silence")


def run_outside(folder):
    (folder / "evil").mkdir()
    (folder / "evil" / "metrics.json").write_text("{}")
    (folder / "local").mkdir()
    with patch.object(heads, "LOCAL", folder / "local"):
        try:
            heads.of_run("../evil")
        except StudyError as error:
            if "is no finished run" not in str(error):  # it went on to read files outside
                raise Harm("a run outside results/local was opened") from None


def torn_file(folder):
    path = folder / "table.csv"
    path.write_text("whole")
    try:
        with paths.atomic(path) as temporary:
            temporary.write_text("ha")
            raise KeyboardInterrupt
    except KeyboardInterrupt:
        pass
    if path.read_text() != "whole":
        raise Harm("an interrupted write left half a file")


@contextmanager
def in_place(path):
    yield Path(path)


def short_write(folder):
    """The disk fills up within the last of numpy's buffers."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, before[1]))
    try:
        store.save_array(folder / "x.npy", np.zeros((4, 1280), np.float16))
    except OSError:
        return
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    raise Harm("an array was cut short in silence")


def by_numpy_alone(path, x):
    with paths.atomic(path) as temporary:
        np.save(temporary, x)


def playlist(folder):
    write_video(storyboard("train", 0), folder / "secret.mp4")
    path = folder / "list.mp4"
    path.write_text("ffconcat version 1.0\nfile secret.mp4\n")
    refused(lambda: decode.sample(path, 2), "a playlist opened the file that it names")


def member_outside(folder):
    archive = folder / "a.zip"
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("../../evil.txt", "x" * 10)
    target = folder / "deep" / "er"
    target.mkdir(parents=True)
    try:
        list(extract.unpack(archive, lambda name: target / name))
    except StudyError:
        pass
    if (folder / "evil.txt").exists():
        raise Harm("a member was written outside the folder")


class Anything(pickle.Unpickler):
    """The unpickler without its list."""


REAL_LOAD, REAL_NPY = torch.load, np.load

GUARDS = {
    "restricted unpickling: the video encoder": Guard(
        evil_checkpoint, lambda: patch.object(i3d, "ArrayUnpickler", Anything)),
    "restricted unpickling: torch weights": Guard(
        evil_weights, lambda: patch.object(
            torch, "load", lambda file, **_: REAL_LOAD(file, weights_only=False))),
    "no pickled arrays": Guard(
        evil_array, lambda: patch.object(
            np, "load", lambda path, **_: REAL_NPY(path, allow_pickle=True))),
    "hash of the weights": Guard(
        changed_weights, lambda: patch.object(recipes, "hashlib", SimpleNamespace(
            sha256=lambda _: SimpleNamespace(hexdigest=lambda: "0" * 64)))),
    "hashes of a store": Guard(mixed_store, lambda: patch.object(
        store, "stale", lambda *_: iter(()))),
    "settings of a store": Guard(store_made_otherwise, lambda: patch.object(
        store_key, "known_rows", lambda *_: {})),
    "hashes of a head": Guard(touched_head, lambda: patch.object(
        heads.store, "sha256", lambda path: "the same")),
    "key mismatch": Guard(stranger_key, lambda: patch.object(
        torch.nn.Module, "load_state_dict", lambda *_, **__: None)),
    "names of runs": Guard(run_outside, lambda: patch.object(heads.re, "fullmatch", lambda *_: True)),
    "atomic writes": Guard(torn_file, lambda: patch.object(paths, "atomic", in_place)),
    "full disks noticed": Guard(short_write, lambda: patch.object(
        store, "save_array", by_numpy_alone)),
    "formats of videos": Guard(playlist, lambda: patch.object(
        film, "FORMATS", f"concat,{film.FORMATS}")),
    "names in archives": Guard(member_outside, lambda: patch.object(
        extract, "_check", lambda *_: None)),
}


@pytest.mark.parametrize("name", GUARDS)
def test_the_attack_fails_while_the_guard_stands(name, tmp_path):
    GUARDS[name].attack(tmp_path)


@pytest.mark.parametrize("name", GUARDS)
def test_the_attack_succeeds_without_the_guard(name, tmp_path):
    with ExitStack() as stack:
        stack.enter_context(GUARDS[name].out())
        with pytest.raises(Harm):
            GUARDS[name].attack(tmp_path)
