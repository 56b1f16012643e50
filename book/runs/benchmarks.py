"""The paper's own benchmarks, encoder fine-tuned: a table's runs, each one `book/24_real.ipynb`.

A backbone has four rows: vanilla, from published weights; vanilla trained on for as long again, the
control; TFE warm, in the reading of the fair trial; and TFE from scratch on the published encoder.
"""

import hashlib
import json
from dataclasses import asdict, dataclass, replace
from functools import partial
from importlib import metadata

import pandas as pd

from book.evidence import memory, plan, report
from book.evidence.statistics import FEWEST, mean_interval
from book.runs import batch, provenance
from book.runs.settings import Settings
from data.files.paths import BOOK, LOCAL, RESULTS, write_csv, write_text
from tfe import backbones
from tfe.errors import StudyError

NOTEBOOK = "24_real"
TABLES = {"table1": ("msqnet", "bike"), "table2": ("msqnet", "text4vis", "bike")}
# Where training begins; later files fill over earlier ones.
START = {"msqnet": ("timesformer-b16", "clip-b16"), "text4vis": ("clip-l14-336",),
         "bike": ("clip-l14-336", "k400-vit-l-14-336-f16.pt")}
# Fine-tuned by its authors: measured as it is, and not trained here.
PUBLISHED = {("bike", "charades"): ("charades-vit-l-336-f16.pt",)}


@dataclass(frozen=True)
class Options:
    """What a user chose. preset: "paper", or "narrow" to rehearse, with random weights; tune: "encoder",
    as in the paper, or "head", the encoder frozen."""

    benchmark: str
    backbones: tuple
    seeds: tuple
    device: str
    preset: str = "paper"
    trust: tuple = ()
    tune: str = "encoder"

    def files(self, backbone, scratch=False):
        """The weights of a row: fine-tuned by its authors, or those that training begins at."""
        if self.preset != "paper":
            return ()
        made = PUBLISHED.get((backbone, self.benchmark))
        return START[backbone] if scratch or not made else made


@dataclass(frozen=True)
class Run(batch.Run):
    """A run on clips: what chapter 24's notebook takes beside a `batch.Run`."""

    more: dict = None

    @property
    def parameters(self):
        return super().parameters | self.more | {"notebook": NOTEBOOK}


def runs(options, dataset, parts, schedule):
    """The runs of a table on a dataset, row by row and seed by seed.

    parts: into how many a batch is cut, by backbone; schedule: changes to the profile's.
    """
    found = []
    for backbone in options.backbones:
        run = partial(_run, options, dataset, backbone, {**schedule, "accumulate": parts[backbone]})
        name = backbones.NAMES[backbone]
        ready = options.preset == "paper" and (backbone, options.benchmark) in PUBLISHED
        vanilla = {seed: run(name, "vanilla", seed, train=not ready)
                   for seed in (options.seeds[:1] if ready else options.seeds)}
        first = next(iter(vanilla.values()))
        for seed in options.seeds:
            begin = vanilla.get(seed, first)
            found += [
                *([begin] if seed in vanilla else []),
                run(f"{name} trained on", "vanilla", seed, begin, against=name, start="warm"),
                run(f"{name}+TFE", "tfe", seed, begin, against=f"{name} trained on", start="warm",
                    depth=memory.DEPTH[backbone], game=memory.GAME),
                run(f"{name}+TFE, from scratch", "tfe", seed, against=name,
                    game={"schedule": "one-pass"})]
    return found


def _run(options, dataset, backbone, schedule, row, method, seed, begin=None, against=None,
         train=True, **given):
    intervals = (backbone, options.benchmark) == ("bike", "charades")  # as its authors train
    settings = Settings(
        backbone, method, seed, "paper", options.device, schedule=schedule,
        head={"preset": options.preset, "precision": "bf16", "tune": options.tune},
        protocol="multi-clip" if intervals else "single-view", **given)
    files = [] if begin else list(options.files(backbone, scratch=method != "vanilla"))
    more = {"files": files, "trust": list(options.trust), "intervals": intervals, "train": train,
            "workers": 0}  # a decoder a core
    code = provenance.sources(BOOK / f"{NOTEBOOK}.py", (backbone, method))
    # How a batch is cut into parts changes no result: a run may go on on a smaller card.
    alike = asdict(replace(settings, schedule=schedule | {"accumulate": 1}))
    identity = json.dumps([alike, begin and begin.folder.name, files, dataset.key, code,
                           metadata.version("torch")], sort_keys=True)
    return Run(row, settings, str(dataset.folder.resolve()), "frames", ("test",),
               LOCAL / hashlib.sha256(identity.encode()).hexdigest()[:16], against, begin, more)


def parts(backbone, gigabytes, size, tune="encoder"):
    """Into how many parts a batch of `size` clips is cut on a card of so many GB, for every row alike."""
    most = min(plan.part(plan.counted(backbone, method, tune), gigabytes, size)
               for method in ("vanilla", "tfe"))
    if not most:
        raise StudyError(f"{backbone}: not one clip at a time fits {gigabytes:.0f} GB: take the "
                         "frozen features, without PROFILE=paper")
    return size // most


def write(name, options, dataset, runs):
    """Write the table, the printed numbers beside it, to results/local/; return its page."""
    cited = pd.read_csv(RESULTS / "cited.csv")
    printed = cited[cited.dataset == options.benchmark].set_index("method").value
    frame = report.table(name, dataset, runs, ["test"])
    if frame.empty:
        raise StudyError(f"{name}: no run finished, so there is no table")
    frame["paper"] = frame.row.str.partition(",")[0].map(printed)
    lines = pd.DataFrame([_line(row, found, runs)
                          for row, found in frame.groupby("row", sort=False)])
    page = (f"{name} on {dataset.name}: macro mAP or accuracy, means of {frame.seed.nunique()} seeds "
            "with 95% t intervals, beside what the paper prints, and what the authors' own code would "
            "call mAP. A head that its authors trained is measured once."
            + " Encoders frozen, heads alone trained." * (options.tune == "head")
            + " A rehearsal: narrow systems, random weights." * (options.preset != "paper")
            + f"\n\n{lines.to_markdown(index=False, disable_numparse=True)}\n")
    write_csv(LOCAL / f"{name}.csv", frame, float_format="%.6g")
    write_text(LOCAL / f"{name}.md", page)
    return page


def _line(row, frame, runs):
    """A row of the page, in words."""
    values = frame.value.dropna()  # a diverged run has none
    mean, low, high = mean_interval(values) if len(values) else 3 * (float("nan"),)
    told = len(values) >= FEWEST
    own = [run.metrics["splits"]["test"].get("peers", {}).get(run.settings.backbone)
           for run in runs if run.row == row and run.metrics]
    own = [100 * value for value in own if value is not None]
    return {"row": row, "seeds": len(frame),
            "printed": "" if frame.paper.isna().any() else frame.paper.iloc[0],
            "here": f"{mean:.1f}" + f" [{low:.1f}, {high:.1f}]" * told,
            "by its authors' code": f"{sum(own) / len(own):.1f}" if own else ""}
