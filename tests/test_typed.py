"""Numbers that prose names and no cell prints are those of `results/`: a changed result names its sentence.

A case is a page, words of it with a place for each number, and a function that takes the numbers from the
committed tables. The words say where to look; the places must hold what the tables give.
"""

import re
from functools import cache
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from book import prose
from book.evidence import adversary, answer, choice, frontier, multiverse, recordings, statistics, worlds
from book.evidence.verdicts import verdict
from book.runs import worlds as places
from book.runs.batch import read as grid
from book.runs.multiverse import chosen, means, read, read_table
from data.files.paths import BOOK, RESULTS, ROOT

LARGE = "MSQNet, 4 + 4 layers, trained on"
WORDS = "none one two three four five six seven eight nine ten".split()
BOTH = ["value", "fidelity_auc"]


@cache
def text(page):
    """The prose of a page as one line."""
    return " ".join(prose.text(ROOT / page).split())


@cache
def table(*names):
    """Tables of `results/`, one below the other."""
    return pd.concat([pd.read_csv(RESULTS / f"{name}.csv") for name in names])


@cache
def search():
    """The search of chapter 15: file, rows, each method's draws on `val`, the choices, and their last stage."""
    verse, rows = read(BOOK / "batches" / "multiverse.yaml"), read_table(RESULTS / "multiverse.csv")
    drawn = dict(list(multiverse.readings(verse, rows).set_index("config").groupby("method")))
    return SimpleNamespace(verse=verse, rows=rows, drawn=drawn, chosen=chosen(verse, rows),
                           final=multiverse.last_stage(verse, rows, multiverse.asked_since())[0])


def passing(row, head, rule=None, printed=False):
    """How many draws of a row, all or printed ones, pass a plain head's best or its choice; and of how many."""
    ours, plain = search().drawn[row], search().drawn[head].value
    values = ours.value[ours.printed | (not printed)]
    return (values > (plain[search().chosen[head][rule]] if rule else plain.max())).sum(), len(values)


def warmer(row, axis, trained=False):
    """The points of mAP from a cold start to a warm one, other axes held; trained: no layer stays as drawn."""
    axes, drawn = next(method.axes for method in search().verse.methods if method.row == row), search().drawn[row]
    drawn = drawn[(drawn.begins == "warm") | (drawn.get("below") != "nobody") | (not trained)]
    effect = multiverse.effects(drawn, axes).set_index(["axis", "value"]).effect
    return effect[axis, "warm"] - effect[axis, "cold"]


def picked(row, rule="recognition"):
    """The means on `test` of what a rule chose."""
    rows = search().rows.query("stage == 'final' and split == 'test' and method == @row")
    return rows[rows.config == search().chosen[row][rule]].mean(numeric_only=True)


def beside(row, rival, split):
    """What was chosen by recognition, to a rival: the verdict on mAP, and both differences."""
    found = search().final.query("row == @row and against == @rival and split == @split")
    line, = found[found.chosen_by.str.contains("recognition")].to_dict("records")
    return verdict(line), line["difference"], line["auc_difference"]


def shared(head):
    """How far the share of leave one out's AOPCR rises from weight 0 to weight 1."""
    share = adversary.ordered(table("adversary_readouts")).groupby("row").share.mean()
    return share[f"{head}+TFE, weight 1"] - share[f"{head}+TFE, weight 0"]


@cache
def planted():
    """What heads reach on `test` where redundancy was planted in training, by share and row."""
    return table("redundancy").query("split == 'test'").groupby(["share", "row"])[["value", "fidelity_auc"]].mean()


def risen(share, ours="BIKE+TFE, weight 1", other="BIKE+TFE, weight 0"):
    """By how much one row's mean AUC lies above another's, at a share."""
    return planted().fidelity_auc[share, ours] - planted().fidelity_auc[share, other]


def elsewhere(kept):
    """What was chosen of MSQNet+TFE, to what was chosen without adversary: means over kinds of other sets, by rule.

    kept: whether a run that broke down counts.
    """
    runs = table("worlds").reset_index(drop=True)
    if not kept:
        runs.loc[worlds.broken(runs).index, ["value", "fidelity_auc"]] = np.nan
    lines = worlds.table(places.read(BOOK / "batches" / "worlds.yaml"), runs).query(
        "row == 'MSQNet+TFE' and against == 'MSQNet+TFE, no adversary'")
    return lines.groupby(["chosen_by", lines.dataset.map(choice.kind)]).difference.mean().groupby(level=0).mean()


@cache
def heads():
    """What was measured of the heads of chapter 16."""
    return adversary.gathered(*map(table, ("adversary", "adversary_measures", "reliance")))


def turned(rows):
    """Where the adversary was turned at what the search chose: mean loss of A_N and AUC of the mask, by row."""
    lines = table("adversary_chosen_summary").query("split == 'test'").set_index("row").loss_n
    masks = table("adversary_chosen_measures").query("split == 'test' and measure == 'attention_auc'")
    return pd.DataFrame({"loss_n": lines, "mask": masks.groupby("row").value.mean()}).loc[
        [f"BIKE+TFE, weight {row}" for row in rows]]


def to_control(row, measure="auc"):
    """A row of chapter 16 minus BIKE's control, paired by seed."""
    one = heads()[measure]
    return statistics.paired_by_seed(one[row], one["BIKE trained on, 1e-3"])


def along(row):
    """A head along training, by epoch."""
    return table("heads_frontier").query("row == @row").groupby("epoch")[BOTH].mean()


def tuned(row):
    """The mAP on `val` where rates were chosen, by seed."""
    return table("tune", "tune_edge").query("row == @row and split == 'val'").set_index("seed").value


@cache
def size(row):
    """How many thousand parameters a row of `equal.yaml` trains, on the twelve classes of `planted`."""
    point, = (point for point in grid(BOOK / "batches" / "equal.yaml").points() if point.row == row)
    system = point.settings.build(12, 1280, "multilabel")
    return sum(parameter.numel() for parameter in system.parameters()) / 1000


def as_large(row):
    """A row beside its rival, where plain heads have as many parameters."""
    return table("equal_summary").query("split == 'test'").set_index("row").loc[row]


def both_measures(name):
    """A table's p values after Holm's rule over both measures and all splits, by row, measure and split."""
    lines = table(f"{name}_summary").set_index(["row", "split"])[["p", "auc_p"]].stack().dropna()
    found = pd.Series(statistics.holm(lines.to_list()), lines.index)
    return found.reorder_levels([0, 2, 1])


def to_trained_on(measure):
    """MSQNet+TFE minus the head trained on, as in the headline."""
    lines = table("headline_summary").query("split == 'test' and against == 'MSQNet trained on'").set_index("row")
    return lines[measure]["MSQNet+TFE"]


def real(*sets):
    """The summaries of sets of real recordings, those of chapter 19 unless named."""
    lines = recordings.tables(sets={name: recordings.SETS[name] for name in sets or recordings.UNTUNED})
    return lines[lines.split == "test"].set_index("row")


def clear(column, *sets):
    """MSQNet's rows minus their control, where the line's own interval lies above zero."""
    lines = real(*sets).query("against == 'MSQNet trained on'")
    return lines[column][lines[f"{column}_low"] > 0].sort_values()


def below(prefix=""):
    """The verdicts on the rows with -L_N below D, of all sets."""
    lines = real(*recordings.SETS).filter(like="-L_N below D", axis=0).to_dict("records")
    return [word for line in lines if (word := verdict(line, prefix))]


CASES = {
    "book/12_table1.py": {
        "({:.1f} and {:.1f} mAP), and none without it ({:.1f}, {:.1f})": lambda: [
            *tuned("MSQNet+TFE, 1.0e-3"), *tuned("MSQNet+TFE, no adversary, 1.0e-3")],
        "missed that point by {:.2f}": lambda: [
            1 - (tuned("BIKE trained on, 1.0e-2") - tuned("BIKE trained on, 3.0e-3")).mean()],
        "lies {:.1f} points below its control on `val`": lambda: [
            (tuned("MSQNet trained on, 1.0e-3") - tuned("MSQNet+TFE, no adversary, 1.0e-3")).mean()],
        "BIKE+TFE has {:.0f} thousand where BIKE has {:.0f}, MSQNet+TFE {:.0f} thousand where MSQNet has {:.0f}":
            lambda: [size(f"{head}{tfe}") for head in answer.HEADS[::-1] for tfe in ("+TFE", "")],
        "BIKE with four blocks ({:.0f}) and MSQNet with four layers in each half ({:.0f})": lambda: [
            size("BIKE, 4 blocks"), size("MSQNet, 4 + 4 layers")],
        "BIKE+TFE's AUC lies {:.3f} above it": lambda: [as_large("BIKE+TFE").auc_difference],
        "(p {:.3f} after Holm's rule over the table's eight differences in AUC; {:.3f} over both": lambda: [
            as_large("BIKE+TFE").auc_holm, both_measures("equal")["BIKE+TFE", "auc_p", "test"]],
        "{:.1f} of {:.1f} points lost, {:.3f} of {:.3f} AUC gained": lambda: [
            -as_large(LARGE).difference, -to_trained_on("difference"),
            as_large(LARGE).auc_difference, to_trained_on("auc_difference")],
        "larger BIKE has {:.1f} mAP and {:.3f} AUC at 3e-4 and then 3e-3, where BIKE+TFE has {:.1f} and {:.3f}":
            lambda: [table(name).query("split == 'val' and row == @row")[each].item()
                     for name, row in (("equal_tune_summary", "BIKE, 3.0e-4, then 3.0e-3"),
                                       ("tune_summary", "BIKE+TFE, 1.0e-3")) for each in ("value", "auc")],
        "MSQNet's begins {:.1f} points lower": lambda: [
            as_large("MSQNet").value - as_large("MSQNet, 4 + 4 layers").value],
        "in mAP, and {:.3f} above it in AUC": lambda: [as_large("MSQNet+TFE").auc_difference]},
    "book/15_multiverse.py": {
        "whose four seeds have a mean of {:.1f}": lambda: [
            means(search().rows).value["BIKE", search().drawn["BIKE"].value.idxmax()]],
        "lose {:.0f} points on further seeds": lambda: [
            multiverse.again(search().verse, search().rows).set_index("method").fall["BIKE"]],
        "by recognition is {} by {:.1f} points": lambda: beside("MSQNet+TFE", "MSQNet", "shifted"),
        "in AUC, {2:+.3f}, only": lambda: beside("BIKE+TFE", "BIKE", "test"),
        "it is {} by {:.1f} points and {:.3f} AUC": lambda: beside("BIKE+TFE", "BIKE", "shifted"),
        "by {:.1f} points at {:.3f} less AUC": lambda: [
            (found := beside("MSQNet+TFE", "MSQNet+TFE, no adversary", "shifted"))[1], -found[2]],
        "costs TFE {:.0f} points of `val` on MSQNet and {:.0f} on": lambda: [
            warmer("MSQNet+TFE", "start of MSQNet"), warmer("BIKE+TFE", "start")],
        "{:.0f} and {:.0f} without the readings": lambda: [
            warmer("MSQNet+TFE", "start of MSQNet", True), warmer("BIKE+TFE", "start", True)],
        "costs the plain heads {:.0f} and {:.0f}": lambda: [
            warmer("MSQNet", "start or layers"), warmer("BIKE", "start or blocks")],
        "{0.loss_n:.3f}, where an uninformed critic has {0.uninformed:.3f}": lambda: [picked("BIKE+TFE")],
        "lies {:.1f} points and {:.2f} AUC above": lambda: (picked("gated MIL") - picked("BIKE+TFE"))[BOTH],
        "by fidelity {:.1f} and {:.2f} above MSQNet+TFE": lambda: (
            picked("gated MIL", "fidelity") - picked("MSQNet+TFE", "fidelity"))[BOTH],
        "BIKE's at {:.2f} beside {:.2f}": lambda: [picked(row).attention_auc for row in ("BIKE+TFE", "BIKE")],
        "MSQNet's at {:.2f} and {:.2f} beside {:.2f}": lambda: [
            *(picked("MSQNet+TFE", rule).attention_auc for rule in multiverse.RULES),
            picked("MSQNet").attention_auc],
        "{} of BIKE+TFE's {} and {} of its {} printed": lambda: [
            *passing("BIKE+TFE", "BIKE", "recognition"), *passing("BIKE+TFE", "BIKE", "recognition", True)],
        "{} printed readings of BIKE+TFE {} passes": lambda: [
            (found := passing("BIKE+TFE", "BIKE", printed=True))[1], WORDS[found[0]]],
        "BIKE+TFE took {.seconds:.0f} seconds": lambda: [picked("BIKE+TFE")],
        "plain BIKE took {.seconds:.0f} for its": lambda: [picked("BIKE")]},
    "book/20_when.py": {
        "beside that rival are {:+.1f} and {:+.1f}, not {:+.1f} and {:+.1f}": lambda: [
            *elsewhere(False), *elsewhere(True)]},
    "book/16_adversary.py": {
        "it moves by {:.3f} where BIKE's moves by {:.3f}": lambda: [shared(head) for head in ("MSQNet", "BIKE")],
        "at .75 the rise is {:.3f} more than at .08": lambda: [risen(.75) - risen(.08)],
        "are few it is {:.3f}, equal": lambda: [risen(.08)],
        "at .75 it is {:.3f} and not equal": lambda: [risen(.75)],
        "At .25 it is {:.3f}, the one": lambda: [risen(.25)],
        "weight 0 ends {:.2f}, {:.2f} and {:.2f} AUC below": lambda: [
            -risen(share, "BIKE+TFE, weight 0", "BIKE") for share in (.08, .25, .75)],
        "all heads are near {:.0f} mAP": lambda: [planted().value[.75].mean()],
        **dict.fromkeys(["lies {:.3f} above weight 0", "$D$ lies {:.3f} below", "above weight 0, by {:.3f}"],
                        lambda: [-to_control("BIKE+TFE, weight 0")["difference"]]),
        "from {:.2f} to {:.2f} at weight 3, to {:.2f} with the ally, to {:.2f} with": lambda: [
            heads()["mask"][f"MSQNet+TFE, {how}"].mean() for how in ("weight 0", "weight 3", "ally", "prior")],
        "loss ends near {:.3f} at all four": lambda: [turned([0.1, 0.3, 1, 3]).loss_n.median()],
        "falls from {:.2f} to {:.2f} at .3 and to {:.2f} at 1": lambda: turned([0, 0.3, 1])["mask"],
        "({0[difference]:.3f}, p = {0[p]:.3f})": lambda: [to_control("BIKE+TFE, weight 1", "mass")],
        "has {:.3f} at epoch 12 and {:.3f} just after": lambda: [
            along("MSQNet").fidelity_auc[12], along("MSQNet trained on").fidelity_auc.iloc[0]],
        "MSQNet is {:.3f} and {:.3f} more faithful": lambda: [
            frontier.compared(table("heads_frontier"), f"MSQNet, {how}", ["MSQNet"])["difference"]
            for how in ("decay 1", "dropout 0.3")],
        "ends at {:.1f} mAP and {:.3f} AUC": lambda: along("Gated MIL").iloc[-1]},
    "book/19_fidelity.py": {
        "in AUC, by {:.2f} to {:.2f}": lambda: clear("auc_difference").agg(["min", "max"]),
        "had lost {:.2f} to {:.2f} by": lambda: -real().auc_difference["MSQNet trained on"].agg(["max", "min"]),
        "{} of them lie {:.1f} and {:.1f} points": lambda: [
            WORDS[len(found := clear("difference", "utkinect"))], *found],
        "from scratch {:.1f} below": lambda: [-real("utkinect").difference["MSQNet+TFE from scratch"]],
        "lies {:.2f} above its control": lambda: [real("salads").auc_difference["BIKE+TFE, -L_N below D"]],
        "lies {:.2f} below BIKE": lambda: [-real("salads").auc_difference["BIKE+TFE from scratch"]]},
    "README.md": {
        "TFE's AUC is {:.3f} above that of a plain BIKE": lambda: [as_large("BIKE+TFE").auc_difference],
        "{} of MSQNet's and {} of BIKE's recognise": lambda: [
            passing(f"{head}+TFE", head)[0] for head in answer.HEADS],
        "of gated MIL's, {} and {} do": lambda: [passing("gated MIL", head)[0] for head in answer.HEADS],
        "{} of {} cases lose recognition": lambda: [WORDS[below().count("lower")], len(below())],
        "AUC rises in {} and falls in {} of {}": lambda: [
            *(WORDS[below("auc_").count(word)] for word in ("higher", "lower")), len(below("auc_"))],
        "All {} of those runs end *runaway*": lambda: [WORDS[int(
            table("headline_summary").query("split == 'test'").set_index("row").runaway["BIKE+TFE"])]],
        "gain in recognition *{} on the reading*": lambda: [
            table("claims").set_index("id").verdict["consistent-long"].split()[0]]}}


@pytest.mark.parametrize("page, words", [(page, words) for page in CASES for words in CASES[page]])
def test_a_typed_number_is_that_of_the_results(page, words):
    wanted = re.sub(r"\b0\.", ".", words.format(*CASES[page][words]()))  # prose writes .05
    places = r"[-+]?[\w.]*\w".join(map(re.escape, re.split(r"{.*?}", words)))
    found = set(re.findall(places, text(page)))
    assert found == {wanted}, f"{page} says {found or 'no such words'}, the results say {wanted!r}"


def test_beside_plain_heads_as_large_verdicts_are_those_of_chapter_12():
    """mAP is apart for the larger MSQNet alone, AUC higher for it and for TFE on both heads."""
    lines = [as_large(row) for row in ("BIKE, 4 blocks, trained on", LARGE, "BIKE+TFE", "MSQNet+TFE")]
    assert [*map(verdict, lines)] == ["no clear difference", "lower", *2 * ["no clear difference"]]
    assert [verdict(line, "auc_") for line in lines] == ["no clear difference", *3 * ["higher"]]
