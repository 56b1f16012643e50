"""Make `gtea`: windows of GTEA with per-frame class scores, three of its four official folds.

  python -m data gtea --from DIR                 data/gtea/fold1 ... fold3
  python -m data gtea --from DIR --window 32     longer windows

DIR holds `gtea/` and `tcn_splits/`, as the features of github.com/colincsl/
TemporalConvolutionalNetworks (MIT) have them; scores of the fourth fold are not among them. The
recordings: Georgia Tech Egocentric Activities, Fathi, Ren and Rehg 2011. One of the eleven labels
is the background.

The features are SUPERVISED: scores that a classifier of single frames gives to the labels, out of
fold. See `python -m data salads --help` for what that means.
"""

from data.common.recordings import folds, scores

SOURCE = {"encoder": "scores", "licence": "GTEA: research; scores: MIT",
          "source": f"GTEA, supervised out-of-fold frame scores of {scores.REPOSITORY}"}


def main(arguments=None):
    """Make the folds, or say what is missing."""
    folds.main(arguments, __doc__, "gtea", 16, SOURCE, lambda folder: scores.recordings(
        folder, "gtea/video_SVM", "tcn_splits/GTEA", 3))
