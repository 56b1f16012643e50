"""What the cuts alone give away: a reader of nothing but where a video is cut, and how.

It is told every cut, which is more than a viewer sees: lengths of the pieces about it, kinds and
lengths of the joins. If it finds labels or boundaries, so may a model without a look at any action.
"""

import numpy as np
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score, roc_auc_score
from sklearn.multiclass import OneVsRestClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

AROUND = 2  # pieces to either side that are told


def control(videos, split, seed=0):
    """Three readers, trained on the videos of train and tried on those of test, as a flat dict.

    videos: `{video_id: pieces}`; split: `{video_id: split}`. `labelled_auc`: which pieces are of an
    action, and `boundary_auc`: which cuts part different things, each within the video, chance .5.
    `label_map`: which classes a video shows, with `chance_map`, that of shuffled labels.
    """
    train, test = ([videos[name] for name in videos if split[name] == part]
                   for part in ("train", "test"))
    return {"labelled_auc": _within(train, test, lambda pieces: [p.labelled for p in pieces]),
            "boundary_auc": _within(train, test, lambda pieces: [
                a.shows != b.shows for a, b in zip(pieces, pieces[1:])]),
            **_labels(train, test, seed)}


def told(pieces):
    """What a viewer of the cuts alone could know of P pieces, as features `(P, 20)`.

    Four numbers of each piece and of the two before and after it, -1 beyond the ends of the video:
    its frames, the frames of the join before it, and whether that join is a gap or a fade.
    """
    rows = np.array([[piece.frames, piece.join_frames, piece.join == "gap", piece.join == "fade"]
                     for piece in pieces], float)
    padded = np.pad(rows, ((AROUND, AROUND), (0, 0)), constant_values=-1)
    return np.hstack([padded[n:n + len(rows)] for n in range(2 * AROUND + 1)])


def _within(train, test, answer):
    """Fit a reader on the videos `train`; return its AUC within each of `test`, averaged over these.

    `answer(pieces)` gives what is to be read, a bool for every piece of a video, or for every piece but
    the first. Videos in which all bools are alike have no AUC; nan where no video has one.
    """
    answers = [np.array(answer(pieces), int) for pieces in train]
    if len(set(np.concatenate(answers))) < 2:
        return float("nan")
    reader = HistGradientBoostingClassifier(max_iter=50, random_state=0).fit(
        np.vstack([told(pieces)[-len(own):] for pieces, own in zip(train, answers)]),
        np.concatenate(answers))
    scores = [roc_auc_score(own, reader.predict_proba(told(pieces)[-len(own):])[:, 1])
              for pieces in test for own in [answer(pieces)] if 0 < sum(own) < len(own)]
    return float(np.mean(scores)) if scores else float("nan")


def _labels(train, test, seed):
    def told_of_video(pieces):
        rows = told(pieces)[:, 4 * AROUND:4 * AROUND + 4]
        return [len(pieces), *rows.mean(axis=0), *rows.std(axis=0)]

    classes = sorted({piece.shows for pieces in train for piece in pieces if piece.labelled})
    x, y = ([np.array([told_of_video(pieces) for pieces in part]) for part in (train, test)],
            [np.array([[any(p.labelled and p.shows == c for p in pieces) for c in classes]
                       for pieces in part], int) for part in (train, test)])
    keep = (y[0].any(0) & ~y[0].all(0)) & y[1].any(0)
    if not keep.any():
        return dict.fromkeys(("label_map", "chance_map", "chance_map_sd"), float("nan"))
    reader = OneVsRestClassifier(make_pipeline(StandardScaler(), LogisticRegression(max_iter=500)))
    scores = reader.fit(x[0], y[0][:, keep]).predict_proba(x[1])
    rng = np.random.default_rng(seed)
    shuffled = [average_precision_score(rng.permutation(y[1][:, keep]), scores, average="macro")
                for _ in range(50)]
    return {"label_map": float(average_precision_score(y[1][:, keep], scores, average="macro")),
            "chance_map": float(np.mean(shuffled)), "chance_map_sd": float(np.std(shuffled))}
