"""Costs: closed forms against counted operations, the printed digits, and what hooks miss."""

from itertools import product

import pandas as pd
import pytest
import torch
from torch import nn

from book.__main__ import main
from book.evidence import cost, ledger, shapes
from tfe.errors import StudyError
from data.files.paths import RESULTS


def on_meta(make, *shapes):
    with torch.device("meta"):
        return make(), *(torch.empty(*shape) for shape in shapes)


def totals(pieces):
    return cost.total(pieces, "params"), 2 * cost.total(pieces, "macs")


def test_the_count_of_a_linear_map_by_hand():
    assert shapes.count(*on_meta(lambda: nn.Linear(3, 5), (7, 3))) == (3 * 5 + 5, 2 * 7 * 3 * 5)


def test_an_encoder_layer_is_counted_with_its_products_and_never_as_zero():
    layer = on_meta(lambda: nn.TransformerEncoderLayer(512, 8, batch_first=True), (1, 16, 512))
    pieces = [*ledger.attention("", 512, 16, 16, seen=False), *ledger.feed_forward("", 512, 16),
              *[ledger.norm("", 512, 16)] * 2]
    assert shapes.count(*layer) == totals(pieces)


def test_cross_attention_projects_queries_and_keys_apart():
    attention = on_meta(lambda: nn.MultiheadAttention(64, 4, batch_first=True),
                        (1, 10, 64), (1, 6, 64), (1, 6, 64))
    assert shapes.count(*attention) == totals(ledger.attention("", 64, 10, 6, seen=False))


def test_a_module_off_the_meta_device_is_refused():
    with pytest.raises(StudyError, match="meta device"):
        shapes.count(nn.Linear(2, 2), torch.zeros(1, 2))


@pytest.mark.parametrize("row", cost.PRINTED)
def test_each_ledger_adds_up_to_the_operations_of_the_system(row):
    pytest.importorskip("transformers", reason="the full-size towers need the package transformers")
    assert shapes.measure(row) == totals(cost.SYSTEMS[row]())


def test_all_printed_digits_are_rebuilt_two_of_them_only_by_rounding_up():
    table = cost.table4()
    verdicts = [cost.agrees(*cell) for cell in zip(table.printed, table.rebuilt)]
    up = table.row.str.startswith("BIKE") & (table.unit == "GFLOP")
    assert verdicts == ["rounded up" if late else "rounded" for late in up]


@pytest.mark.parametrize("rebuilt, verdict", [
    (1.301, "rounded up"), (1.349, "rounded up"), (1.351, "rounded"), (1.449, "rounded"),
    (1.46, "no"), (1.29, "no")])
def test_a_digit_is_rebuilt_by_rounding_or_by_rounding_up_or_not(rebuilt, verdict):
    assert cost.agrees(1.4, rebuilt) == verdict


def test_a_hook_sees_the_networks_of_a_decoder_layer_but_not_its_attention():
    layer = nn.TransformerDecoderLayer(32, 4, 128, batch_first=True).eval()
    fired = []
    for name, module in layer.named_modules():
        if not list(module.children()):
            module.register_forward_hook(lambda *_, name=name: fired.append(name))
    layer(torch.zeros(1, 5, 32), torch.zeros(1, 6, 32))
    assert {"linear1", "linear2", "norm1", "norm2", "norm3"} <= set(fired)
    assert not any("attn" in name for name in fired)


@pytest.mark.parametrize("name", ["msqnet", "bike"])
def test_what_is_seen_is_part_of_what_is_there(name):
    for piece in getattr(ledger, name)():
        assert piece.seen_params in (0, piece.params)
        # A norm is no matrix product: there the hooks' rule charges what the truth does not.
        assert piece.seen_macs in (0, piece.macs) or piece.macs == 0


def test_the_default_disentangler_has_sixteen_squares_of_seen_weights():
    dim = 512
    pieces = ledger.disentangler(dim)
    assert cost.total(pieces, "seen_macs") == 16 * dim**2 * ledger.SEGMENTS
    assert cost.seen_units(8, "narrow", False, "none", 4, 2) == 16


def test_the_fitting_disentanglers_are_those_of_an_independent_count():
    dim = 64

    def network(ratio, inputs, outputs):
        if ratio == "none":
            return 0
        return inputs * outputs if ratio == "linear" else (inputs + outputs) * int(ratio * outputs)

    def weights(heads, width, projections_seen, head_ratio, ratio, branches):
        each = dim if width == "full" else dim // heads
        return 3 * dim * heads * each * projections_seen + branches * (
            heads * network(head_ratio, each, each) + network(ratio, heads * each, dim))

    # One head is narrow and full alike, and comes once; several full ones are wider than d, and need a network.
    shaped = [point for point in product(*cost.GRID.values()) if point[:2] != (1, "narrow")
              and not (point[0] > 1 and point[1] == "full" and point[4] == "none")]
    fit, tried = cost.fitting()
    assert tried == len(shaped) > len(fit) > 0
    assert [point for point in shaped if weights(*point) == 16 * dim**2] == [
        *fit.itertuples(index=False, name=None)]


def test_the_literal_text_does_not_fit():
    # Projections seen, and all four networks four times as wide, at any number of heads.
    fit, _ = cost.fitting()
    literal = fit[(fit["head_ratio"] == 4) & (fit["ratio"] == 4) & fit.projections_seen]
    assert literal.empty
    assert cost.seen_units(1, "full", True, 4, 4, 2) == 35


def test_the_committed_table_is_the_computed_one():
    if not (RESULTS / "table4.csv").is_file():
        pytest.skip("results/table4.csv is not made yet: make reproduce-table4")
    committed = pd.read_csv(RESULTS / "table4.csv")
    pd.testing.assert_frame_equal(committed, cost.table4().round(3))


def test_the_command_writes_the_table_and_says_what_fits(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(shapes, "measure", lambda row: totals(cost.SYSTEMS[row]()))
    assert main(["cost", "--out", str(tmp_path / "t.csv")]) == 0
    assert len(pd.read_csv(tmp_path / "t.csv")) == 8
    assert "fit both +TFE rows" in capsys.readouterr().out
    monkeypatch.setattr(shapes, "measure", lambda row: (1, 1))
    assert main(["cost", "--out", str(tmp_path / "none.csv")]) == 2
    assert "does not add up" in capsys.readouterr().err
    assert not (tmp_path / "none.csv").exists()
