"""The full-size systems with random weights, one video: a pass forward, and a training step."""

import torch
from bench import ITEMS, Known, item
from bench._measure import _clock, _peak

NAMES = ("msqnet", "bike", "text4vis")
WHY = ("preset paper, random weights, batch 1, 16 frames, encoder fine-tuned in bf16 with activations "
       "computed again; processor seconds; the plain way: the system without TFE, beside "
       "TFE's one-pass update; run once")


def register(name, device):
    where = "" if device == "cpu" else f"-{device}"
    settings = {"unit": "s", "clock": "cpu", "device": device, "asked": device == "cpu"}

    update, forward = f"paper-{name}{where}", f"paper-{name}-forward{where}"

    @item(update, why=WHY, **settings)
    def one_update(smoke):
        return both(update, name, smoke, step)

    @item(forward, why=WHY.replace("'s one-pass update", ""), **settings)
    def one_forward(smoke):
        return both(forward, name, smoke, classify)


def both(called, name, smoke, work):
    """`Known`: seconds and MB of one call of `work` on the vanilla system and on that with TFE."""
    seconds, memory, device, clock = [], [], ITEMS[called].device, _clock(ITEMS[called])
    for method in ("vanilla", "tfe"):
        call = work(*made(method, name, device, "narrow" if smoke else "paper"))
        memory.append(_peak(lambda call=call: seconds.append(clock(call)), device))
    return Known(*seconds, memory=tuple(memory))


def made(method, name, device, preset):
    from book.evidence import shapes
    from tfe import systems

    torch.manual_seed(0)
    game = {"game": {"schedule": "one-pass"}} if method == "tfe" else {}
    system = systems.build(method, name, 157, None, "singlelabel",
                           head={"preset": preset, "precision": "bf16"}, **game).to(device)
    side = shapes.resolution(system)
    frames = torch.randint(0, 256, (1, 16, 3, side, side)).float().to(device)
    return system, {"features": frames, "targets": torch.eye(157)[:1].to(device),
                    "prior": torch.full((157,), 1 / 157, device=device)}


def step(system, batch):
    optimisers = {player: torch.optim.AdamW(parameters, lr=1e-5, fused=True)
                  for player, parameters in system.players().items()}
    noise = torch.Generator(batch["features"].device).manual_seed(0)
    system.train()

    def call():
        losses = system.update([batch], optimisers, noise)
        assert all(torch.isfinite(loss) for loss in losses.values())
    return call


def classify(system, batch):
    system.eval()

    @torch.no_grad()
    def call():
        assert torch.isfinite(system.classify(system.embed(batch["features"]))[0]).all()
    return call


for _name in NAMES:
    for _device in ("cpu", "cuda"):
        register(_name, _device)
