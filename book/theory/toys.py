"""The toy distributions of the theory chapters, and the encoder that attains the repaired bound.

Every toy is a `Joint`; those of the budget have one axis per segment, `x1 x2 ... y`.
"""

import numpy as np

from tfe.errors import StudyError
from book.theory.information import Joint, distribution


def two_bits():
    """The label y and a nuisance n, two fair bits; x = (y, n). Axes `x y n`."""
    return Joint.of("x y n", lambda y, n: (2 * y + n, y, n), 2, 2)


def three_points():
    """x uniform on three points, of which the last two share a label. Axes `x y`."""
    return Joint.of("x y", lambda x: (x, int(x > 0)), 3)


def independent_segments(segments=4, label=lambda bits: bits[0] ^ bits[1]):
    """Independent fair bits x1 ... xT; the label is a function of them, by default an XOR."""
    names = " ".join(f"x{t + 1}" for t in range(segments))
    return Joint.of(f"{names} y", lambda *bits: (*bits, label(bits)), *[2] * segments)


def shared_scene(segments=3):
    """Each segment shows a bit of its own and one scene bit common to all; y is the first bit."""
    names = " ".join(f"x{t + 1}" for t in range(segments))
    return Joint.of(f"{names} y", lambda scene, *bits: (*(2 * scene + b for b in bits), bits[0]),
                    *[2] * (segments + 1))


def shared_nuisance(bits=3):
    """x1 is noise, x2 = (y, n), x3 = n, with a nuisance n of `bits` fair bits."""
    size = 2 ** bits
    return Joint.of("x1 x2 x3 y", lambda noise, y, n: (noise, y * size + n, n, y), 2, 2, size)


def redundant_views(noise=0.05):
    """y is two fair bits; given y, the segments are independent: a noisy second bit and two
    views of the first, one of them noisy. Axes `x1 x2 x3 y`.
    """
    second, first = [0.89, 0.11], [1 - noise, noise]
    return Joint.of("x1 x2 x3 y", lambda y, u, v: ((y & 1) ^ u, y >> 1, (y >> 1) ^ v, y),
                    4, second, first)


def spurious_context(action=1.0, context=0.9):
    """A fair label y; x1, the action, and x2, the context, each show it with that probability,
    independently given y. Axes `x1 x2 y`.
    """
    return Joint.of("x1 x2 y", lambda y, u, v: (y ^ u, y ^ v, y),
                    2, [action, 1 - action], [context, 1 - context])


def functional_representation(p_xy):
    """A channel p(z_N|x), (|x|, m), independent of y that gives x back together with y.

    Lay the points of each label side by side on [0, 1], as long as p(x|y), and let z_N be the
    place of a uniform throw, up to the cuts of all labels. Asks that y be a function of x: then
    I(z_N;y) = 0, H(x|z_N,y) = 0 and m <= |x| - |y| + 1.
    """
    p_xy = distribution(p_xy, "p_xy")
    p_x_given_y = p_xy / p_xy.sum(0)
    ends = p_x_given_y.cumsum(0)
    cuts = np.unique(np.round(np.append(ends, [0, 1]), 12))
    # How much of the cell [cut_j, cut_j+1] the interval of x covers, relative to x's length.
    left, right = ends - p_x_given_y, ends                                     # (|x|, |y|)
    cover = (np.minimum(right[..., None], cuts[1:])
             - np.maximum(left[..., None], cuts[:-1])).clip(0)                 # (|x|, |y|, m)
    label = p_xy.argmax(1)
    channel = cover[np.arange(len(p_xy)), label]
    return channel / channel.sum(1, keepdims=True)


def hidden_from(p_xy):
    """A fair binary channel p(z|x), (|x|, 2), that tells of x and nothing of y.

    It exists exactly where the rows p(y|x) are linearly dependent. Then a combination v of them
    is 0, and p(x|z) = p(x) +- v leaves p(y|z) = p(y). Raises StudyError where they are not.
    """
    p_xy = distribution(p_xy, "p_xy")
    p_x = p_xy.sum(1)
    left, size, _ = np.linalg.svd(p_xy / p_x[:, None])
    if len(size) == len(p_x) and size[-1] > 1e-9:
        raise StudyError("p_xy: the rows p(y|x) are linearly independent: every z that tells of "
                         "x tells of y; give more points than labels")
    tilt = left[:, -1] / p_x  # its mean is 0, because every row sums to one
    tilt = tilt / np.abs(tilt).max()
    return np.column_stack([1 + tilt, 1 - tilt]) / 2
