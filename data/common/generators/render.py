"""From a storyboard to frames, and from frames to a video file.

An action is the texture of a moving object. Everything else about the object is drawn anew for
each event: colours, outline, size, place, path, orientation. So the property is fixed and
the drawing is not, and no pixel, colour or place gives the label away.
"""

from math import ceil, floor

import numpy as np

from data.common.generators.scene import scenery
from data.common.generators.storyboard import ACTIONS, FPS
from data.common.generators.textures import distraction, texture

SIDE = 128
DRIFT = 6  # pixels by which the camera strays from the middle

# The difficulty, frozen before any method was tried. The rule: with the frozen encoder's features
# of 400 training videos, the test mAP of mean pooling and of small vanilla heads lies between .5
# and .85, and clearly above that where only the segments that show an action are given.
SIZE = (28, 44)  # pixels: 3 to 5 periods of a texture in a fifteenth of the frame
OPACITY = (0.45, 0.9)  # scenes shine through; at .7 to 1 the query decoder reached .9
CONTRAST = 60  # grey levels at least between the two colours of a texture; 100: .9 likewise
PERIOD = (8.0, 11.0)  # pixels: fine enough to need a look, coarse enough to survive x264
TILT = 0.25  # radians: horizontal stays horizontal
PULSE = 0.2  # an object grows and shrinks by this part


class Thing:
    """A moving object: an event's looks, drawn from `rng`, and its path."""

    def __init__(self, rng, event, is_action):
        self.event, self.is_action = event, is_action
        self.size = rng.uniform(*SIZE)
        self.opacity = rng.uniform(*OPACITY)
        self.colours = _two_colours(rng)
        self.wave = 2 * np.pi / rng.uniform(*PERIOD)
        self.tilt = rng.uniform(-TILT, TILT)
        self.shift = rng.uniform(-np.pi, np.pi, 2)
        self.power = rng.choice([1.0, 1.4, 2.0, 4.0])  # diamond, between, disc, near square
        self.stretch = rng.uniform(0.85, 1.15)
        self.start, self.stop = rng.uniform(0.2 * SIDE, 0.8 * SIDE, (2, 2))
        self.pulse = rng.uniform(0, 2 * np.pi)
        self.specks = rng.random((16, 16)) > 0.5
        self.pair = rng.permutation(len(ACTIONS))[:2]

    def draw(self, frame, number):
        """Blend the object into `frame` (H, W, 3) float32, in place, at frame `number`."""
        passed = (number - self.event.first) / (self.event.last - self.event.first)
        size = self.size * (1 + PULSE * np.sin(self.pulse + 4 * passed))
        centre = self.start + passed * (self.stop - self.start)
        (top, bottom), (left, right) = (
            (max(floor(middle - 0.6 * size), 0), min(ceil(middle + 0.6 * size), SIDE))
            for middle in centre)
        y, x = np.arange(top, bottom) - centre[0], np.arange(left, right) - centre[1]
        inside = (np.abs(2 * x * self.stretch / size) ** self.power
                  + (np.abs(2 * y / self.stretch / size) ** self.power)[:, None]) < 1
        # From here on only pixels of the object: about half of its window.
        at = np.flatnonzero(inside)
        rows, columns = np.divmod(at, len(x))
        cos, sin = np.cos(self.tilt), np.sin(self.tilt)
        u = self.wave * ((cos * x).take(columns) - (sin * y).take(rows))
        v = self.wave * ((sin * x).take(columns) + (cos * y).take(rows))
        if self.is_action:
            shade = texture(self.event.kind, *self._placed(u, v))
        else:
            shade = distraction(self.event.kind, u, v, self.specks, self.pair)
        flat = frame.reshape(-1)
        first = 3 * ((rows + top) * SIDE + columns + left)
        for channel, (one, other) in enumerate(self.colours.T):  # numpy is slow on rows of three
            behind = flat.take(first + channel)
            change = self.opacity * (one + shade * (other - one) - behind)
            flat[first + channel] = behind + change.astype(np.float32)

    def _placed(self, u, v):
        """Lattices start anywhere; textures around a centre keep theirs near the object's."""
        central = ACTIONS[self.event.kind] in ("rings", "spokes", "spiral")
        part = 0.3 if central else 1.0
        return u + part * self.shift[0], v + part * self.shift[1]


def _two_colours(rng):
    """Two random colours whose brightness differs by CONTRAST or more: `(2, 3)` in 0-255."""
    while True:
        colours = rng.uniform(0, 255, (2, 3))
        grey = colours @ (0.299, 0.587, 0.114)
        if abs(grey[0] - grey[1]) >= CONTRAST:
            return colours


def frames(story):
    """Yield the frames that a storyboard shows: uint8 `(128, 128, 3)`, RGB."""
    rng = story.stream("pixels")
    turn = rng.uniform(0, 2 * np.pi, 2)
    things = ([Thing(rng, e, False) for e in story.distractors]
              + [Thing(rng, e, True) for e in story.actions])
    back = scenery(story.scene, SIDE + 2 * DRIFT, story.stream("scene").spawn(1)[0])
    for number in range(*story.shown):
        top, left = np.rint(DRIFT + DRIFT * np.sin(turn + number / 20)).astype(int)
        frame = back[top:top + SIDE, left:left + SIDE].copy()
        for thing in things:
            if thing.event.first <= number < thing.event.last:
                thing.draw(frame, number)
        yield np.rint(frame).astype(np.uint8)


def write_video(story, path):
    """Render `story` to `path`, an mp4, atomically: all of the file or none of it."""
    # Here, because a rerun with nothing to do should not wait for PyAV.
    from data.video.writing import write_video as write

    write(path, frames(story), FPS)
