"""Make `charades`: 9,848 videos of daily life, 157 actions with their intervals.

  python -m data charades                      downloads 13 GB into data/archives/charades, and goes
                                               on where it stopped when it is called again
  python -m data charades --from ~/archives    takes what lies there, and downloads nothing

DIR may hold the archives Charades_v1_480.zip (or Charades_v1.zip, the original resolution) and
Charades.zip with the lists; or the same unpacked: Charades_v1_train.csv, Charades_v1_test.csv,
Charades_v1_classes.txt, and the .mp4 files in any folder. No hash of the archives is published: that
of the first ones that proved sound is written to archives.json, and compared from then on.

It writes dataset.toml, videos.csv, segments.csv and videos/. A video without an action (174 in train,
49 in test) stays, without a label. An interval that ends after its video is cut; one that ends before
it starts (7 do) is left out, while its label stays. A listed video that is absent goes to left_out.csv.
There is no official val: all of train is trained on, as in the paper, unless --val sets a part of it
apart by persons. Then `python -m data census charades` compares counts and opens every file.

Charades' licence: not for commerce, and neither videos nor lists are to be passed on. What is made
here stays in data/, which git ignores; show no frame of it in a notebook that you publish.
"""

from functools import partial

from data.common.archives import benchmark
from data.common.archives.acquire import Benchmark

CHARADES = Benchmark("charades", "multilabel", "Charades: non-commercial, not to be passed on",
                     (("Charades_v1_classes.txt", "Charades_v1_train.csv",
                       "Charades_v1_test.csv"),),
                     splits=1)
main = partial(benchmark.main, CHARADES, __doc__)
