"""Text4Vis (Wu et al. 2024): BIKE's temporal Transformer, the mean, a cosine to each class."""

from tfe.backbones import bike

PRESETS = bike.PRESETS  # the same encoder and temporal layers
SHALLOW = bike.SHALLOW  # as for BIKE: below TFE no block stays


class System(bike.System):
    """Text4Vis: as BIKE below the approximator, which does not attend over time.

    Its loss is the cross-entropy over all classes; the text of a class is one embedding.
    """

    prompt = "a video of a person {}."

    def make_approximator(self):
        if not self.tower:
            return bike.MeanCosine(self.num_classes, self.dim, self.adapter)
        return self._reading_text(bike.MeanCosine)
