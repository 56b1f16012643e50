"""What a run leaves in its folder beside its checkpoint."""

import json
from pathlib import Path

import numpy as np

from data.files.paths import atomic, write_text


def save_predictions(folder, arrays):
    """Write arrays (no pickles) to `folder/predictions.npz`, atomically."""
    with atomic(Path(folder) / "predictions.npz") as temporary:
        np.savez_compressed(temporary, **arrays)


def save_metrics(folder, metrics):
    """Write what was measured to `folder/metrics.json`, atomically, keys in order."""
    text = json.dumps(metrics, indent=1, sort_keys=True)
    write_text(Path(folder) / "metrics.json", f"{text}\n")
