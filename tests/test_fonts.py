"""Names in any script: written in a figure where a font for them is installed, else told in one line."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
from fontTools.fontBuilder import FontBuilder
from fontTools.pens.ttGlyphPen import TTGlyphPen
from matplotlib import font_manager

from book import plots

NAME = "\u5b66\u7fd2"


@pytest.fixture
def installed(tmp_path, monkeypatch):
    """A font that writes the two characters of NAME as full squares."""
    pen = TTGlyphPen(None)
    for point in ((0, 0), (0, 1000), (1000, 1000), (1000, 0)):
        (pen.lineTo if point != (0, 0) else pen.moveTo)(point)
    pen.closePath()
    font, names = FontBuilder(1000), [".notdef", "square"]
    font.setupGlyphOrder(names)
    font.setupCharacterMap({ord(letter): "square" for letter in NAME})
    font.setupGlyf(dict.fromkeys(names, pen.glyph()))
    font.setupHorizontalMetrics(dict.fromkeys(names, (1000, 0)))
    font.setupHorizontalHeader(ascent=1000, descent=0)
    font.setupNameTable({"familyName": plots.OTHER_SCRIPTS[0], "styleName": "Regular"})
    font.setupOS2()
    font.setupPost()
    font.save(tmp_path / "font.ttf")
    monkeypatch.setattr(font_manager.fontManager, "ttflist", [
        *font_manager.fontManager.ttflist, font_manager.ttfFontProperty(
            font_manager.get_font(tmp_path / "font.ttf"))])
    font_manager.fontManager._findfont_cached.cache_clear()


@pytest.fixture
def none(monkeypatch):
    """A machine with matplotlib's own font alone."""
    monkeypatch.setattr(font_manager.fontManager, "ttflist", [
        font for font in font_manager.fontManager.ttflist if font.name.startswith("DejaVu")])


def written(path):
    """How much of a figure with NAME in it is black."""
    plots.style()
    fig = plt.figure(figsize=(2, 2))
    fig.text(0.1, 0.4, NAME, fontsize=40)
    plots.save(fig, path)
    plt.close(fig)
    return (plt.imread(path)[..., :3].mean(-1) < 0.5).mean()


def test_names_are_written_where_a_font_has_them(installed, tmp_path, capsys):
    assert written(tmp_path / "a.png") > 0.15 and capsys.readouterr().err == ""


def test_boxes_are_told_in_one_line_where_no_font_has_them(none, tmp_path, capsys):
    assert np.isfinite(written(tmp_path / "a.png"))
    said, = capsys.readouterr().err.strip().splitlines()
    assert said.startswith(f"no font here has {NAME}, ") and "Noto Sans CJK" in said
    assert plots.png(plt.figure()) and capsys.readouterr().err == ""
