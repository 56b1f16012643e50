"""The adversarial step, (B, T, d, H, k) = (64, 16, 768, 12, 4), with its AdamW, against its literal form."""

import torch
from bench import Case, item
from einops import rearrange

WIDTH, HEADS, DRAWS, CLASSES = 768, 12, 4, 157
PLAIN = "B=64, T=16, d=768, H=12, k=4, linear A_S and A_N"
WHAT = f"{PLAIN}, AdamW included"


def batch(size=64):
    draw = torch.Generator().manual_seed(0)
    targets = (torch.rand(size, CLASSES, generator=draw) < 0.05).float()
    return {"features": torch.randn(size, 16, WIDTH, generator=draw), "targets": targets,
            "prior": targets.mean(0).clamp(1e-3)}


def ours(schedule, precision="fp32"):
    """A call that makes one step of our system on mean pooling; and the system."""
    from tfe import adversary, systems
    from tfe.backbones import pooling

    torch.manual_seed(0)
    system = systems.TFE(pooling.MeanPool(CLASSES, feature_dim=WIDTH), heads=HEADS, k=DRAWS,
                         game=adversary.Game(schedule=schedule)).train()
    system.precision = precision
    optimisers = {name: torch.optim.AdamW(p, 5e-5, weight_decay=0.2, fused=True)
                  for name, p in system.players().items()}
    noise, data = torch.Generator().manual_seed(0), batch()
    return lambda: system.update([data], optimisers, noise), system


def literal():
    """A call that makes one step by loops over heads and draws, two phases and plain AdamW."""
    from baselines import step

    torch.manual_seed(0)
    system, data = step.Literal(WIDTH, HEADS, DRAWS, CLASSES), batch()
    optimisers = [torch.optim.AdamW(p, 5e-5, weight_decay=0.2) for p in system.players()]
    return lambda: step.two_phases(system, data["features"], data["targets"], optimisers)


def gradients(precision):
    """A call that takes both players' gradients of one pass, without the optimisers; and the system."""
    from tfe.adversary import player_gradients

    system = ours("reversal", precision)[1]
    noise, data = torch.Generator().manual_seed(0), batch()
    return lambda: player_gradients(system, data, noise), system


def products(system, dtype):
    """A call that does a step's matrix products alone, laid out as there: forward, both gradients."""
    linear = [m for m in system.disentangler.modules() if isinstance(m, torch.nn.Linear)]
    held = [(torch.randn(64 * 16, m.in_features, dtype=dtype),
             torch.randn(m.out_features, m.in_features, dtype=dtype).T,
             torch.randn(64 * 16, m.out_features, dtype=dtype)) for m in linear]
    rows = rearrange(torch.randn(3, 64, 16, WIDTH, dtype=dtype), "n b t (h c) -> n b h t c", h=HEADS)
    mask = torch.randn(64, HEADS, 16, 16, dtype=dtype)
    held += [(rows[0], rows[1].mT, mask)] + [(mask, rows[2], rows[1])] * 2  # q k'; m v, (1 - m) v

    def multiply():
        for x, weight, gradient in held:
            x @ weight
            gradient @ weight.mT
            x.mT @ gradient
    return multiply


@item("step-fp32", limit=0.75, why=f"{WHAT}; one forward and one backward pass against two "
      "phases, the rest the same; 3/4 is what arithmetic expects, and AdamW, the same on both sides, "
      "comes on top; single runs of one day lie from .68 to .78")
def step_fp32(smoke):
    return Case(ours("two-phase")[0], ours("reversal")[0])


@item("step-literal", limit=0.75, why=f"{WHAT}; one pass, batched, fused AdamW against loops over heads "
      "and draws, two phases, plain AdamW")
def step_literal(smoke):
    return Case(literal(), ours("reversal")[0])


@item("step-bf16", limit=0.25, why=f"{WHAT}; one pass, batched, fused AdamW, bf16 products against the "
      "literal loops in fp32; the cosine of the gradients is asserted by make test. About half of what is "
      "left is noise, casts and AdamW, which bf16 does not shrink and which wait for memory: the ratio "
      "grows with the neighbours' use of it: single runs of one day lie from .25 to .28")
def step_bf16(smoke):
    return Case(literal(), ours("reversal", "bf16")[0])


@item("step-fp32-ceiling", limit=1.25, why=f"{PLAIN}; against its matrix products alone")
def ceiling_fp32(smoke):
    step, system = gradients("fp32")
    return Case(products(system, torch.float32), step)


@item("step-bf16-ceiling", limit=1.5, why=f"{PLAIN}; against its matrix products alone in bf16. Where the "
      "processor has tiles for them (amx_bf16) they are so fast that noise, softmax, casts of 11 M "
      "weights and gradients and ReLU, which do not shrink, weigh as much")
def ceiling_bf16(smoke):
    step, system = gradients("bf16")
    return Case(products(system, torch.bfloat16), step)
