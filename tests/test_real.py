"""The way to the real benchmarks, rehearsed: chapter 17 by papermill, as its page tells to run it."""

import json

import papermill
import pytest

from data import planted
from data.files.paths import BOOK

pytest.importorskip("transformers", reason="the full-size systems need the package transformers")
WAYS = {
    "ucf101": ({"backbone": "text4vis", "method": "vanilla", "intervals": False}, 1, "accuracy"),
    "hmdb51": ({"backbone": "bike", "method": "tfe-bounded", "intervals": False}, 1, "accuracy"),
    "charades": ({"backbone": "msqnet", "intervals": False, "head": {"legacy_pooling": True}}, 3, "map")}


@pytest.mark.parametrize("like", WAYS)
def test_the_notebook_goes_the_whole_way(like, tmp_path):
    """On a synthetic miniature of the dataset's form: labels a video, and the metric."""
    parameters, actions, metric = WAYS[like]
    data, out = tmp_path / "data", tmp_path / "out"
    planted.main(["--out", str(data), "--train", "4", "--val", "0", "--test", "2", "--shifted", "0",
                  "--actions", str(actions)])
    papermill.execute_notebook(
        BOOK / "17_real.ipynb", tmp_path / "ran.ipynb", cwd=str(BOOK), progress_bar=False,
        log_output=False, parameters={"data": str(data), "out": str(out), **parameters})
    told = json.loads((out / "metrics.json").read_text(encoding="utf-8"))
    assert told["splits"]["test"]["metric"] == metric and len(told["history"]) == 2
    assert told["splits"]["test"]["videos"] == 2 and told["receipt"]["device"].startswith("cpu")
    assert (out / "checkpoint.safetensors").is_file() and (out / "predictions.npz").is_file()
