"""Make `ucf101-24`: six classes of UCF101 in which the action fills little of the clip, for fidelity.

  python -m data ucf101-24 --lists LISTS --from DIR        writes data/ucf101-24/
  python -m data features --data data/ucf101-24
  python -m book batch book/batches/fidelity.yaml --data data/ucf101-24

LISTS holds pyannot.pkl and testlist01.txt of github.com/gurkirt/corrected-UCF101-Annots, DIR the
unpacked UCF101, its clips anywhere below. Nothing is copied: the clips are read where they lie. Of the
24 annotated classes these six show their action in less than .7 of the clip; in the others a label says
almost nothing of when. Seconds are nominal, 25 frames each.
"""


from data.common import command
from data.common.lists import tubes
from data.files import adopt
from tfe.errors import StudyError

SPARSE = ("VolleyballSpiking", "Basketball", "CricketBowling", "TennisSwing", "BasketballDunk",
          "Diving")


def main(arguments=None):
    """Make the dataset that the arguments describe."""
    options = parser().parse_args(arguments)
    if options.lists is None or options.folder is None:
        raise StudyError("ucf101-24 needs UCF101's clips and their corrected annotation, which are not "
                         "here: see `python -m data ucf101-24 --help`, then give --lists and --from")
    source = sparse(tubes.ucf101_24(options.lists), options.folder)
    adopt.refuse_foreign(options.out, options.folder)
    adopt.write(source, options.out, {"name": "ucf101-24"})
    print(options.out)


def parser():
    """The command line."""
    p = command.parser("ucf101-24", __doc__)
    p.add_argument("--lists", type=command.folder, metavar="DIR", help="where pyannot.pkl lies")
    p.add_argument("--from", dest="folder", type=command.folder, metavar="DIR",
                   help="the unpacked UCF101")
    return p


def sparse(listing, folder):
    """The six classes of the listing, with the files of those clips that `folder` holds."""
    if not folder.is_dir():
        raise StudyError(f"{folder} is not a folder: give the unpacked UCF101 with --from")
    videos = listing.videos[listing.videos.labels.isin(SPARSE)]
    wanted = set(videos.video_id)
    files = {path.stem: path for path in sorted(folder.rglob("*"))
             if path.stem in wanted and not adopt.unfit(path)}
    if not files:
        raise StudyError(f"{folder} holds none of the {len(wanted)} clips, such as "
                         f"{videos.member.iloc[0]}: unpack UCF101.rar there")
    videos = videos.assign(duration=videos.duration.map("{:g}".format))
    segments = listing.segments[listing.segments.video_id.isin(wanted)].astype(str)
    return adopt.Source(folder, videos[["video_id", "split", "duration", "labels"]], segments, files)
