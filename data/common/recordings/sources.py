"""Where recordings come from, and the command line that their scripts share."""

from data.common import command
from data.files.paths import ROOT
from tfe.errors import StudyError

BESIDE = ROOT.parent / "shared" / "data" / "recordings"  # development data beside the repository
# What to get, and its terms as far as they are known.
SOURCES = {
    "msrc12": "MSRC-12 Kinect gesture data set (Fothergill et al. 2012; Microsoft Research, "
              "non-commercial): its folder data/ of .csv and .tagstream",
    "sfinge3d": "SFINGE 3D, version 1 (Caputo et al. 2020; github.com/SFINGE3D/DatasetV1; please "
                "cite): its folder Sequences/",
    "utd_mhad": "UTD-MHAD (Chen et al. 2015; personal.utdallas.edu/~kehtar/UTD-MHAD.html; please "
                "cite): its folder Depth/ of .mat",
    "grid": "GRID corpus, speaker 1 (Cooke et al. 2006; zenodo.org, record 3625687; CC BY 4.0): "
            "s1.zip and alignments, unpacked",
    "salads": "50 Salads (Stein and McKenna 2013), as scores of github.com/colincsl/"
              "TemporalConvolutionalNetworks (MIT): a folder with its 50salads/ and tcn_splits/",
    "gtea": "GTEA (Fathi et al. 2011), from the same place: a folder with its gtea/ and tcn_splits/",
    "utkinect": "UTKinect-Action3D (Xia et al. 2012; cvrc.ece.utexas.edu/KinectDatasets): its folder of "
                "actionLabel.txt and joints_*.txt"}
# Where they lie under another name; beside the repository alone, where that leads out of the folder.
FOLDERS = {"grid": "grid_s1", "salads": "../features", "gtea": "../features",
           "utkinect": "../features/utkinect"}
SPLITS = {"salads": "tcn_splits", "gtea": "tcn_splits"}  # lies in the folder beside one of the set's own name


def parser(name, about):
    """The command line of a dataset's script: where the files lie, and where the dataset goes."""
    p = command.parser(name, about)
    p.add_argument("--from", dest="folder", type=command.folder, metavar="DIR",
                   help="the published files, or a dataset folder made of them")
    return p


def beside(name, among=None):
    """The folder of a set in the folder `among`, or beside the repository; None where it is not."""
    for other in (name, FOLDERS.get(name, name)):
        folder = (among or BESIDE) / other
        if (folder / SPLITS.get(name, ".")).is_dir() and not (among and other.startswith("..")):
            return folder


def found(name, given=None):
    """The folder of the published files: the given one, or that beside the repository.

    Raises StudyError, which says where to get them, where there is none.
    """
    folder = given or beside(name)
    if folder is None:
        raise StudyError(f"{name} needs files that are not here: get {SOURCES[name]}; then give "
                         "their folder with --from DIR")
    if not folder.is_dir():
        raise StudyError(f"{folder} is not a folder: give --from the folder of {SOURCES[name]}")
    return folder


def link(folder, place):
    """Make `place` a link to a folder, so that nothing is copied; one that is there is replaced.

    Raises StudyError where something else is there.
    """
    if place.exists() and not place.is_symlink():
        raise StudyError(f"{place} is there already: remove it, or choose another --out")
    place.unlink(missing_ok=True)
    place.parent.mkdir(parents=True, exist_ok=True)
    place.symlink_to(folder.resolve())
