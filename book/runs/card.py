"""Whether the card can be worked on: asked once, before anything starts."""

import torch

from data.common.ending import of_card
from tfe.errors import StudyError

FREE = 0.9  # of a card's memory, where nobody else is at work


def ready():
    """The card's name and its memory in GB; StudyError where it cannot be used."""
    try:
        torch.cuda.init()  # says why, where `is_available` only says no
        free, total = torch.cuda.mem_get_info()
    except (RuntimeError, AssertionError) as error:
        raise StudyError(of_card(str(error)) or f"torch {torch.__version__} sees no CUDA device "
                         f"({error}): install its CUDA build on a machine with a card") from None
    if free < FREE * total:
        raise StudyError(f"another job holds {(total - free) / 1e9:.0f} of the card's "
                         f"{total / 1e9:.0f} GB: end it (nvidia-smi lists it), or set CUDA_VISIBLE_DEVICES")
    if not torch.cuda.is_bf16_supported(including_emulation=False):
        raise StudyError(of_card("does not support bfloat16"))
    return torch.cuda.get_device_name(), total / 1e9
