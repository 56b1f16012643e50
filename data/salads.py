"""Make `salads`: windows of 50 Salads with per-frame class scores, five official folds.

  python -m data salads --from DIR                 data/salads/fold1 ... fold5
  python -m data salads --from DIR --window 64     longer windows

DIR holds `50salads/` and `tcn_splits/`, as the features of github.com/colincsl/
TemporalConvolutionalNetworks (MIT) have them. The recordings: 50 Salads, Stein and McKenna 2013.

The features are SUPERVISED: scores that a classifier of single frames gives to ten actions, out of
fold (it was not trained on the recording that it scores). What is found on them is about temporal
heads on such scores, not about video. Windows of the training folds were scored by classifiers
that saw the tested recordings.
"""

from data.common.recordings import folds, scores

SOURCE = {"encoder": "scores", "licence": "50 Salads: its own terms; scores: MIT",
          "source": f"50 Salads, supervised out-of-fold frame scores of {scores.REPOSITORY}"}


def main(arguments=None):
    """Make the folds, or say what is missing."""
    folds.main(arguments, __doc__, "salads", 32, SOURCE, lambda folder: scores.recordings(
        folder, "50salads/eval/eval_video_SVM", "tcn_splits/50Salads", 5))
