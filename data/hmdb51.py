"""Make `hmdb51`: clips of 51 actions from films and the web, from the official archives.

  python -m data hmdb51                        downloads 2 GB into data/archives/hmdb51, and goes on
                                               where it stopped when it is called again
  python -m data hmdb51 --from ~/archives      takes what lies there, and downloads nothing
  python -m data hmdb51 --split 2              split 2, into data/hmdb51-split2

DIR may hold the archives hmdb51_org.rar (a rar of 51 rars) and test_train_splits.rar; or the same
unpacked: CLASS_test_splitN.txt, or the lists of TSN, train_rgb_split_N.txt and val_rgb_split_N.txt,
and the .avi files in any folders. Rar archives want a reader: `pip install unrar2-cffi`.

A split takes 70 and 30 clips a class; the others of the 6,766 are in neither part, and are left out.
It writes dataset.toml, videos.csv and videos/; a listed video that is absent or does not decode goes
to left_out.csv. There is no official val: all of train is trained on, as in the paper, unless --val
sets a part of it apart by groups (clips of one film are alike). Then
`python -m data census hmdb51` compares counts and opens every file.
"""

from functools import partial

from data.common.archives import benchmark
from data.common.archives.acquire import Benchmark

HMDB51 = Benchmark("hmdb51", "singlelabel", "collection: CC BY 4.0; the clips are their owners'",
                   (("*_test_split?.txt",), ("train_rgb_split_?.txt", "val_rgb_split_?.txt")), 3)
main = partial(benchmark.main, HMDB51, __doc__)
