"""Conjunctive pooling of MILLET (Early et al., ICLR 2024): a segment votes, attention scales it."""

from tfe.backbones.peers import additive


class System(additive.System):
    """As additive pooling, but attention and classifier look at a segment independently."""

    def make_approximator(self):
        return Conjunctive(self.num_classes, self.dim, self.hidden)


class Conjunctive(additive.Additive):
    """z `(B, T, d)` -> the mean over t of a_t (W z_t + b), `(B, C)`, and each segment's share."""

    def forward(self, z, context=None):
        votes = self.mask(z) * self.linear(z).mT
        return votes.mean(-1), votes
