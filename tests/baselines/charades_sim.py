"""Features stored the peers' way: a file of torch's for each video."""

import torch

from data import charades_sim
from data.common.lists.readers import charades
from data.files.dataset import open_dataset, write_dataset


def one_file_a_video(lists, out):
    """charades-sim, with `features/<video_id>.pt` instead of one array."""
    videos, segments, classes = charades_sim.chosen(charades(lists), None, 0)
    write_dataset(out, {"name": "plain", "task": "multilabel", "classes": classes}, videos, segments)
    x = charades_sim.simulated(open_dataset(out), 0, charades_sim.SNR, 128)
    (out / "features").mkdir(exist_ok=True)
    for video_id, each in zip(videos.video_id, x):
        torch.save(torch.from_numpy(each.copy()), out / "features" / f"{video_id}.pt")
