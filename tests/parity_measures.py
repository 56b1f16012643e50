"""The numbers that others' code gives on our samples: run once, stored in the tests.

    python tests/parity_measures.py DIR

DIR holds checkouts of ActivityNet (at 82304fa9f4) and MILTimeSeriesClassification (at 1af66eee53);
nothing of them is kept here. It prints OFFICIAL of tests/test_detection.py and AREAS of
tests/test_readouts.py, and how far ours are from them. The official sample of found intervals is
tried as well, against intervals drawn about it: its true ones, over 4 MB, were not to be had.
"""

import json
import re
import sys
import types
from pathlib import Path

import numpy as np
import pandas as pd
import test_detection
import test_readouts
import torch
from parity import module

from book.evidence import detection


def as_python_3(path, name):
    """A module of Python 2 with the few words that changed since."""
    text = path.read_text(encoding="utf-8")
    for old, new in {"import urllib2": "", "from joblib import Parallel, delayed": "",
                     "iteritems": "items", "xrange": "range", "np.float)": "float)"}.items():
        text = text.replace(old, new)
    made = sys.modules[name] = types.ModuleType(name)
    exec(re.sub(r"^(\s*)print .*$", r"\1pass", text, flags=re.M), made.__dict__)
    return made


def official_map(folder, found, truth):
    """The mean over classes of their `compute_average_precision_detection`."""
    as_python_3(folder / "utils.py", "utils")
    theirs = as_python_3(folder / "eval_detection.py", "eval_detection")
    found, truth = (each.rename(columns={"video_id": "video-id", "start": "t-start",
                                         "end": "t-end"}) for each in (found, truth))
    return np.mean([theirs.compute_average_precision_detection(
        truth[truth.label == label].reset_index(drop=True),
        found[found.label == label].reset_index(drop=True), np.array(detection.TIOU))
        for label in truth.label.unique()], axis=0)


def official_sample(folder):
    """The sample of found intervals there, all of one score; and intervals drawn about most."""
    results = json.loads((folder / "data" / "sample_detection_prediction.json").read_text())
    found = pd.DataFrame([(video, one["label"], *one["segment"], one["score"])
                          for video, all_ in results["results"].items() for one in all_],
                         columns=["video_id", "label", "start", "end", "score"])
    draw = np.random.default_rng(0)
    truth = found[draw.random(len(found)) < 0.7]
    width = (truth.end - truth.start).to_numpy()
    start = truth.start + width * draw.normal(0, 0.2, len(truth))
    end = truth.end + width * draw.normal(0, 0.2, len(truth))
    return found, truth.assign(start=start, end=np.maximum(end, start + 0.01))


def official_areas(home):
    sys.path.insert(0, str(home))
    theirs = module(home / "millet" / "interpretability_metrics.py", "millet_metrics")
    system, x, classes, saliency = test_readouts.area_problem()

    def model(bags, places=None):
        bags = torch.stack(list(bags))
        return {"bag_logits": system.classify(bags)[0]}

    with torch.no_grad():
        x = torch.as_tensor(x)
        whole = system.classify(x)[0][range(len(x)), classes]
        return theirs._calculate_aopc(model, list(x), whole, classes.tolist(),
                                      torch.as_tensor(saliency), 0.5, 0.05, False)[0]


def main(home):
    folder = home / "ActivityNet" / "Evaluation"
    for name, (found, truth) in {"OFFICIAL": test_detection.sample(),
                                 "official sample": official_sample(folder)}.items():
        theirs = official_map(folder, found, truth)
        ours = list(detection.mean_average_precision(found, truth).values())
        print(name, theirs.tolist(), "ours differ by", np.abs(theirs - ours).max())
    print("AREAS", official_areas(home / "MILTimeSeriesClassification").tolist())


if __name__ == "__main__":
    main(Path(sys.argv[1]))
