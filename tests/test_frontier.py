"""Rows watched along training: the same end as unwatched, epochs counted from the first head's begin."""

import pytest
import yaml

from book.runs import batch, fits, frontier
from data.files.dataset import open_dataset
from tfe.errors import StudyError

BIKE = {"backbone": "bike", "profile": "smoke"}
ROWS = [{"row": "head", "method": "vanilla", **BIKE},
        {"row": "on", "method": "vanilla", "from": "head", **BIKE},
        {"row": "TFE", "method": "tfe", "from": "head", "depth": "last", **BIKE}]


@pytest.fixture
def planned(toy, fits_apart):
    """`planned(rows)`: their runs, on a toy dataset."""
    folder = fits_apart(frontier)

    def plan(rows):
        (path := folder / "toy.yaml").write_text(yaml.safe_dump({
            "table": "toy", "dataset": str(toy), "encoder": "planted", "seeds": [0],
            "splits": ["val"], "rows": rows}))
        grid = batch.read(path)
        return batch.plan(grid, open_dataset(grid.folder), grid.encoder)
    return plan


def test_watching_changes_nothing_and_epochs_go_on_from_the_head(planned, capsys):
    runs = planned(ROWS)
    lines = frontier.run("toy", runs, every=1)
    assert lines.groupby("row", sort=False).epoch.apply(list).to_dict() == {
        "head": [1, 2], "on": [3, 4], "TFE": [3, 4]}
    for one in runs:
        plain, _ = fits.fit(one.settings, one.data, one.encoder, ["val"], one.begin and one.begin.settings)
        last = lines[lines.row == one.row].iloc[-1]
        assert all(last[name] == pytest.approx(plain[0][name], rel=1e-5) for name in frontier.MEASURED)
    capsys.readouterr()
    again = frontier.run("toy", runs, every=1)
    assert again.equals(lines) and "3 fits, 0 to do" in capsys.readouterr().out
    frontier.run("toy", runs, every=2)
    assert "3 fits, 3 to do" in capsys.readouterr().out  # another step is another question


def test_a_row_that_begins_at_a_warm_row_is_refused(planned):
    rows = [*ROWS, {"row": "further", "method": "vanilla", "from": "on", **BIKE}]
    with pytest.raises(StudyError, match="row further begins at on, which begins warm itself"):
        frontier.run("toy", planned(rows))
