"""The set-up: locks in step with the pins, the user's settings carried over, no CUDA unasked."""

import json
import os
import re
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from book import environment
from book.environment import CPU_LOCK, CPU_WHEELS, CUDA_LOCK, ROOT, SetupError, choices

TORCH = environment.pins()["torch"]
LOCKS = pytest.mark.parametrize("lock", [CPU_LOCK, CUDA_LOCK], ids=["cpu", "cuda"])


def entries(lock):
    """{(name, version): hashes} of a lock."""
    text = re.sub(r"\\\n", " ", lock.read_text("utf-8"))
    found = re.findall(r"^([\w.-]+)==([\w.+-]+)(.*)$", text, re.MULTILINE)
    return {(name, version): re.findall("--hash=sha256:([0-9a-f]{64})", rest)
            for name, version, rest in found}


@LOCKS
def test_each_pin_stands_in_each_lock(lock):
    """`make lock` mends what this finds."""
    wanted = {(re.sub("[-_.]+", "-", name).lower(), version)
              for name, version in environment.pins().items()}
    if lock == CPU_LOCK:
        wanted = wanted - {("torch", TORCH)} | {("torch", f"{TORCH}+cpu")}
    assert wanted - set(entries(lock)) == set()


@LOCKS
def test_each_entry_of_a_lock_has_hashes_and_no_host(lock):
    assert [entry for entry, hashes in entries(lock).items() if not hashes] == []
    assert "//" not in lock.read_text("utf-8") and lock.stat().st_size < 1_000_000


def test_the_cpu_lock_is_the_other_without_cuda():
    def lacks(lock, other):
        return {name for name, _ in entries(lock)} - {name for name, _ in entries(other)}

    assert lacks(CPU_LOCK, CUDA_LOCK) == set()
    cuda = lacks(CUDA_LOCK, CPU_LOCK)
    assert "triton" in cuda and all(re.match("nvidia-|cuda-|triton$", name) for name in cuda)


def test_settings_are_those_that_pip_reads(tmp_path, monkeypatch):
    (tmp_path / "pip.conf").write_text("[global]\nindex-url = https://a.example/simple\n"
                                       "find_links = one\n    two\ncert = /c.pem\n"
                                       "[install]\nindex-url = https://b.example/simple\n"
                                       "no-index = false\n[download]\nproxy = none\n")
    for name in [name for name in os.environ if name.startswith("PIP_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", str(tmp_path / "pip.conf"))
    monkeypatch.setenv("PIP_CERT", "/d.pem")
    listing = subprocess.run([sys.executable, "-m", "pip", "config", "list"], check=True,
                             capture_output=True, text=True).stdout
    own = environment.settings(listing)
    assert own["index-url"] == "https://b.example/simple" and own["cert"] == "/d.pem"
    assert own["find-links"].split() == ["one", "two"]
    assert "no-index" not in own and "proxy" not in own


def test_uv_is_told_what_pip_was():
    own = {"index-url": "https://a.example", "extra-index-url": "https://b.example\nfile:///c",
           "find-links": "/one ~/two", "constraint": "/limits.txt", "cert": "/c.pem",
           "default-timeout": "180", "trusted-host": "a.example", "user": "1"}
    home = os.path.expanduser("~")
    carried = environment.for_uv(own, {})
    assert carried.pop("UV_NO_CACHE", "1") == "1"
    assert carried == {
        "UV_INDEX_URL": "https://a.example", "UV_EXTRA_INDEX_URL": "https://b.example file:///c",
        "UV_FIND_LINKS": f"/one,{home}/two", "UV_CONSTRAINT": "/limits.txt",
        "SSL_CERT_FILE": "/c.pem", "UV_HTTP_TIMEOUT": "180", "UV_INSECURE_HOST": "a.example",
        "UV_INDEX_STRATEGY": "unsafe-best-match"}


def test_what_was_set_for_uv_stays():
    variables = {"UV_INDEX_URL": "mine"}
    assert "UV_INDEX_URL" not in environment.for_uv({"index-url": "https://a.example"}, variables)


@pytest.mark.parametrize("own, variables, named", [
    ({}, {}, False), ({"cert": "c", "constraint": "l"}, {"UV_INDEX_STRATEGY": "x"}, False),
    ({"find-links": "/wheels"}, {}, True), ({"no-index": "1"}, {}, True),
    ({}, {"UV_DEFAULT_INDEX": "u"}, True), ({}, {"UV_TORCH_BACKEND": "cu126"}, True)])
def test_a_source_is_an_index_or_a_folder(own, variables, named):
    assert environment.names_a_source(own, variables) == named


PINS = None, None
CASES = {
    "nothing set, no driver": (False, None, False, True, [(CPU_LOCK, CPU_WHEELS)]),
    "and no answer": (False, None, False, False, []),
    "nothing set, a driver": (False, None, True, True, [(CUDA_LOCK, None)]),
    "a folder with the CPU build": (True, "+cpu", False, True, [(CPU_LOCK, None), PINS]),
    "and a driver": (True, "+cpu", True, True, [(CPU_LOCK, None), PINS]),
    "a mirror": (True, "", False, True, [(CPU_LOCK, CPU_WHEELS), PINS]),
    "a mirror, no answer": (True, "", False, False, [PINS]),
    "a mirror, a driver": (True, "", True, True, [(CUDA_LOCK, None), PINS]),
    "another CUDA": (True, "+cu126", True, True, [PINS]),
    "no torch there": (True, None, False, False, [PINS])}


@pytest.mark.parametrize("own, local, driver, answers, wanted", CASES.values(), ids=CASES)
def test_no_driver_no_cuda_and_own_settings_win(own, local, driver, answers, wanted, monkeypatch):
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(environment, "fetch", lambda url, **_: "<" if answers else None)
    offered = None if local is None else TORCH + local
    assert [entry[:2] for entry in choices(own, offered, driver)] == wanted


def test_a_mirror_that_gives_the_cuda_build_is_said(monkeypatch):
    monkeypatch.setattr(environment, "fetch", lambda url, **_: None)
    (_, _, why), = choices(True, TORCH, driver=False)
    assert "CUDA build of 3 GB" in why


def test_a_host_that_is_silent_is_left():
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"http://127.0.0.1:{server.getsockname()[1]}/"
        assert environment.fetch(address, seconds=0.2) is None
    assert environment.fetch(address, seconds=0.2) is None  # nobody listens any more


@pytest.fixture
def fake(tmp_path, monkeypatch):
    """A set-up whose commands are noted, not run; `fails` says which of them fail."""
    class Fake:
        commands, fails = [], staticmethod(lambda command: False)

    def run(*command):
        command = " ".join(map(str, command))
        Fake.commands.append(command)
        if Fake.fails(command):
            raise SetupError("no such file")
        return "2.0" if "--version" in command else ""

    Fake.commands = []
    for name, value in {"VENV": tmp_path, "READY": tmp_path / ".ready", "run": run,
                        "PYTHON": tmp_path / "python"}.items():
        monkeypatch.setattr(environment, name, value)
    monkeypatch.setattr(environment.shutil, "which", lambda name: __file__)
    monkeypatch.setattr(environment, "has_driver", lambda: False)
    monkeypatch.setattr(environment, "fetch", lambda url, **_: None)
    monkeypatch.setattr(environment, "names_a_source", lambda *_: True)
    monkeypatch.setattr(environment, "offered_torch", lambda: f"{TORCH}+cpu")
    monkeypatch.setattr(os, "environ", {"PIP_TARGET": "/elsewhere", "PYTHONPATH": "x"})
    return Fake


def test_files_other_than_the_locks_are_taken_by_the_pins(fake, tmp_path, capsys):
    fake.fails = lambda command: "--no-deps -r" in command
    environment.main(lock=False)
    assert (tmp_path / "requirements.txt").read_text() == environment.pinned()
    assert (tmp_path / ".ready").exists() and "that failed: no such file" in capsys.readouterr().out


def test_the_lock_is_taken_whole_and_stays_in_venv(fake, tmp_path):
    environment.main(lock=False)
    assert (tmp_path / "requirements.txt").read_text() == f"-r ../{CPU_LOCK.name}"
    assert any(f"--no-deps -r {tmp_path}" in command for command in fake.commands)
    assert not {"PIP_TARGET", "PYTHONPATH"} & set(os.environ) and os.environ["PIP_USER"] == "0"


@pytest.mark.parametrize("half_done", [True, False])
def test_an_interrupted_set_up_goes_on(fake, tmp_path, half_done):
    (tmp_path / "python").touch()
    if not half_done:
        (tmp_path / ".ready").touch()
    environment.main(lock=False)
    assert any("--reinstall" in command for command in fake.commands) == half_done


def test_a_failed_update_is_not_ready(fake, tmp_path, capsys):
    (tmp_path / ".ready").touch()
    fake.fails = lambda command: "install" in command
    with pytest.raises(SystemExit) as stop:
        environment.main(lock=False)
    assert stop.value.code == 2 and not (tmp_path / ".ready").exists()


def test_nothing_set_no_driver_no_network_is_one_line(fake, monkeypatch, capsys):
    monkeypatch.setattr(environment, "names_a_source", lambda *_: False)
    with pytest.raises(SystemExit) as stop:
        environment.main(lock=False)
    assert stop.value.code == 2
    line, = capsys.readouterr().err.splitlines()
    assert line.startswith("error: no NVIDIA driver runs") and "PIP_FIND_LINKS" in line


def test_the_cpu_builds_hashes_are_those_of_its_page(monkeypatch):
    files = {"manylinux_2_28_x86_64": "b", "win_amd64": "c", "manylinux_2_28_aarch64": "a"}
    page = "\n".join(f'<a href="/whl/cpu/torch-{TORCH}%2Bcpu-cp311-cp311-{platform}.whl'
                     f'#sha256={letter * 64}">' for platform, letter in files.items())
    monkeypatch.setattr(environment, "fetch", lambda url, **_: page)
    assert re.findall("sha256:(.)", environment.cpu_torch()) == ["a", "b"]


def test_without_the_page_the_hashes_stay_if_the_version_does(monkeypatch):
    monkeypatch.setattr(environment, "fetch", lambda url, **_: None)
    assert environment.cpu_torch() in CPU_LOCK.read_text("utf-8")
    monkeypatch.setattr(environment, "pins", lambda: {"torch": "9.9"})
    with pytest.raises(SetupError, match="no hashes of torch 9.9"):
        environment.cpu_torch()


def test_a_python_too_old_is_one_line(tmp_path):
    for name in ("Makefile", "environment.yml", "pyproject.toml", "book", CPU_LOCK.name, CUDA_LOCK.name):
        (tmp_path / name).symlink_to(ROOT / name)
    old = tmp_path / "old"
    old.write_text(f"#!{sys.executable}\nimport sys\nsys.version_info = 3, 10\nexec(sys.argv[3])")
    old.chmod(0o755)
    done = subprocess.run(["make", "setup", f"PYTHON={old}"], cwd=tmp_path, capture_output=True,
                          text=True, env={"PATH": os.environ["PATH"]})
    said = [line for line in done.stderr.splitlines() if not line.startswith("make: ")]
    assert done.returncode == 2 and said == [
        f"error: {old} is no Python 3.11 or newer: install one, or name it with PYTHON="]


@pytest.mark.parametrize("torch, said", [("2.9.1", "has torch 2.9.1"), ("", "has torch not at all")])
def test_wheels_want_a_torch_that_is_new_enough(monkeypatch, tmp_path, torch, said):
    monkeypatch.setattr(environment, "run", lambda *command: str(tmp_path))
    monkeypatch.setattr(environment, "attempt", lambda *command: torch)
    monkeypatch.setattr(environment, "READY", environment.ROOT / "no such file")
    with pytest.raises(SetupError, match=said):
        environment.beside("wheels")


def test_wheels_fill_up_what_is_missing_and_name_what_is_absent(monkeypatch, tmp_path, capsys):
    asked = []

    def run(*command):
        asked.append([str(word) for word in command])
        return str(tmp_path)

    monkeypatch.setattr(environment, "run", run)
    monkeypatch.setattr(environment, "attempt", lambda *command: "2.10.0+cu128" if "-c" in command else
                        "torch==2.10.0+cu128\nnumpy==9.0\ntransformers==5.17.0\npandas==1.0\n")
    monkeypatch.setattr(environment, "READY", tmp_path / ".ready")
    pins = environment.pins()
    for name in set(pins) - {"pytest", "transformers", "uv"}:
        (tmp_path / f"{name.replace('-', '_')}-1-py3-none-any.whl").touch()
    environment.beside(tmp_path)
    (wanted,) = [words for words in asked if "hatchling" in words]
    assert {"einops", "pandas", "PyYAML"} < set(wanted) and not set(wanted) & {"torch", "numpy", "uv"}
    assert any("--editable" in words for words in asked)  # papermill finds the engine
    said = capsys.readouterr().out
    assert f"absent there: pytest; older: transformers 5.17.0 (not {pins['transformers']})" in said
    there = (tmp_path / "beside.pth").read_text().split("\n")
    assert str(Path(pytest.__file__).parents[1]) in there  # of a venv a venv sees nothing
    assert (tmp_path / ".ready").is_file()


def test_a_container_gets_every_file_of_the_repository():
    """Git reads these patterns as Docker does."""
    try:
        left_out = subprocess.run(
            ["git", "ls-files", "--cached", "--ignored", "--exclude-from=.dockerignore"],
            cwd=ROOT, capture_output=True, check=True, text=True).stdout
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("not a git checkout")
    assert left_out == ""


def test_the_container_has_the_pinned_python_and_a_folder_that_its_user_owns():
    steps = (ROOT / ".devcontainer" / "Containerfile").read_text("utf-8")
    python = re.search(r"- python=([\d.]+)", (ROOT / "environment.yml").read_text("utf-8"))[1]
    folder, user = (re.search(rf"^{word} (\S+)$", steps, re.M)[1] for word in ("WORKDIR", "USER"))
    assert f"FROM python:{python}-" in steps and f"--owner {user} {folder}" in steps
    settings = json.loads((ROOT / ".devcontainer" / "devcontainer.json").read_text("utf-8"))
    assert settings["build"]["dockerfile"] == "Containerfile" and settings["remoteUser"] == user
