"""The information bottleneck, Eq. (1), traced exactly: Blahut-Arimoto and the Gaussian form.

Everything is in bits. Eq. (1) with a weight beta on its second term reads
`F = I(x;z) - beta I(z;y)`; the paper's own choice is beta = 1.
"""

from typing import NamedTuple

import numpy as np
from einops import einsum

from tfe.errors import StudyError
from book.theory.information import channel, distribution, mutual_information

TINY = 1e-300  # stands in for log 0; it only ever meets a weight of 0


class Bottleneck(NamedTuple):
    """A stationary point of the bottleneck: `encoder` is `p(z|x)`, `(X, Z)`."""

    encoder: np.ndarray
    complexity: float  # I(x;z)
    relevance: float  # I(z;y)
    trace: np.ndarray  # F after each iteration, the start included


def plane(joint, encoder):
    """Where an encoder lies in the information plane: `(I(x;z), I(z;y))` in bits.

    `joint` is `p(x,y)`, `(X, Y)`; `encoder` is `p(z|x)`, `(X, Z)`, or one integer for each x.
    z sees y only through x. Raises StudyError for a table that is no distribution.
    """
    return _plane(*_checked(joint, encoder))


def blahut_arimoto(joint, beta, encoder, tolerance=1e-9, steps=2000):
    """Descend to a stationary point of `F = I(x;z) - beta I(z;y)` from `encoder`.

    Tishby, Pereira and Bialek's alternating minimisation: given p(z) and p(y|z), the best
    encoder is `p(z|x) ~ p(z) 2^(-beta KL(p(y|x) || p(y|z)))`; given the encoder, Bayes' rule
    gives both. F never rises. Stops when a step gains less than `tolerance` bits.
    Returns a `Bottleneck`. Raises StudyError for a bad table or a negative beta.
    """
    joint, encoder = _checked(joint, encoder)
    if not 0 <= beta < np.inf:
        raise StudyError(f"beta is {beta}: give a finite weight of at least 0")
    point = _plane(joint, encoder)
    trace = [point[0] - beta * point[1]]
    for _ in range(steps):
        encoder = _improved(joint, beta, encoder)
        point = _plane(joint, encoder)
        trace.append(point[0] - beta * point[1])
        if trace[-2] - trace[-1] < tolerance:
            break
    return Bottleneck(encoder, *point, np.array(trace))


def curve(joint, betas, mixing=1e-3, **options):
    """The information bottleneck curve: one `Bottleneck` for each of `betas`, in their order.

    Annealed from the largest beta, where z = x is a good start, down to the smallest; every
    solution, with `mixing` of p(z) blended in so that clusters can meet, starts the next one.
    `options` go to `blahut_arimoto`. No randomness: the same table gives the same curve.
    """
    joint, encoder = _checked(joint, np.eye(len(joint)))
    betas, found = np.asarray(betas, float), {}
    for index in np.argsort(-betas):
        found[index] = blahut_arimoto(joint, betas[index], encoder, **options)
        encoder = found[index].encoder
        encoder = (1 - mixing) * encoder + mixing * joint.sum(1) @ encoder
    return [found[index] for index in range(len(betas))]


def gaussian_table(correlation, points=41, width=4.5):
    """Two standard Gaussians of the given correlation on a grid: `p(x,y)`, `(points, points)`.

    The density is sampled from -width to width standard deviations and normalised.
    """
    if not -1 < correlation < 1:
        raise StudyError(f"correlation is {correlation}: it must lie between -1 and 1")
    x, y = np.meshgrid(*2 * [np.linspace(-width, width, points)], indexing="ij")
    square = (x**2 - 2 * correlation * x * y + y**2) / (1 - correlation**2)
    table = np.exp(-square / 2)
    return table / table.sum()


def gaussian_spectrum(cov_x, cov_xy, cov_y):
    """Eigenvalues of `cov(x|y) cov(x)^-1`, ascending: all that the Gaussian bottleneck needs.

    Direction i enters the representation at the critical weight `1 / (1 - eigenvalue)`
    (Chechik et al. 2005). Scalars are taken as 1 x 1 matrices. An eigenvalue of 0 is a
    direction that y fixes, of 1 one that says nothing of y.
    """
    cov_x, cov_xy, cov_y = (np.atleast_2d(np.asarray(c, float)) for c in (cov_x, cov_xy, cov_y))
    whole = np.block([[cov_x, cov_xy], [cov_xy.T, cov_y]])
    if np.linalg.eigvalsh(whole).min() <= 0:
        raise StudyError("cov_x, cov_xy, cov_y: together they must be positive definite")
    given_y = cov_x - cov_xy @ np.linalg.solve(cov_y, cov_xy.T)
    # Similar to the non-symmetric product, hence the same real eigenvalues.
    root = np.linalg.cholesky(cov_x)
    whitened = np.linalg.solve(root, np.linalg.solve(root, given_y).T)
    return np.clip(np.linalg.eigvalsh((whitened + whitened.T) / 2), 0, 1)


def gaussian_bottleneck(spectrum, beta):
    """The minimum of `I(x;z) - beta I(z;y)` for Gaussians: `(I(x;z), I(z;y))` in bits.

    `spectrum` comes from `gaussian_spectrum`. Only directions beyond their critical weight
    count; at beta <= 1 none does (Chechik et al. 2005).
    """
    spectrum = np.asarray(spectrum, float)
    used = spectrum[beta * (1 - spectrum) > 1]
    complexity = 0.5 * np.log2((beta - 1) * (1 - used) / used).sum()
    return complexity, complexity - 0.5 * np.log2(beta * (1 - used)).sum()


def _plane(joint, encoder):
    return (mutual_information(einsum(joint.sum(1), encoder, "x, x z -> x z")),
            mutual_information(einsum(encoder, joint, "x z, x y -> z y")))


def _improved(joint, beta, encoder):
    """One iteration: Bayes' rule for p(z) and p(y|z), then the best encoder for them."""
    p_x, p_z = joint.sum(1), joint.sum(1) @ encoder
    p_y_x = joint / np.maximum(p_x, TINY)[:, None]
    p_y_z = einsum(encoder, joint, "x z, x y -> z y") / np.maximum(p_z, TINY)[:, None]
    # KL up to H(y|x), which is the same for every z and falls out in the normalisation.
    distortion = -einsum(p_y_x, np.log2(np.maximum(p_y_z, TINY)), "x y, z y -> x z")
    weight = np.log2(np.maximum(p_z, TINY)) - beta * distortion
    encoder = np.exp2(weight - weight.max(1, keepdims=True))
    return encoder / encoder.sum(1, keepdims=True)


def _checked(joint, encoder):
    joint = distribution(joint, "joint")
    if joint.ndim != 2:
        raise StudyError(f"joint has {joint.ndim} axes, not 2: give p(x, y)")
    return joint, channel(encoder, len(joint), "encoder")
