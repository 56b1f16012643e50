"""Names to torch devices and precisions; StudyError where there is none."""

from tfe.errors import StudyError, one_of


def choose(name):
    """The torch device of "cpu", "cuda", "cuda:1" or "auto" (CUDA where there is one).

    Raises StudyError for an unknown name, and where CUDA is asked for and absent.
    """
    import torch  # here: importing torch takes seconds

    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except (RuntimeError, TypeError):
        raise StudyError(f"device {name!r} is unknown: use cpu, cuda or auto") from None
    if device.type not in ("cpu", "cuda"):
        raise StudyError(f"device {name!r} was never tried here: use cpu, cuda or auto")
    if device.type == "cuda" and not torch.cuda.is_available():
        raise StudyError(f"device {name} was asked for, but torch sees no CUDA device: "
                         "use device cpu, or install torch's CUDA build")
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise StudyError(f"device {name}: torch sees {torch.cuda.device_count()} CUDA device(s), "
                         "counted from 0: name another, or start fewer processes")
    return device


def arithmetic(precision, device):
    """A context in which matrix products run in "fp32", or in "bf16" with weights kept in fp32."""
    import torch

    one_of("precision", precision, ("fp32", "bf16"))
    # At "fp32" switched off, not left out: an autocast around it would go on otherwise.
    return torch.autocast(torch.device(device).type, torch.bfloat16, enabled=precision == "bf16")
