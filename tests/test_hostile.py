"""Files that attack, or are merely wrong: each is refused in one line, before anything is trained.

One process, 5 seconds of its time and 500 MB each. A line of a table is a name, what is done to a
sound folder, and a word that the refusal must hold. The folder has `batch.yaml` and a dataset, `data/`.
"""

import json
import os
import resource
import shutil
import signal
import struct
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from book.__main__ import main
from book.evidence import phase
from book.runs import batch, heads
from data import planted
from data.common.archives import acquire
from data.files import paths
from data.files.dataset import open_dataset
from data.common.ending import ended
from tfe.errors import StudyError

SECONDS, BYTES = 5, 500 * 2**20
KEY = "0123456789abcdef"
BATCH = """
table: toy
dataset: {data}
encoder: planted
profile: smoke
seeds: [0]
rows:
  - {{row: BIKE, backbone: bike, method: vanilla}}
  - {{row: TFE, backbone: bike, method: tfe, against: BIKE}}
"""


@pytest.fixture(scope="module")
def sound(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sound")
    planted.main(["--features-only", "--out", str(folder / "data"), "--train", "12", "--val", "4",
                  "--test", "6", "--shifted", "6"])
    return folder


@pytest.fixture
def folder(sound, tmp_path, monkeypatch):
    """A copy to spoil; no run may begin, and what is local is written beside it."""
    copy = tmp_path / "in"
    shutil.copytree(sound, copy)
    (copy / "batch.yaml").write_text(BATCH.format(data=copy / "data"))
    for module, begin in ((batch, "execute"), (phase, "run")):
        monkeypatch.setattr(module, begin, lambda *_: pytest.fail("runs began"))
    for module in (batch, heads):
        monkeypatch.setattr(module, "LOCAL", copy / "local")
    return copy


@contextmanager
def bounded():
    """Little time and memory, for what is done within."""
    before = resource.getrlimit(resource.RLIMIT_AS)
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + BYTES, before[1]))
    old = signal.signal(signal.SIGVTALRM, lambda *_: pytest.fail(f"took more than {SECONDS} s"))
    signal.setitimer(signal.ITIMER_VIRTUAL, SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, old)
        resource.setrlimit(resource.RLIMIT_AS, before)


def state(*folders):
    """The files of folders, but for the record that suites of `make test-all` write meanwhile."""
    found = (path for folder in folders for path in folder.rglob("*"))
    return {path: path.lstat().st_mtime_ns for path in found if not path.is_dir()
            and not (path.parent == paths.LOCAL and path.name.startswith((".unfinished", "reliability")))}


def refused(folder, word, capsys, command):
    """Run `command`; see one line with `word` and exit code 2, and nothing written."""
    capsys.readouterr()
    before = state(folder.parent, paths.RESULTS)
    with bounded():
        code = command()
    lines = capsys.readouterr().err.strip().splitlines()
    assert code == 2 and len(lines) == 1, lines
    said = lines[0].replace(str(folder), "")  # which holds the test's name
    assert word in said and len(said) < 1000, said
    assert state(folder.parent, paths.RESULTS) == before


def new(old, text):
    """The batch file with `text` in the place of `old`."""
    def spoil(folder):
        path = folder / "batch.yaml"
        before = path.read_text()
        assert old in before
        path.write_text(before.replace(old, text, 1))
    return spoil


def more(text):
    return lambda folder: (folder / "batch.yaml").write_text(
        (folder / "batch.yaml").read_text() + text + "\n")


def whole(content):
    return lambda folder: (folder / "batch.yaml").write_bytes(content)


def linked(folder):
    (folder / "batch.yaml").unlink()
    (folder / "batch.yaml").symlink_to("/dev/zero")


ANCHORS = b"a: &a [x, x, x, x, x, x, x, x, x]\n" + b"".join(
    b"%c: &%c [%s]\n" % (c + 1, c + 1, b", ".join([b"*%c" % c] * 9)) for c in range(97, 106))
HEAD = "method: vanilla, head: "
BATCHES = {
    "table above": (new("toy", "../table1"), "table"),
    "table two above": (new("toy", "../../x"), "table"),
    "table absolute": (new("toy", "/elsewhere/x"), "table"),
    "table hidden": (new("toy", ".x"), "table"),
    "table empty": (new("toy", "''"), "table"),
    "table number": (new("toy", "3"), "table"),
    "table long": (new("toy", "t" * 5000), "table"),
    "table list": (new("toy", "[a]"), "table"),
    "two rows of one name": (new("row: TFE", "row: BIKE"), "name of its own"),
    "row without name": (new("row: TFE, ", ""), "name of its own"),
    "row named 3": (new("row: TFE", "row: 3"), "name of its own"),
    "row long": (new("row: TFE", "row: " + "x" * 10**5), "name of its own"),
    "row no dict": (more("  - 5"), "rows"),
    "a seed twice": (new("[0]", "[0, 0]"), "seeds names one twice"),
    "a billion seeds": (new("[0]", "1000000000"), "seeds"),
    "no seeds": (new("[0]", "[]"), "seeds"),
    "seeds true": (new("[0]", "true"), "seeds"),
    "seed negative": (new("[0]", "[-1]"), "seeds"),
    "seed broken": (new("[0]", "[0.5]"), "seeds"),
    "seed huge": (new("[0]", f"[{10**30}]"), "seeds"),
    "seed of digits": (new("[0]", "9" * 5000), "YAML"),
    "seed of a row": (new("row: TFE", "seed: 4, row: TFE"), "no `seed` for a row"),
    "grid of nothing": (more("grid: {nope.k: [1, 2]}"), "unknown key 'nope'"),
    "grid of no option": (more("grid: {schedule.k: [1, 2]}"), "unknown key 'k'"),
    "grid into a name": (more("grid: {method.k: [1]}"), "has none"),
    "grid no list": (more("grid: {schedule.epochs: 3}"), "grid"),
    "grid empty": (more("grid: {schedule.epochs: []}"), "grid"),
    "grid value twice": (more("grid: {schedule.epochs: [1, 1]}"), "one name"),
    "grid of billions": (more("grid: {" + ", ".join(
        f"schedule.{n}: [{', '.join(map(str, range(9)))}]" for n in "abcdefghijkl") + "}"), "runs"),
    "splits twice": (more("splits: [test, test]"), "splits names one twice"),
    "split unknown": (more("splits: [tset]"), "splits"),
    "folds 0": (more("folds: 0"), "folds"),
    "key unknown": (more("colour: red"), "unknown key 'colour'"),
    "key misspelt": (more("profil: smoke"), "did you mean profile"),
    "key twice": (more("table: other"), "twice"),
    "dataset number": (lambda f: (f / "batch.yaml").write_text(
        (f / "batch.yaml").read_text().replace(str(f / "data"), "3")), "dataset"),
    "encoder a path": (new("planted", "../planted"), "encoder"),
    "profile unknown": (new("smoke", "hasty"), "profile"),
    "method list": (new("method: tfe", "method: [tfe]"), "method"),
    "method unknown": (new("method: tfe", "method: tef"), "unknown"),
    "epochs 0": (new("method: tfe", "method: tfe, schedule: {epochs: 0}"), "epochs"),
    "epochs a word": (new("method: tfe", "method: tfe, schedule: {epochs: many}"), "epochs"),
    "lr negative": (new("method: tfe", "method: tfe, schedule: {lr: -1}"), "lr"),
    "lr nan": (new("method: tfe", "method: tfe, schedule: {lr: .nan}"), "lr"),
    "lr a text": (new("method: tfe", "method: tfe, schedule: {lr: '1e-3'}"), "lr"),
    "betas of one": (new("method: tfe", "method: tfe, schedule: {betas: [2, 2]}"), "betas"),
    "schedule a list": (new("method: tfe", "method: tfe, schedule: [1]"), "schedule"),
    "dim 60000": (new("method: vanilla", HEAD + "{dim: 60000}"), "dim"),
    "dim 4096 deep": (new("method: vanilla", HEAD + "{dim: 4096, layers: 40}"), "row BIKE"),
    "layers of a billion": (new("method: vanilla", HEAD + "{layers: 1000000000}"), "layers"),
    "dim 0": (new("method: vanilla", HEAD + "{dim: 0}"), "row BIKE"),
    "heads 0": (new("method: vanilla", HEAD + "{heads: 0}"), "row BIKE"),
    "k text": (new("method: tfe", "method: tfe, disentangler: {k: four}"), "row TFE"),
    "k above T": (new("method: tfe", "method: tfe, disentangler: {k: 17}"), "k is 17"),
    "game unknown": (new("method: tfe", "method: tfe, game: {adversary: " + "x" * 9999 + "}"), "adv"),
    "against nobody": (new("against: BIKE", "against: BIEK"), "against"),
    "aliases": (whole(ANCHORS), "alias"),
    "anchor of itself": (whole(b"table: &a [*a]"), "alias"),
    "deep nesting": (whole(b"table: " + b"[" * 50_000), "YAML"),
    "python object": (whole(b"table: !!python/object/apply:os.system ['touch evil']"), "YAML"),
    "not UTF-8": (whole(b"table: \xff\xfe"), "UTF-8"),
    "NUL": (whole(b"table: \x00"), "YAML"),
    "no table": (whole(b"[1, 2]"), "no table"),
    "empty": (whole(b""), "no table"),
    "megabytes": (whole(b"a: 1\n" * 10**6), "bytes"),
    "/dev/zero": (linked, "missing"),
    "a folder": (lambda f: [(f / "batch.yaml").unlink(), (f / "batch.yaml").mkdir()], "missing"),
    "sweep with a path": (whole(b"table: ../x\nsweep: [{rho: [0.1]}]\nseeds: [0]\nrows: "
                                b"[{backbone: bike, method: tfe}]"), "table"),
    "sweep with a seed twice": (whole(b"table: x\nsweep: [{rho: [0.1]}]\nseeds: [0, 0]\nrows: "
                                      b"[{row: a, backbone: bike, method: tfe}]"), "twice"),
    "sweep of nothing": (whole(b"table: x\nsweep: []\nseeds: [0]\nrows: []"), "rows"),
    "sweep of a knob unknown": (whole(b"table: x\nsweep: [{roh: [0.1]}]\nseeds: [0]\nrows: "
                                      b"[{backbone: bike, method: tfe}]"), "sweep"),
    "sweep without epochs": (whole(b"table: x\nsweep: [{rho: [0.1]}]\nseeds: [0]\nrows: "
                                   b"[{row: a, backbone: bike, method: tfe, schedule: {epochs: 0}}]"), "epochs"),
}


@pytest.mark.parametrize("name", BATCHES)
def test_a_hostile_batch_file(name, folder, capsys):
    spoil, word = BATCHES[name]
    spoil(folder)
    refused(folder, word, capsys, lambda: main(["batch", str(folder / "batch.yaml")]))


def text(name, old, other):
    """A text file of the dataset with `other` in the place of `old`."""
    def spoil(folder):
        path = folder / "data" / name
        before = path.read_text()
        assert old in before
        path.write_text(before.replace(old, other, 1))
    return spoil


def content(name, made):
    return lambda folder: (folder / "data" / name).write_bytes(made)


def column(name, value, split=None):
    """videos.csv with one value in a column, of all videos or of a split."""
    def spoil(folder):
        table = pd.read_csv(folder / "data" / "videos.csv", dtype=str)
        chosen = slice(None) if split is None else table.split == split
        table.loc[chosen, name] = value
        table.to_csv(folder / "data" / "videos.csv", index=False)
    return spoil


def one_class(folder):
    text("dataset.toml", '"multilabel"', '"singlelabel"')(folder)
    text("dataset.toml", '"map"', '"accuracy"')(folder)
    column("labels", "rings")(folder)


def only_class(folder):
    one_class(folder)
    (folder / "data" / "segments.csv").unlink()
    path = folder / "data" / "dataset.toml"
    lines = [line if "classes" not in line else 'classes = ["rings"]'
             for line in path.read_text().splitlines()]
    path.write_text("\n".join(lines))


META = "features/planted/meta.json"
DATASETS = {
    "task a list": (text("dataset.toml", '"multilabel"', "[1]"), "task"),
    "name 3": (text("dataset.toml", '"data"', "3"), "name"),
    "synthetic a text": (text("dataset.toml", "synthetic = true", 'synthetic = "false"'), "synthetic"),
    "key misspelt": (text("dataset.toml", "synthetic", "sythetic"), "did you mean synthetic"),
    "classes numbers": (text("dataset.toml", '"rings"', "5"), "classes"),
    "toml not UTF-8": (content("dataset.toml", b"name = '\xff'"), "UTF-8"),
    "toml deep": (content("dataset.toml", b"a = " + b"[" * 20_000), "TOML"),
    "toml large": (content("dataset.toml", b"#" * 2**27), "bytes"),
    "labels in heaps": (column("labels", "rings;" * 200_000, "val"), "videos.csv"),
    "labels twice": (column("labels", "rings;" * 20_000, "val"), "labels of 12 classes"),
    "label long": (column("labels", "x" * 10**5, "val"), "unknown class"),
    "no label in test": (column("labels", "", "test"), "split test has a label"),
    "no label in train": (column("labels", "", "train"), "split train has a label"),
    "one class in train": (one_class, "one class"),
    "one class": (only_class, "one class"),
    "duration inf": (column("duration", "inf"), "duration"),
    "meta a list": (content(META, b"[1]"), "no table"),
    "meta deep": (content(META, b"[" * 10**5), "JSON"),
    "meta not UTF-8": (content(META, b'{"a": "\xff"}'), "UTF-8"),
    "meta T text": (content(META, b'{"T": "16"}'), "T"),
    "meta d negative": (content(META, b'{"d": -1}'), "d"),
    "meta hash of a path": (content(META, b'{"sha256": {"../../x": "0"}}'), "sha256"),
}


@pytest.mark.parametrize("name", DATASETS)
def test_a_hostile_dataset(name, folder, capsys):
    spoil, word = DATASETS[name]
    spoil(folder)
    refused(folder, word, capsys, lambda: main(["batch", str(folder / "batch.yaml")]))


def array(change):
    """The features changed, with a meta.json that does not tell."""
    def spoil(folder):
        made = folder / "data" / "features" / "planted"
        (made / "meta.json").write_text("{}")
        x = np.load(made / "features.npy")
        with open(made / "features.npy", "wb") as file:
            np.save(file, change(x))
    return spoil


def raw(make):
    def spoil(folder):
        made = folder / "data" / "features" / "planted"
        (made / "meta.json").write_text("{}")
        make(made / "features.npy")
    return spoil


def npy(header):
    """An npy file of that header and little else."""
    line = header.encode() + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(line)) + line + bytes(64)


def npz(path):
    with open(path, "wb") as file:
        np.savez(file, x=np.zeros((2, 2, 2)))


FEATURES = {
    "big-endian": (array(lambda x: x.astype(">f4")), "torch cannot read"),
    "long double": (array(lambda x: x.astype(np.longdouble)), "torch cannot read"),
    "d of 0": (array(lambda x: x[..., :0]), "none of them 0"),
    "T of 0": (array(lambda x: x[:, :0]), "none of them 0"),
    "T of 1": (array(lambda x: x[:, :1]), "T = 1"),
    "values of 1e30": (array(lambda x: x.astype("f4") * 0 + 1e30), "more than 65504"),
    "NaN": (array(lambda x: x * np.float16("nan")), "NaN"),
    "integers": (array(lambda x: x.astype("i4")), "of floats"),
    "complex": (array(lambda x: x.astype("c8")), "of floats"),
    "a vector": (array(lambda x: x.ravel()), "(N, T, d)"),
    "rows missing": (array(lambda x: x[:3]), "rows"),
    "npz": (raw(npz), "npz"),
    "text": (raw(lambda path: path.write_text("0 1 2")), "cannot be read"),
    "cut short": (raw(lambda path: os.truncate(path, 500)), "cannot be read"),
    "shape negative": (raw(lambda path: path.write_bytes(npy(
        "{'descr': '<f2', 'fortran_order': False, 'shape': (-2, 4, 2)}"))), "features.npy"),
    "shape of terabytes": (raw(lambda path: path.write_bytes(npy(
        "{'descr': '<f2', 'fortran_order': False, 'shape': (10000000, 1000, 1000)}"))), "cannot be read"),
    "header deep": (raw(lambda path: path.write_bytes(npy("(" * 5000))), "cannot be read"),
    "header no dict": (raw(lambda path: path.write_bytes(npy("3"))), "cannot be read"),
}


@pytest.mark.parametrize("name", FEATURES)
def test_hostile_features(name, folder, capsys):
    spoil, word = FEATURES[name]
    spoil(folder)
    refused(folder, word, capsys, lambda: main(["batch", str(folder / "batch.yaml")]))


def safetensors(header, size=None):
    line = header.encode()
    return struct.pack("<Q", len(line) if size is None else size) + line


METRICS = {"splits": {}, "status": "finished", "features": {"encoder": "planted"}, "receipt": {},
           "seconds": 1.0, "prior_ce": 1.0, "history": []}
RUNS = {
    "header of 10^9 bytes": ("checkpoint.safetensors", safetensors("{}", 10**9), "damaged"),
    "header of 2^63 bytes": ("checkpoint.safetensors", safetensors("{}", 2**63), "damaged"),
    "header deep": ("checkpoint.safetensors", safetensors("[" * 10**5), "damaged"),
    "checkpoint empty": ("checkpoint.safetensors", b"", "damaged"),
    "checkpoint a pickle": ("checkpoint.safetensors", b"\x80\x04cos\nsystem\n", "damaged"),
    "tensor beyond the end": ("checkpoint.safetensors", safetensors(json.dumps(
        {"x": {"dtype": "F32", "shape": [10**9], "data_offsets": [0, 4 * 10**9]}})), "damaged"),
    "checkpoint of nothing": ("checkpoint.safetensors", safetensors("{}"), "do not fit"),
    "metrics a list": ("metrics.json", b"[]", "no table"),
    "metrics cut short": ("metrics.json", b'{"status": "fini', "JSON"),
    "metrics of a status unknown": ("metrics.json", json.dumps(
        METRICS | {"status": "fine"}).encode(), "status"),
    "metrics without history": ("metrics.json", b'{"status": "finished"}', "is missing"),
    "notebook of nothing": ("run.ipynb", b"{}", "no parameters"),
    "notebook of a seed negative": ("run.ipynb", json.dumps({"metadata": {"papermill": {
        "parameters": {"backbone": "bike", "method": "tfe", "seed": -1, "data": ".",
                       "encoder": "planted"}}}}).encode(), "seed"),
    "notebook deep": ("run.ipynb", b"[" * 10**5, "JSON"),
}


@pytest.mark.parametrize("name", RUNS)
def test_a_hostile_run(name, folder, capsys):
    run = folder / "local" / KEY
    run.mkdir(parents=True)
    (run / "metrics.json").write_text(json.dumps(METRICS))
    (run / "checkpoint.safetensors").write_bytes(safetensors("{}"))
    (run / "run.ipynb").write_text(json.dumps({"metadata": {"papermill": {"parameters": {
        "backbone": "bike", "method": "tfe", "data": str(folder / "data"), "encoder": "planted"}}}}))
    file, spoilt, word = RUNS[name]
    (run / file).write_bytes(spoilt)
    refused(folder, word, capsys, lambda: main(["predict", "no.mp4", "--run", KEY]))


ARCHIVES = {
    "a list": (b"[]", "no table"),
    "size text": (b'{"a.zip": {"size": "1", "sha256": "%s"}}' % (b"0" * 64), "size"),
    "size negative": (b'{"a.zip": {"size": -1, "sha256": "%s"}}' % (b"0" * 64), "size"),
    "no hash": (b'{"a.zip": {"size": 1, "sha256": "x"}}', "sha256"),
    "deep": (b"[" * 10**5, "JSON"),
    "not UTF-8": (b'{"\xff": 1}', "UTF-8"),
    "key unknown": (b'{"a.zip": {"size": 1, "sha256": "%s", "run": 1}}' % (b"0" * 64), "unknown key"),
}


@pytest.mark.parametrize("name", ARCHIVES)
def test_a_hostile_record_of_archives(name, folder, capsys):
    made, word = ARCHIVES[name]
    (folder / acquire.RECORD).write_bytes(made)
    work = acquire.Work(None, folder, None, folder, "page")
    refused(folder, word, capsys, lambda: ended(lambda _: work._recorded()))


@pytest.mark.parametrize("command", [["publish", "../x"], ["publish", "/elsewhere/x"],
                                     ["publish", "--heads", "../x"],
                                     ["report", "--figures", "../table1"],
                                     ["report", "--verify", "../table1"]], ids=" ".join)
def test_a_table_s_name_is_no_path(command, folder, capsys):
    refused(folder, "no name of a table", capsys, lambda: main(command))


def test_a_rate_as_people_write_it_is_a_number(folder):
    new("method: tfe", "method: tfe, schedule: {lr: 1e-3}")(folder)
    assert list(batch.read(folder / "batch.yaml").points())[1].settings.plan().lr == 1e-3


def test_a_damaged_checkpoint_is_told_before_its_batch(folder, capsys):
    grid = batch.read(folder / "batch.yaml")
    run = batch.plan(grid, open_dataset(folder / "data"), "planted")[1].folder
    run.mkdir(parents=True)
    (run / "checkpoint.safetensors").write_bytes(safetensors("{}", 10**9))
    refused(folder, "damaged", capsys, lambda: main(["batch", str(folder / "batch.yaml")]))


def test_a_class_that_train_lacks_is_told(folder, capsys):
    column("labels", "rings", "train")(folder)
    batch.plan(batch.read(folder / "batch.yaml"), open_dataset(folder / "data"), "planted")
    assert "of 12 classes of split test have no video in train" in capsys.readouterr().out


def test_what_a_message_quotes_is_cut(capsys):
    def fail(_):
        raise StudyError(f"unknown class {'x' * 5000!r}: correct it")

    assert ended(fail) == 2
    said = capsys.readouterr().err
    assert len(said) < 300 and said.endswith("...': correct it\n")
