"""Published weights: which files are known, where they belong, and whether they are the right ones.

Nothing is fetched. A user puts files into the folder that the variable TFE_WEIGHTS names, else into
`data/weights/`, and is told exactly which is missing.
"""

import io
import json
import os
import tomllib
import zipfile
from pathlib import Path
from typing import NamedTuple

from tfe.errors import StudyError
from data.files.paths import DATA
from data.files.store import sha256


class File(NamedTuple):
    """A known file, by its name below the weights' folder; sha256 None where none is published."""

    name: str
    source: str
    sha256: str | None = None


HUB = "huggingface.co/"
KNOWN = tomllib.loads(Path(__file__).with_name("weights.toml").read_text(encoding="utf-8"))
FILES = {name: File(name, source, sha256 or None)
         for source, names in KNOWN["sources"].items() for name, sha256 in names.items()}


def folder():
    """Where weights lie."""
    return Path(os.environ.get("TFE_WEIGHTS") or DATA / "weights").expanduser()


def find(name, where=None):
    """The path of a file of weights.

    name: a file that weights.toml lists; a purpose there, such as "clip-l14", which several files serve;
    or any other file in the folder. It is looked for in the weights' folder, then in the cache that
    `hf download` fills. Where it is not there, StudyError names file, folder, source and sha256.
    """
    where = Path(where or folder())
    names = KNOWN["either"].get(name, (name,))
    for each in names:
        if (where / each).is_file():
            return where / each
    for each in names:
        if cached := _cached(each):
            return cached
    known = FILES.get(names[0], File(names[0], "its authors"))
    raise StudyError(f"the weights {where / known.name} are missing: get {names[0]} from {known.source}"
                     + (f", sha256 {known.sha256}" if known.sha256 else "")
                     + (f", or {names[1]} from {FILES[names[1]].source}" if len(names) > 1 else "")
                     + " (TFE_WEIGHTS names another folder)")


def _cached(name):
    """A file of the model hub in its own cache, or None; no network."""
    if name not in FILES or not FILES[name].source.startswith(HUB):
        return None
    try:
        from huggingface_hub import try_to_load_from_cache
    except ImportError:  # it comes with transformers
        return None
    found = try_to_load_from_cache(FILES[name].source.removeprefix(HUB), name.partition("/")[2])
    return Path(found) if isinstance(found, str) else None


def pinned(path):
    """The sha256 that a file of this name must have, or None."""
    names = (path.name, f"{path.parent.name}/{path.name}")
    return next((FILES[name].sha256 for name in names if name in FILES), None)


def read(path, trust=()):
    """Read a checkpoint: a dict of tensors, or of such dicts as the peers save.

    safetensors can hold nothing but tensors. Any other file is read where its sha256 is pinned above
    or its name stands in `trust`, and even then only tensors and plain containers are admitted; an
    archive of TorchScript, which is a program, only where pinned. Raises StudyError otherwise.
    """
    import torch
    from safetensors.torch import load

    path = Path(path)
    if path.suffix == ".safetensors":
        try:
            return load(path.read_bytes())
        except Exception as error:  # safetensors has no public base class for its errors
            raise StudyError(f"{path} is damaged ({error}): get it again") from None
    found, expected = sha256(path), pinned(path)
    if expected and found != expected:
        raise StudyError(f"{path} has sha256 {found}, not {expected}: get it again from "
                         f"{FILES[path.name].source}")
    if not expected and path.name not in trust:
        raise StudyError(f"{path} is a pickle whose hash nobody published (sha256 {found}): if you "
                         f"trust its source, name it: trust=({path.name!r},)")
    content = io.BytesIO(path.read_bytes())
    try:
        if expected and _is_program(content):
            return torch.jit.load(content, map_location="cpu").state_dict()
        content.seek(0)
        return torch.load(content, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises many kinds
        reason = str(error).strip().partition("\n")[0]
        raise StudyError(f"{path} holds more than tensors, or is damaged ({reason}): get it "
                         "again, or leave it out") from None


def _is_program(content):
    """Whether it is an archive of TorchScript, as OpenAI's are."""
    if not zipfile.is_zipfile(content):
        return False
    with zipfile.ZipFile(content) as archive:
        names = archive.namelist()
    content.seek(0)
    return any(name.endswith("/constants.pkl") for name in names)


def initialise(system, classes, files, where=None, trust=()):
    """Fill a system of the preset "paper" with published weights, and with the text of its classes.

    classes: the class names; files: names as `find` takes them, e.g. ("clip-l14-336",
    "k400-vit-l-14-336-f16.pt"), later ones over earlier ones. Class text needs CLIP's vocabulary,
    bpe_simple_vocab_16e6.txt.gz. Returns what was filled, `{file: [parts]}`. Raises StudyError for a
    file that is missing, not the right one, or of no use to this system.
    """
    from data.encoders import clip, official

    filled = {}
    for name in files:
        path = find(name, where)
        state = official.parts(read(path, trust))
        filled[path.name] = official.load(system, state, normalisation(path))
        if "text" in state:
            vocabulary = find("bpe_simple_vocab_16e6.txt.gz", where)
            if sha256(vocabulary) != pinned(vocabulary):
                raise StudyError(f"{vocabulary} is another file than expected: get it again from "
                                 f"{FILES[vocabulary.name].source}")
            prompts = [system.backbone.prompt.format(name) for name in classes]
            ids = clip.tokens(prompts, vocabulary)
            system.backbone.set_text(clip.text(state["text"], ids))
            filled[path.name].append("text")
    return filled


def published(name):
    """What a known file holds: its `parts` (`official.parts`) and its config's `normalisation`."""
    from data.encoders import official

    path = find(name)
    return {"parts": official.parts(read(path)), "normalisation": normalisation(path)}


def normalisation(path):
    """`(mean, std)` of a checkpoint's own config beside it, or None where there is none."""
    config = path.with_name("preprocessor_config.json")
    if path.suffix != ".safetensors" or not config.is_file():
        return None
    try:
        told = json.loads(config.read_text(encoding="utf-8"))
        return tuple([float(value) for value in told[key]] for key in ("image_mean", "image_std"))
    except (ValueError, KeyError, TypeError):
        raise StudyError(f"{config} names no image_mean and image_std: get it again") from None


def census(where=None):
    """Every known file: `(name, source, sha256, state)`, state "present", "absent" or "wrong hash".

    A file that is present and has no published hash is shown with the hash that it has.
    """
    where = Path(where or folder())
    for file in FILES.values():
        path, state, digest = where / file.name, "absent", file.sha256
        if path.is_file():
            found = sha256(path)
            state = "wrong hash" if file.sha256 and found != file.sha256 else "present"
            digest = file.sha256 or found
        yield file.name, file.source, (digest or "none published")[:14], state
