"""The device that a name asks for, or one clear line where there is none."""

from tfe.errors import StudyError


def choose(name):
    """The torch device of "cpu", "cuda", "cuda:1" or "auto" (CUDA where there is one).

    Raises StudyError for an unknown name, and where CUDA is asked for and absent.
    """
    import torch

    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except (RuntimeError, TypeError):
        raise StudyError(f"device {name!r} is unknown: use cpu, cuda or auto") from None
    if device.type == "cuda" and not torch.cuda.is_available():
        raise StudyError(f"device {name} was asked for, but torch sees no CUDA device: "
                         "use device cpu, or install torch's CUDA build")
    return device
