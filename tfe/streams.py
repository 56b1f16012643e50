"""What is left of D when temporal disentanglement is taken out: Table 3, variants 1 to 3."""

from torch import nn

from tfe.disentangler import feed_forward


class PlainStreams(nn.Module):
    """Two streams of ordinary self-attention in place of the mask and its complement.

    x `(B, T, d)` -> z_s, z_n `(B, T, d)` and the salient stream's attention `(B, 1, T, T)`. Nothing
    ties one stream to the other: neither has a mask, and their weights are their own. The feed-forward
    networks and both residuals of Eqs. (6), (10), (11) stay. The paper says no more of these variants
    than that they have two streams.
    """

    def __init__(self, dim, heads, *, ratio=4):
        super().__init__()
        self.salient = nn.MultiheadAttention(dim, heads, bias=False, batch_first=True)
        self.non_salient = nn.MultiheadAttention(dim, heads, bias=False, batch_first=True)
        self.f_ds = feed_forward(dim, ratio * dim, dim)
        self.f_dn = feed_forward(dim, ratio * dim, dim)

    def forward(self, x, generator=None):
        attended_s, attention = self.salient(x, x, x)
        attended_n, _ = self.non_salient(x, x, x, need_weights=False)
        return (self.f_ds(attended_s + x) + x, self.f_dn(attended_n + x) + x,
                attention.unsqueeze(1))

    def saliency(self, x):
        """The read-out: the salient stream's attention, mean over heads and query rows.

        x `(B, T, d)` -> `(B, T)`, rows summing to one.
        """
        return self.salient(x, x, x)[1].mean(dim=1)
