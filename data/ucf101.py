"""Make `ucf101`: 13,320 clips of 101 actions, from the official archives.

  python -m data ucf101                        downloads 7 GB into data/archives/ucf101, and goes on
                                               where it stopped when it is called again
  python -m data ucf101 --from ~/archives      takes what lies there, and downloads nothing
  python -m data ucf101 --split 2              split 2, into data/ucf101-split2

DIR may hold the archives UCF101_videos.zip (that of THUMOS, whose hash is known) or UCF101.rar, and
UCF101TrainTestSplits-RecognitionTask.zip; or the same unpacked: classInd.txt, trainlist0N.txt,
testlist0N.txt, and the .avi files in any folders. The zip of the splits for *detection* looks alike
and is another.

It writes dataset.toml, videos.csv and videos/; a listed video that is absent or does not decode goes
to left_out.csv. There is no official val: all of train is trained on, as in the paper, unless --val
sets a part of it apart by groups (the clips of one group are alike). Then
`python -m data census ucf101` compares counts and opens every file.
"""

from functools import partial

from data.common.archives import benchmark
from data.common.archives.acquire import Benchmark

UCF101 = Benchmark("ucf101", "singlelabel", "none stated; for research",
                   (("classInd.txt", "trainlist0?.txt", "testlist0?.txt"),), splits=3)
main = partial(benchmark.main, UCF101, __doc__)
