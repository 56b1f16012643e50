"""What computes a frozen encoder: torch, or OpenVINO, which needs about half the time on a CPU.

Features of the two have a cosine above 1 - 1e-6, but other last bits: a store holds those of one.
"""

import sys
import warnings
from importlib.metadata import version
from importlib.util import find_spec

from tfe.errors import StudyError

NAMES = ("auto", "torch", "openvino")


def choose(wish, device):
    """The engine that serves `wish`, one of NAMES, on `device`, "cpu" or else.

    "auto" is OpenVINO on a CPU where it is installed. An engine that cannot start is named in one
    line on stderr, and torch serves. Raises StudyError for an unknown name.
    """
    if wish not in NAMES:
        raise StudyError(f"engine {wish!r} is unknown: choose one of {', '.join(NAMES)}")
    if wish == "torch" or wish == "auto" and (device != "cpu" or not find_spec("openvino")):
        return "torch"
    reason = f"it serves no {device}" if device != "cpu" else _obstacle()
    if reason:
        print(f"the engine openvino cannot start ({reason}): torch encodes instead",
              file=sys.stderr)
    return "torch" if reason else "openvino"


def _obstacle():
    """Why OpenVINO cannot start on this machine, or None."""
    try:
        import openvino

        openvino.Core().get_property("CPU", "FULL_DEVICE_NAME")
    except Exception as error:  # its libraries fail in many ways
        return str(error).strip().partition("\n")[0] or type(error).__name__
    return None


def versions(engine):
    """The version of `engine` that is installed, as a store's `meta.json` names it."""
    return {"openvino": version("openvino")} if engine == "openvino" else {}


def require(settings, folder):
    """Raise StudyError unless the engine of a store's `settings` can start here, as it was."""
    if settings["engine"] == "torch":
        return
    wanted = settings["versions"]["openvino"]
    reason = _obstacle() or version("openvino") != wanted and f"it is {version('openvino')} here"
    if reason:
        raise StudyError(f"{folder} was made by openvino {wanted}, which cannot start ({reason}): "
                         f"pip install openvino=={wanted}, or delete that folder")


class OpenVino:
    """A network of torch's, computed by OpenVINO on the threads that torch may use.

    Maps float tensors to float tensors, as the network does; compiled anew for every shape.
    """

    def __init__(self, network):
        self.network, self.compiled = network, {}

    def __call__(self, frames):
        import torch

        shape = tuple(frames.shape)
        if shape not in self.compiled:
            self.compiled[shape] = self._compile(shape)
        # A copy, because the next call writes into the same memory.
        return torch.from_numpy(self.compiled[shape](frames.contiguous().numpy())[0].copy())

    def _compile(self, shape):
        import openvino
        import torch
        from openvino.frontend import FrontEndManager
        from openvino.frontend.pytorch.ts_decoder import TorchScriptPythonDecoder

        with warnings.catch_warnings():  # the trace is made for this shape alone
            warnings.simplefilter("ignore", torch.jit.TracerWarning)
            traced = TorchScriptPythonDecoder(self.network, example_input=(torch.zeros(shape),))
        # Not `openvino.convert_model`, which reports its use over the network.
        frontend = FrontEndManager().load_by_framework("pytorch")
        model = frontend.convert(frontend.load(traced))
        model.reshape(list(shape))
        # Pinned, the workers of a machine would all sit on its first core; and without f32 it takes
        # bf16 where the processor has it.
        return openvino.compile_model(model, "CPU", {
            "INFERENCE_NUM_THREADS": torch.get_num_threads(), "PERFORMANCE_HINT": "LATENCY",
            "ENABLE_CPU_PINNING": False, "INFERENCE_PRECISION_HINT": "f32"})
