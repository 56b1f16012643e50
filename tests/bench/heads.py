"""Heads at full size with TFE against the vanilla head that they replace, no encoder below."""

import torch
from bench import Case, Known, item

CLASSES = 157
# Width, heads and layers of the published heads; videos a step, few enough for a laptop.
SIZES = {"bike": (dict(feature_dim=768, dim=768, heads=12), dict(blocks=6), 16),
         "msqnet": (dict(feature_dim=512, dim=512, heads=8),
                    dict(encoder_layers=6, decoder_layers=6), 8)}
BELOW = {"bike": dict(blocks=0, adapter=True), "msqnet": dict(encoder_layers=5, decoder_layers=1)}
NAMES = {"bike": "BIKE", "msqnet": "MSQNet"}
WHAT = {"bike": "B=16, T=16, d=768, H=12, six blocks against D and a linear layer in each of A_S, A_N, which "
                "have .26 of the parameters; the mask's noise and softmax come on top, and single runs "
                "lie from .28 to .32",
        "msqnet": "B=8, T=16, d=512, H=8, 157 queries, 6 + 6 layers against 5, D, and one decoder "
                  "layer in each of A_S, A_N"}


def heads(name):
    """The vanilla head and the one with TFE (one forward, one backward pass), and a batch of features for them."""
    from tfe import backbones, systems
    from tfe.adversary import Game

    torch.manual_seed(0)
    shape, layers, videos = SIZES[name]
    vanilla = systems.Vanilla(backbones.build(name, CLASSES, **shape, **layers))
    tfe = systems.TFE(backbones.build(name, CLASSES, **shape, **BELOW[name]), heads=shape["heads"],
                      game=Game(schedule="reversal"))
    width = shape["dim"] + getattr(tfe.backbone.embed, "guide_dim", 0)  # MSQNet's guide lies behind x
    # What embeds stored features is no part of the head.
    vanilla.backbone.embed, tfe.backbone.embed = torch.nn.Identity(), torch.nn.Identity()
    targets = (torch.rand(videos, CLASSES) < 0.05).float()
    return vanilla, tfe, {"features": torch.randn(videos, 16, width), "targets": targets,
                          "prior": targets.mean(0).clamp(1e-3)}


def training(name):
    vanilla, tfe, batch = heads(name)

    def step(system):
        system.train()
        optimisers = {player: torch.optim.AdamW(p, 5e-5, weight_decay=0.2, fused=True)
                      for player, p in system.players().items()}
        return lambda: system.update([batch], optimisers, None)
    return Case(step(vanilla), step(tfe))


def inference(name):
    vanilla, tfe, batch = heads(name)

    def answer(system):
        system.eval()

        def call():
            with torch.inference_mode():
                system.classify(system.embed(batch["features"]))
        return call
    return Case(answer(vanilla), answer(tfe))


def counted(name, column, unit):
    """Of the temporal head alone, by the ledger of Table 4: parameters or true operations."""
    from book.evidence import cost

    def total(row):
        pieces = [p for p in cost.SYSTEMS[row]() if p.place in ("temporal head", "TFE")]
        return cost.total(pieces, column) * unit
    return Known(total(NAMES[name]), total(f"{NAMES[name]}+TFE"))


for _name, _limit in (("bike", 0.30), ("msqnet", 0.43)):
    item(f"head-{_name}", limit=_limit, why=f"{WHAT[_name]}; a training step with AdamW, one forward and one backward pass")(
        lambda smoke, name=_name: training(name))
    item(f"head-{_name}-inference", limit=_limit, why=f"{WHAT[_name]}; both streams and the mask's read-out are "
         "computed, though A_S reads one stream alone")(
        lambda smoke, name=_name: inference(name))
    item(f"head-{_name}-parameters", unit="M", why="the temporal head of Table 4's ledger")(
        lambda smoke, name=_name: counted(name, "params", 1e-6))
    item(f"head-{_name}-flops", unit="GFLOP", why="the temporal head of Table 4's ledger, one video, 2 a "
         "multiply-accumulate")(lambda smoke, name=_name: counted(name, "macs", 2e-9))
