"""The wheel is `tfe` alone, and somebody else's project trains a TFE head with it."""

import re
import subprocess
import sys
import sysconfig
from zipfile import ZipFile

import pytest
from test_rooms import third_party

from data.files.paths import ROOT

pytest.importorskip("hatchling", reason="the wheel is built by the package hatchling")

TEN_LINES = """
import torch
from tfe import systems, training
from tfe.evaluation import predict
from tfe.metrics import mean_average_precision

torch.manual_seed(0)
x, targets = torch.randn(40, 8, 16), (torch.rand(40, 3) < 0.4).float()
x[..., :3] += 4 * targets.unsqueeze(1)
system = systems.build("tfe", "bike", 3, 16, "multilabel", head={"dim": 32})
plan = training.Schedule(epochs=8, batch_size=8, lr=3e-3, weight_decay=0.0, warmup_epochs=1)
history = training.fit(system, x, targets, plan, seed=0)
print(mean_average_precision(targets, predict(system, x, targets)["scores"]))
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    folder = tmp_path_factory.mktemp("wheel")
    subprocess.run([sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", folder], cwd=ROOT,
                   check=True, capture_output=True)
    return next(folder.glob("*.whl"))


def test_the_wheel_holds_tfe_and_nothing_else(wheel):
    with ZipFile(wheel) as archive:
        rooms = {name.split("/")[0] for name in archive.namelist()}
    assert {room for room in rooms if not room.endswith(".dist-info")} == {"tfe"}


def test_what_tfe_imports_is_what_the_wheel_requires(wheel):
    with ZipFile(wheel) as archive:
        name = next(n for n in archive.namelist() if n.endswith("/METADATA"))
        lines = re.findall(r"^Requires-Dist: ([\w-]+)[^;\n]*(; extra == 'full')?$",
                           archive.read(name).decode(), re.MULTILINE)
    assert {package for package, _ in lines} == third_party("tfe")
    assert [package for package, extra in lines if extra] == ["transformers"]


def test_an_empty_environment_with_the_wheel_trains_a_tfe_head(wheel, tmp_path):
    """Beside the wheel lie the packages installed here, but for this repository, which a .pth adds."""
    subprocess.run([sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--no-index", "--target",
                    tmp_path / "site", wheel], check=True, capture_output=True)
    paths = [str(tmp_path / "site"), sysconfig.get_path("purelib")]
    alone = ("from importlib.util import find_spec\nimport tfe\n"
             f"assert tfe.__file__.startswith({paths[0]!r})\n"
             "assert not find_spec('book') and not find_spec('data')\n")
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", f"import sys\nsys.path[:0] = {paths}\n{alone}{TEN_LINES}"],
        cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert float(done.stdout) > 0.9
