"""The settings of a run: one dataclass between a row of a batch file and the system that is trained.

A batch file gives the row, papermill hands `asdict(settings)` to `book/run.ipynb`, and the notebook
takes them up again with `Settings.of`. Types stand here alone; options of the game, the
disentangler, the head and the schedule are checked by the classes that they go to.
"""

from dataclasses import asdict, field, fields
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, NonNegativeInt
from pydantic.dataclasses import dataclass

from data.files.schema import STRICT, checked
from tfe import systems, training


def _bounded(options):
    """Options without a number that no head has: a machine would build it until its memory ends."""
    for name, value in options.items():
        if isinstance(value, int) and abs(value) > 4096:
            raise ValueError(f"{name[:80]} is {str(value)[:80]}: write 4096 or less")
    return options


Options = Annotated[dict[str, object], AfterValidator(_bounded)]


@dataclass(frozen=True, config=STRICT)
class Plan(training.Schedule):
    """A `Schedule` with the ranges of its numbers, for what comes from a file."""

    epochs: Annotated[int, Field(ge=1, le=100_000)]
    batch_size: Annotated[int, Field(ge=1, le=1_000_000)]
    accumulate: Annotated[int, Field(ge=1, le=1_000_000)] = 1
    critic_rate: Annotated[float, Field(gt=0, le=1000)] = 1.0
    lr: Annotated[float, Field(gt=0, le=1000)]
    weight_decay: Annotated[float, Field(ge=0, le=1000)]
    warmup_epochs: Annotated[int, Field(ge=0, le=100_000)]
    betas: tuple[Annotated[float, Field(ge=0, lt=1)], Annotated[float, Field(ge=0, lt=1)]] = (
        training.Schedule.betas)
    precision: Literal["fp32", "bf16"] = "fp32"


@dataclass(frozen=True, config=STRICT)
class Settings:
    """All that decides what a run measures, but for its data and the splits that it is tried on."""

    backbone: str
    method: str
    seed: NonNegativeInt = 0
    profile: Literal[tuple(training.PROFILES)] = "default"
    device: str = "cpu"
    # Results repeat bit for bit at one number of threads.
    threads: Annotated[int, Field(ge=1, le=1024)] = 1
    game: Options = field(default_factory=dict)  # options of tfe.adversary.Game
    disentangler: Options = field(default_factory=dict)  # of tfe.Disentangler
    head: Options = field(default_factory=dict)  # of the backbone, or of the pooling
    schedule: dict = field(default_factory=dict)  # of tfe.training.Schedule
    protocol: str = "single-view"  # a name of book.runs.protocols
    depth: Literal["table4", "last"] = "table4"  # what stays below D, of tfe.systems.build
    start: Literal["cold", "warm"] = "cold"  # warm: where a vanilla run of the same seed ended
    measures: list[Literal["erasure", "probes"]] = field(
        default_factory=lambda: ["erasure", "probes"])  # beside the metric and fidelity

    @classmethod
    def of(cls, names, where="settings"):
        """The settings among `names`, a dict that may hold more: a card, or a notebook's variables."""
        return checked(cls, {one.name: names[one.name] for one in fields(cls) if one.name in names},
                       where)

    def build(self, classes, feature_dim, task):
        """The system to train, as `tfe.systems.build` makes it."""
        return systems.build(self.method, self.backbone, classes, feature_dim, task, game=self.game,
                             disentangler=self.disentangler, head=self.head, depth=self.depth)

    def plan(self):
        """The `Schedule` to train by: the profile's, with this run's changes."""
        return checked(Plan, asdict(training.PROFILES[self.profile]) | self.schedule, "schedule")
