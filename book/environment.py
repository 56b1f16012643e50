"""Fills `.venv` with the pins of environment.yml from a lock with hashes; `--lock` writes locks.
`--wheels DIR` fills it up beside a torch that is here, without a network.

Runs before anything is installed, so it imports the standard library alone. uv does the work where
it can be had, else pip. What the user set for pip holds for both, and wins: if the user's own index
or folder offers another build of torch than the locks, or other files, the pins alone decide.
"""

import ast
import os
import re
import shutil
import site
import subprocess
import sys
import time
from http.client import HTTPException
from pathlib import Path
from threading import Thread
from urllib.request import urlopen

ROOT = Path(__file__).resolve().parents[1]
VENV = ROOT / ".venv"
READY, PYTHON = VENV / ".ready", VENV / "bin" / "python"
CPU_LOCK, CUDA_LOCK = ROOT / "requirements-cpu.lock", ROOT / "requirements-cuda.lock"
CPU_WHEELS = "https://download.pytorch.org/whl/cpu/torch/"  # pytorch.org, Get started
PIP = [PYTHON, "-I", "-m", "pip", "--disable-pip-version-check"]
# What most commands import. Only this is compiled beforehand: all that is installed would take four
# times as long, and what is compiled by nobody every process compiles anew where
# PYTHONDONTWRITEBYTECODE is set.
FIRST = ("import torch._dynamo, torch.utils.data, scipy.stats, pandas, seaborn, sklearn.metrics, av, "
         "jupytext, papermill, ipykernel.kernelapp, ipywidgets")

# pip's name of a setting, the variable by which uv takes it, and what stands between several.
CARRIED = {"index-url": ("UV_INDEX_URL", " "), "extra-index-url": ("UV_EXTRA_INDEX_URL", " "),
           "find-links": ("UV_FIND_LINKS", ","), "constraint": ("UV_CONSTRAINT", " "),
           "trusted-host": ("UV_INSECURE_HOST", " "), "timeout": ("UV_HTTP_TIMEOUT", " "),
           "default-timeout": ("UV_HTTP_TIMEOUT", " "), "proxy": ("HTTPS_PROXY", " "),
           "cert": ("SSL_CERT_FILE", " "), "client-cert": ("SSL_CLIENT_CERT", " ")}
SOURCES = {"index-url", "extra-index-url", "find-links", "no-index"}
OFF = "", "0", "false", "no", "off", "n", "f"  # as pip reads them
# What would lead away from `.venv`, or bring other modules into it.
DIVERTING = "PIP_TARGET", "PIP_PREFIX", "PIP_ROOT", "UV_SYSTEM_PYTHON", "PYTHONPATH", "PYTHONHOME"


class SetupError(Exception):
    """A command failed, or nothing can be installed: what to print before exit code 2."""


def say(line):
    print(f"set-up: {line}", flush=True)


def installed():
    """How many packages lie in `.venv`."""
    return len(list(VENV.glob("lib/python*/site-packages/*.dist-info")))


def run(*command):
    """What a command prints; SetupError with that if it fails. A dot is two seconds of it."""
    with subprocess.Popen(command, cwd=ROOT, text=True, errors="replace", stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT) as process:
        dots = 0
        while True:
            try:
                output = process.communicate(timeout=2)[0]
                break
            except subprocess.TimeoutExpired:
                dots += 1
                print("." if dots % 15 else f" {2 * dots} s, {installed()} packages in place ", end="",
                      flush=True)
    print("\n" * bool(dots), end="", flush=True)
    if process.returncode:
        raise SetupError(output.strip())
    return output


def attempt(*command):
    """What a command prints, or nothing where it fails or is not there."""
    try:
        return run(*command)
    except (OSError, SetupError):
        return ""


def pins():
    """The pip list of environment.yml, {name: version}."""
    listed = (ROOT / "environment.yml").read_text("utf-8").split("- pip:")[1]
    return dict(re.findall(r"^ *- ([\w.-]+)==(\S+)$", listed, re.MULTILINE))


def pinned():
    """The pins as a file of requirements."""
    return "".join(f"{name}=={version}\n" for name, version in pins().items())


def settings(listing):
    """{name: value} of what `pip config list` prints; as in pip, variables win over files."""
    found = re.findall(r"^(global|install|:env:)\.([\w-]+)=(.*)$", listing, re.MULTILINE)
    found.sort(key=lambda entry: ["global", "install", ":env:"].index(entry[0]))
    found = {name: ast.literal_eval(value) for _, name, value in found}
    return {name: value for name, value in found.items() if value.lower() not in OFF}


def for_uv(own, variables):
    """The variables by which uv does what pip's settings `own` say; those set already win."""
    carried = {variable: between.join(map(os.path.expanduser, own[name].split()))
               for name, (variable, between) in CARRIED.items() if name in own}
    # pip asks every index and takes the best; uv would stop at the first that knows the name.
    carried["UV_INDEX_STRATEGY"] = "unsafe-best-match"
    if not os.access(os.path.expanduser("~"), os.W_OK):
        carried["UV_NO_CACHE"] = "1"
    return {name: value for name, value in carried.items() if name not in variables}


def names_a_source(own, variables):
    """Whether the user said, to pip or to uv, where packages come from."""
    return not SOURCES.isdisjoint(own) or any(
        re.fullmatch("UV_(.*INDEX(_URL)?|FIND_LINKS|TORCH_BACKEND)", name) for name in variables)


def offered_torch():
    """The build of the pinned torch that pip would take, as `2.13.0+cpu`; None if there is none."""
    pin = re.escape(pins()["torch"])
    found = re.search(rf"versions:.*?\b({pin}(\+[\w.]+)?)(,|$)",
                      attempt(*PIP, "index", "versions", "torch"), re.MULTILINE)
    return found and found[1]


def has_driver():
    """Whether an NVIDIA driver runs: its device, or WSL's tool, answers."""
    return Path("/dev/nvidiactl").exists() or bool(attempt("nvidia-smi", "-L"))


def fetch(url, seconds=3, size=-1):
    """The first `size` bytes of a page, or None after `seconds`, its host's look-up included."""
    got = []

    def ask():
        try:
            with urlopen(url, timeout=seconds) as page:
                got.append(page.read(size).decode())
        except (OSError, ValueError, HTTPException):
            pass

    thread = Thread(target=ask, daemon=True)
    thread.start()
    thread.join(seconds)
    return got[0] if got else None


def choices(own, offered, driver):
    """What to try in turn: (a lock, or None for the pins alone; where wheels lie besides; why).

    `own`: whether the user named a source; `offered`: the build of torch there, or None; `driver`:
    whether NVIDIA's runs. Without a driver and settings nothing but the CPU build is ever chosen.
    """
    pin = pins()["torch"]
    why = "an NVIDIA driver runs" if driver else "no NVIDIA driver runs"
    if sys.platform == "linux":
        if own and offered == f"{pin}+cpu":
            yield CPU_LOCK, None, "torch's CPU build, which pip's settings offer"
        elif offered not in (None, pin):
            pass  # a build that the user chose, as 2.13.0+cu126: the locks have another
        elif driver:
            yield CUDA_LOCK, None, f"torch's CUDA build of 3 GB: {why}"
        elif fetch(CPU_WHEELS, size=1):
            yield CPU_LOCK, CPU_WHEELS, f"torch's CPU build, from PyTorch's own index: {why}"
    if own or sys.platform != "linux":
        cuda = " (on Linux mostly the CUDA build of 3 GB)" if offered == pin else ""
        yield None, None, f"torch {offered or pin}{cuda}, which pip's settings offer; pins alone"


def make_venv():
    """`.venv` with a pip that answers; what was left half made is made anew."""
    if attempt(*PIP, "--version"):
        return
    say(f"Python {sys.version.split()[0]} in {VENV.name}")
    try:
        run(sys.executable, "-m", "venv", "--clear", VENV)
    except SetupError as error:
        raise SetupError(f"{error}\n{sys.executable} cannot make a virtual environment: "
                         "install its module venv (Debian: python3-venv)") from None


def installer():
    """The command that installs: the machine's uv, or the pinned one by pip, or pip."""
    uv = shutil.which("uv") or VENV / "bin" / "uv"
    if not Path(uv).exists():
        attempt(*PIP, "install", "--quiet", "--retries", "1", "--timeout", "10",
                f"uv=={pins()['uv']}")
    if not Path(uv).exists():
        return [*PIP, "install", "--quiet", "--no-compile"]
    return [uv, "pip", "install", "--quiet", "--python", PYTHON]


def fill(install, lock, wheels):
    """Installs what a lock, or else the pins, say, and the study itself."""
    wanted = f"-r ../{lock.name}" if lock else pinned()
    many = len(re.findall(r"^\S+==", lock.read_text("utf-8") if lock else wanted, re.MULTILINE))
    say(f"{many} packages{' and what they need' * (not lock)}: some minutes; a dot is two seconds")
    listed = VENV / "requirements.txt"
    listed.write_text((f"--find-links {wheels}\n" if wheels else "") + wanted, "utf-8")
    # A lock is whole: nothing outside it is looked for, and every file of it is checked. (uv's own
    # --require-hashes would refuse a user's constraint that is no exact version.)
    run(*install, *["--no-deps"] * bool(lock), "-r", listed)
    run(*install, "--no-deps", "--editable", ROOT, "--editable", ROOT / "book")
    attempt(PYTHON, "-I", "-c", FIRST)


def set_up():
    """Makes or updates `.venv`; one that was interrupted is filled again from the caches."""
    start = time.monotonic()
    interrupted = PYTHON.exists() and not READY.exists()
    READY.unlink(missing_ok=True)
    make_venv()
    own = settings(run(*PIP, "config", "list"))
    named = names_a_source(own, os.environ)
    os.environ |= for_uv(own, os.environ)
    install = installer()
    if install[0] != PYTHON:
        install += ["--reinstall"] * interrupted + ["--no-index"] * ("no-index" in own)
    failures = []
    for lock, wheels, why in choices(named, offered_torch() if named else None, has_driver()):
        say(f"{why}; packages by {'pip' if install[0] == PYTHON else 'uv'}")
        try:
            fill(install, lock, wheels)
            READY.touch()
            return say(f"ready after {time.monotonic() - start:.0f} s")
        except SetupError as error:
            failures.append(str(error))
            say("that failed: " + (failures[-1].splitlines() or ["no reason given"])[0])
    raise SetupError("\n".join(failures) or (
        f"no NVIDIA driver runs and {CPU_WHEELS} does not answer: connect, or name a folder or an "
        "index with torch's CPU build in PIP_FIND_LINKS or PIP_EXTRA_INDEX_URL"))


def normal(name):
    """A distribution's name as pip compares it."""
    return name.lower().replace("_", "-")


def release(version):
    """A version's numbers: 2.11.0+cu130 is [2, 11, 0]."""
    return [int(part) for part in re.findall(r"\d+", version.partition("+")[0])]


def beside(wheels):
    """`.venv` on top of this Python's own packages, torch among them; what is missing, from a folder.

    The Python may itself be one of a virtual environment, and a venv of it would see none of its
    packages: they are named in a `.pth`. Nor need it have `ensurepip`: its own pip does the work.
    """
    READY.unlink(missing_ok=True)
    run(sys.executable, "-m", "venv", "--clear", "--system-site-packages", "--without-pip", VENV)
    places = [*site.getsitepackages(), run(
        PYTHON, "-I", "-c", "import sysconfig; print(sysconfig.get_path('purelib'))").strip()]
    (Path(places.pop()) / "beside.pth").write_text("\n".join(places) + "\n", "utf-8")
    torch = attempt(PYTHON, "-I", "-c", "import torch; print(torch.__version__)").strip()
    if release(torch)[:2] < [2, 10]:
        raise SetupError(f"{sys.executable} has torch {torch or 'not at all'}: name one with 2.10 or "
                         "newer in PYTHON=, or leave WHEELS= out")
    pip = [sys.executable, "-I", "-m", "pip", "--disable-pip-version-check", "--python", PYTHON]
    listed = normal(attempt(*pip, "list", "--format", "freeze"))
    there = dict(re.findall(r"^(\S+)==(\S+)$", listed, re.MULTILINE))
    folder = {normal(path.name.split("-")[0]) for path in Path(wheels).resolve().glob("*.whl")}
    lacking = {name: there.get(normal(name)) for name, pin in pins().items() if name not in ("uv", "torch")
               and release(there.get(normal(name), "0")) < release(pin)}
    given = [name for name in lacking if normal(name) in folder]
    install = [*pip, "install", "--no-index", "--find-links", Path(wheels).resolve()]
    run(*install, *given, "hatchling")
    run(*install, "--no-deps", "--editable", ROOT, "--editable", ROOT / "book")  # papermill finds its engine
    READY.touch()
    old = [f"{name} {version} (not {pins()[name]})" for name, version in lacking.items()
           if name not in given and version]
    absent = [name for name, version in lacking.items() if name not in given and not version]
    say(f"torch {torch} as it is here, {len(given)} packages from {wheels}"
        + f"; absent there: {', '.join(absent)}" * bool(absent) + f"; older: {', '.join(old)}" * bool(old))


def cpu_torch():
    """torch's entry in the CPU lock: the hashes on PyTorch's page, or those locked before."""
    pin = re.escape(pins()["torch"])
    hashes = re.findall(rf'torch-{pin}%2Bcpu-[^"#]*linux_[^"#]*#sha256=([0-9a-f]{{64}})',
                        fetch(CPU_WHEELS, seconds=30) or "")
    if hashes:
        lines = [f"    --hash=sha256:{found}" for found in sorted(set(hashes))]
        return " \\\n".join([f"torch=={pins()['torch']}+cpu", *lines])
    locked = re.search(rf"^torch=={pin}\+cpu(.*\\\n)+.*", CPU_LOCK.read_text("utf-8"), re.MULTILINE)
    if not locked:
        raise SetupError(f"{CPU_WHEELS} gives no hashes of torch {pins()['torch']}+cpu: try again")
    return locked[0]


def write_locks():
    """Both locks anew from the pins, for every machine; what is locked and still fits stays."""
    make_venv()
    uv, wanted, torch = installer()[0], VENV / "requirements.txt", cpu_torch()
    wanted.write_text(pinned(), "utf-8")
    lock = [uv, "pip", "compile", "--quiet", "--universal", "--python-version", "3.11",
            "--generate-hashes", "--no-annotate", "--custom-compile-command", "make lock", wanted]
    run(*lock, "--output-file", CUDA_LOCK)
    cuda = re.findall(r"^(?:nvidia|cuda|triton)[\w-]*(?===)", CUDA_LOCK.read_text("utf-8"), re.M)
    excluded = VENV / "excluded.txt"
    excluded.write_text("\n".join(cuda), "utf-8")
    run(*lock, "--excludes", excluded, "--output-file", CPU_LOCK)
    entry = re.compile(r"^torch==(.*\\\n)+.*", re.MULTILINE)
    CPU_LOCK.write_text(entry.sub(lambda _: torch, CPU_LOCK.read_text("utf-8")), "utf-8")


def main(lock, wheels=None):
    for name in DIVERTING:
        os.environ.pop(name, None)
    os.environ["PIP_USER"] = "0"
    try:
        beside(wheels) if wheels else write_locks() if lock else set_up()
    except SetupError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)


if __name__ == "__main__":
    main(sys.argv[1:] == ["--lock"], sys.argv[2] if sys.argv[1:2] == ["--wheels"] else None)
