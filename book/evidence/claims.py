"""The ledger: every claim of the paper that can be pointed at, judged by a rule from a results file.

A verdict is computed, never typed: change the file and the verdict follows. Where the file that a rule
reads is not there, or the claim is about a benchmark that nobody has run here, the verdict is "not
testable here" and the evidence says what would test it.
"""

from functools import partial

import numpy as np
import pandas as pd
import torch

from book.evidence.rules import (CONFIRMED, NARROWED, REFUTED, UNSEEN, UNTESTED, coarser,
                                 contradicted, correlation, fall, gain, in_readings, independent,
                                 largest, less_in_rest, load, measured, orthogonal, paired, raises)
from data.files.paths import RESULTS
from tfe.khot import inclusion

# What would come nearest: the benchmark's videos as a folder, with the small heads; and where the
# printed rows stand.
COMMANDS = {1: "make reproduce-table1 DATA=DIR", 2: "make reproduce-table2 DATA=DIR",
            3: "make reproduce-table3 DATA=DIR"}
PRINTED = {1: "10_table1, The literature rows of the paper's Table 1",
           2: "11_table2, The literature rows of the paper's Table 2", 3: "12_table3, The printed rows"}


def printed(folder):
    """The paper's own cells of Tables 1 to 3: claims about benchmarks that were not run here."""
    cited, ablation = pd.read_csv(folder / "cited.csv"), pd.read_csv(folder / "reported.csv")
    ablation = ablation[ablation.source == "the paper, Table 3"].rename(
        columns={"system": "method"}).assign(table=3)
    for cell in pd.concat([cited[cited.source.str.contains("own row")], ablation]).itertuples():
        yield {"id": f"table{cell.table}-{cell.method}-{cell.dataset}".lower().replace(" ", "-"),
               "where": f"Table {cell.table}", "verdict": UNTESTED,
               "claim": f"{cell.method} reaches {cell.value} on {cell.dataset}",
               "evidence": f"{PRINTED[cell.table]}: not run: needs the videos of {cell.dataset} and the full-size "
                           f"head; the small heads on them: {COMMANDS[cell.table]}"}


def costs(folder):
    """The eight numbers of Table 4: the true cost, or that of the modules a counter by hooks sees."""
    if not (folder / "table4.csv").is_file():
        return
    for cell in load(folder, "table4").itertuples():
        near, seen = (abs(cell.printed / value - 1) < error
                      for value, error in ((cell.true, 0.01), (cell.rebuilt, 0.001)))
        yield {"id": f"table4-{cell.row}-{cell.quantity}".lower().replace(" ", "-"),
               "where": "Table 4",
               "verdict": CONFIRMED if near else NARROWED if seen else REFUTED,
               "claim": f"{cell.row} costs {cell.printed} {cell.unit} of {cell.quantity}",
               "evidence": f"13_table4, The eight numbers: true {cell.true:.1f} {cell.unit}; "
                           f"modules that a counter by hooks sees: {cell.rebuilt:.1f}"}


def cheaper(folder):
    """TFE costs no more than what it replaces, in truth: every quantity of both systems."""
    true = load(folder, "table4").pivot(index="row", columns="quantity", values="true")
    saved = {f"{row} {quantity}": 100 * (1 - true.loc[f"{row}+TFE", quantity] / cost)
             for row in true.index if f"{row}+TFE" in true.index
             for quantity, cost in true.loc[row].items()}
    words = "saved, per cent: " + ", ".join(f"{name} {part:.2f}" for name, part in saved.items())
    return (CONFIRMED if min(saved.values()) >= 0 else REFUTED), words


def facts(datasets, within=0.005):
    """Section 4.1's numbers of some benchmarks, against the official lists.

    Confirmed where all agree, narrowed where some do; seconds printed as whole numbers may have been
    cut off.
    """
    def judge(folder):
        rows = load(folder, "annotations").dropna(subset="paper")
        rows = rows[rows.dataset.isin(datasets)]
        if rows.empty:
            raise LookupError("not run: make annotations LISTS=DIR")
        seconds = rows.quantity.str.endswith("(s)")
        good = np.where(seconds, rows.paper == np.floor(rows.value),
                        np.isclose(rows.value, rows.paper, rtol=within))
        words = "; ".join(f"{row.quantity} {row.value:g}, printed {row.paper:g}"
                          for row in rows[~good].itertuples())
        verdict = CONFIRMED if good.all() else NARROWED if good.any() else REFUTED
        return verdict, f"{good.sum()} of {len(rows)} agree" + (f"; not: {words}" if words else "")
    return judge


def khot(folder):
    """Eq. (8) with k draws gives k ones: the expected number under equal logits, T = 16."""
    counts = {k: float(inclusion(torch.zeros(16), k).sum()) for k in (1, 4, 8, 16)}
    words = ", ".join(f"k = {k}: {ones:.1f}" for k, ones in counts.items())
    good = all(abs(ones - k) < 0.01 for k, ones in counts.items())
    return (CONFIRMED if good else REFUTED), f"ones expected of 16 under equal logits, {words}"


def captioned(folder):
    """Table 3's caption names three datasets: how many its rows are printed for."""
    rows = load(folder, "reported").query("source == 'the paper, Table 3'")
    columns = rows.groupby("system").size()
    return (CONFIRMED if (columns == 3).all() else REFUTED), (
        f"{len(columns)} rows with {columns.max()} number each, of {', '.join(rows.dataset.unique())}")


HEADS = ["MSQNet+TFE", "BIKE+TFE"]
DEPENDENCE = ["probes_dependence", "probes_dependence_permuted"]
PROBED = "15_fidelity, Is the label gone from z_N, or is its critic fooled?"


def of_both(name, where, claim, rule, chapter):
    """The same claim about the MSQNet-style and the BIKE-style head: two entries of `RULES`."""
    return [(f"{name}-{head.lower()}", where, f"{claim} ({head})", rule(head), chapter)
            for head in ("MSQNet", "BIKE")]


# id, where, the claim in our words, the rule, the chapter that shows it.
RULES = (
    ("eq8", "Eq. (8), section 3.2.2", "the relaxed mask is k-hot: k of T segments", khot,
     "06_khot, k draws: Eq. (8)"),
    ("eq10", "Eqs. (6) and (10)", "z_S holds the salient part of x and leaves the rest out",
     contradicted("B.residual"), "05_budget, What the network keeps"),
    ("eq12-words", "Section 3.2.3, the sentence under Eq. (12)",
     "z_S gains by maximising L_S, z_N loses by minimising L_N", contradicted("G.response"),
     "08_game, At best response the game is L1, exactly"),
    *((f"facts-{name.lower().replace('-', '')}", "Section 4.1", f"{name}: {what}",
       facts([name.lower().replace("-", "")]), "09_data, What section 4.1 says of the data")
      for name, what in (("UCF101", "classes, clips, groups and splits"),
                         ("HMDB-51", "classes, clips, splits and lengths"),
                         ("Charades", "classes, videos, intervals and lengths"))),
    ("consistent-long", "Section 4.3, untrimmed videos",
     "TFE improves every backbone (on synthetic untrimmed videos)", in_readings(partial(raises, "headline"), "MSQNet", "BIKE"),
     "10_table1, Again, with ten seeds"),
    ("consistent-short", "Section 4.3, trimmed videos",
     "TFE improves every backbone (on synthetic trimmed clips)",
     raises("table2", ["MSQNet+TFE", "BIKE+TFE", "Text4Vis+TFE"]),
     "11_table2, TFE against the head it replaces"),
    ("smaller-on-bike", "Section 4.3", "the gain on BIKE is smaller than on MSQNet (untrimmed)",
     paired("headline", "MSQNet", "BIKE", of=gain), "10_table1, Again, with ten seeds"),
    ("coarse", "Section 4.3, its reason",
     "TFE gains more under coarse supervision: whole videos against clips of one action (MSQNet)",
     coarser("MSQNet"), "16_when, Coarse against fine supervision"),
    ("coarse-bike", "Section 4.3, its reason",
     "TFE gains more under coarse supervision: whole videos against clips of one action (BIKE)",
     coarser("BIKE"), "16_when, Coarse against fine supervision"),
    ("limited-text4vis", "Section 4.3", "on trimmed clips the gain on Text4Vis is below BIKE's",
     paired("table2", "BIKE", "Text4Vis", of=gain), "11_table2, TFE against the head it replaces"),
    ("bounded", "Section 3.1.3, a bounded form", "with a bounded adversary TFE improves recognition",
     raises("bounded", ["MSQNet+TFE bounded", "BIKE+TFE bounded"]),
     "10_table1, TFE against the head it replaces"),
    ("ablation-whole", "Section 4.4", "the whole of TFE is the best row of its ablation",
     largest("table3", "TFE"), "12_table3, The table"),
    ("ablation-mask", "Section 4.4", "with both equations, the mask improves on two plain streams",
     paired("table3", "TFE", "Variant 3"), "12_table3, The table"),
    ("ablation-eq4", "Section 4.4", "with the mask, Eq. (4) improves on Eq. (5) alone",
     paired("table3", "TFE", "Variant 5"), "12_table3, The table"),
    ("ablation-eq5", "Section 4.4", "with the mask, Eq. (5) improves on Eq. (4) alone",
     paired("table3", "TFE", "Variant 4"), "12_table3, The table"),
    ("ablation-datasets", "Table 3, caption", "the ablation was made on three datasets", captioned,
     "12_table3, The printed rows"),
    ("no-more-resources", "Section 4.6", "TFE raises neither FLOPs nor parameters", cheaper,
     "13_table4, What TFE saves"),
    ("fidelity", "Abstract, sections 1 and 4.5",
     "TFE raises temporal fidelity (leave one out, against true intervals)",
     in_readings(partial(raises, "headline", prefix="auc_"), "MSQNet", "BIKE"), "10_table1, Again, with ten seeds"),
    *((f"fidelity-{name}", "Abstract, on real recordings", f"TFE raises temporal fidelity ({what})",
       raises(name, HEADS, "auc_"), "15_fidelity, Real recordings")
      for name, what in (("salads", "50 Salads, supervised frame scores"),
                         ("gtea", "GTEA, supervised frame scores"),
                         ("utkinect", "UTKinect, skeletons"))),
    ("figure-1", "Fig. 1", "a head's attention lies off the action and TFE's lies on it",
     raises("fidelity", ["BIKE+TFE"], "auc_"), "15_fidelity, Figure 4, by a rule"),
    ("figure-4", "Fig. 4, section 4.5", "TFE removes attention from inessential segments (MSQNet)",
     raises("fidelity", ["MSQNet+TFE"], "auc_"), "15_fidelity, Figure 4, by a rule"),
    ("fidelity-accuracy", "Section 4.2", "higher fidelity goes with higher accuracy",
     correlation("fidelity"), "15_fidelity, Does fidelity go with accuracy?"),
    *of_both("suppresses", "Sections 1 and 2",
             "TFE leans less on a spurious scene: it falls less where scenes are independent",
             lambda head: in_readings(lambda rows: paired("headline", f"{head} trained on", *rows,
                                                          of=fall), head),
             "10_table1, Again, with ten seeds"),
    *of_both("separates", "Section 3.1", "z_N tells less of the label than z_S", lambda head: measured(
        "fidelity", f"{head}+TFE", ["probes_probe_z_s", "probes_probe_z_n"], less_in_rest), PROBED),
    *of_both("orthogonal", "Section 3.1", "z_S and z_N point in unrelated directions", lambda head:
             measured("fidelity", f"{head}+TFE", ["probes_cosine"], orthogonal), PROBED),
    *of_both("independent", "Eq. (2), third term", "z_S and z_N become independent", lambda head:
             measured("fidelity", f"{head}+TFE", DEPENDENCE, independent), PROBED),
)


def ledger(folder=RESULTS):
    """The rows of `claims.csv` about the experiments; those on the theory come from `book.theory`."""
    rows = []
    for name, where, claim, rule, chapter in RULES:
        try:
            verdict, words = rule(folder)
        except LookupError as error:
            verdict, words = UNTESTED, str(error.args[0])
        if verdict == UNSEEN:
            words = f"not told apart: {words}"
        rows.append({"id": name, "where": where, "claim": claim, "verdict": verdict,
                     "evidence": f"{chapter}: {words}"})
    return rows + [*costs(folder), *printed(folder)]
