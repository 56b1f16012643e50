"""A decoded frame as it is to be displayed: square pixels, upright, in the size of the first."""

from dataclasses import dataclass

import av.sidedata.sidedata
import numpy as np

from data.video.film import pixel_shape

DISPLAY_MATRIX = av.sidedata.sidedata.Type.DISPLAYMATRIX


@dataclass(frozen=True)
class Look:
    """How all frames of a film are shown, as its header and its first frame say.

    `width` and `height` are pixels before turning; `transposed` says whether the axes are swapped
    then, and `down` and `across`, 1 or -1, whether each is mirrored.
    """

    width: int
    height: int
    transposed: bool
    down: int
    across: int

    @property
    def shape(self):
        """Height and width as displayed."""
        return (self.width, self.height) if self.transposed else (self.height, self.width)

    def picture(self, frame):
        """A frame as RGB, uint8 `(H, W, 3)`."""
        picture = frame.to_ndarray(format="rgb24", width=self.width, height=self.height)
        return (picture.swapaxes(0, 1) if self.transposed else picture)[::self.down, ::self.across]


def look(frame, stream):
    """The `Look` of a film whose first frame this is."""
    # The width alone gives way, as in players: height and time are never interpolated.
    width = max(1, round(frame.width * pixel_shape(stream)))
    return Look(width, frame.height, *_orientation(frame))


def _orientation(frame):
    """How a frame is to be shown: whether to swap its axes, then the steps, 1 or -1, of each.

    The display matrix maps the point (x, y), y down, to (a x + c y, b x + d y); here it is
    rounded to quarter turns and mirrors.
    """
    matrix = frame.side_data.get(DISPLAY_MATRIX)
    if matrix is None:
        return False, 1, 1
    a, b, _, c, d = np.frombuffer(matrix, np.int32)[:5].tolist()
    swapped = abs(b) > abs(a)
    across, down = (c, b) if swapped else (a, d)
    return swapped, -1 if down < 0 else 1, -1 if across < 0 else 1
