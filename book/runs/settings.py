"""The settings of a run: one dataclass between a row of a batch file and the system that is trained.

A batch file gives the row, papermill hands `asdict(settings)` to `book/run.ipynb`, and the notebook
takes them up again with `Settings.of`. Types stand here alone; options of the game, the
disentangler, the head and the schedule are checked by the classes that they go to.
"""

from dataclasses import asdict, field, fields, replace
from typing import Literal

from pydantic import NonNegativeInt, PositiveInt
from pydantic.dataclasses import dataclass

from data.files.schema import STRICT, checked
from tfe import systems, training


@dataclass(frozen=True, config=STRICT)
class Settings:
    """All that decides what a run measures, but for its data and the splits that it is tried on."""

    backbone: str
    method: str
    seed: NonNegativeInt = 0
    profile: Literal[tuple(training.PROFILES)] = "default"
    device: str = "cpu"
    threads: PositiveInt = 1  # results repeat bit for bit at one number of threads
    game: dict = field(default_factory=dict)  # options of tfe.adversary.Game
    disentangler: dict = field(default_factory=dict)  # of tfe.Disentangler
    head: dict = field(default_factory=dict)  # of the backbone, or of the pooling
    schedule: dict = field(default_factory=dict)  # of tfe.training.Schedule
    protocol: str = "single-view"  # a name of book.runs.protocols

    @classmethod
    def of(cls, names, where="settings"):
        """The settings among `names`, a dict that may hold more: a card, or a notebook's variables."""
        return checked(cls, {one.name: names[one.name] for one in fields(cls) if one.name in names},
                       where)

    def build(self, classes, feature_dim, task):
        """The system to train, as `tfe.systems.build` makes it."""
        return systems.build(self.method, self.backbone, classes, feature_dim, task, game=self.game,
                             disentangler=self.disentangler, head=self.head)

    def plan(self):
        """The `Schedule` to train by: the profile's, with this run's changes."""
        changed = replace(training.PROFILES[self.profile], **self.schedule)
        return checked(training.Schedule, asdict(changed), "schedule")
