"""What a GPU is for: the head's step as one CUDA graph, and a large frozen encoder. Not run without one."""

import torch
from bench import Case, item
from torch import nn
from torch.func import functional_call, grad, stack_module_state, vmap

from tfe import systems, training

BATCH, BYTES, OPERATIONS = 256, 1.1e9, 2.75e11  # a step: memory it moves, and 2 a multiply-accumulate
VIT = dict(hidden_size=1024, intermediate_size=4096, num_hidden_layers=24, num_attention_heads=16,
           patch_size=14, image_size=336, projection_dim=768)
FRAMES, FRAME = 64, 3.82e11  # frames a call, operations a frame


def gradients(size):
    """A call that takes both players' gradients in bf16, and the system, on the GPU."""
    from bench.step import CLASSES, DRAWS, HEADS, WIDTH

    from tfe import adversary, systems
    from tfe.backbones import pooling

    system = systems.TFE(pooling.MeanPool(CLASSES, feature_dim=WIDTH), heads=HEADS, k=DRAWS,
                         game=adversary.Game(schedule="reversal")).cuda().train()
    system.precision = "bf16"
    targets = (torch.rand(size, CLASSES, device="cuda") < 0.05).float()
    batch = {"features": torch.randn(size, 16, WIDTH, device="cuda"), "targets": targets,
             "prior": targets.mean(0).clamp(1e-3)}
    return lambda: adversary.player_gradients(system, batch)


def copies():
    """A call that moves as many bytes as a step does, and one that multiplies as much."""
    there = torch.empty(int(BYTES / 2), dtype=torch.uint8, device="cuda")
    here, side = torch.empty_like(there), 8192
    a = torch.randn(side, side, device="cuda", dtype=torch.bfloat16)
    products = max(1, round(OPERATIONS / (2 * side**3)))

    def both():
        here.copy_(there)
        for _ in range(products):
            a @ a
    return both


@item("gpu-step", limit=3.0, device="cuda", why="gradients of a step at B=256 replayed as a CUDA graph, bf16, "
      "against its floor: its bytes copied and its operations as plain products")
def step(smoke):
    call, stream = gradients(BATCH), torch.cuda.Stream()
    with torch.cuda.stream(stream):  # a graph wants its first calls elsewhere
        for _ in range(3):
            call()
    torch.cuda.current_stream().wait_stream(stream)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        call()
    return Case(copies(), graph.replay)


@item("gpu-encode", limit=1 / 0.6, device="cuda", why="CLIP ViT-L/14 at 336 pixels, random weights, bf16, a "
      "frame, against its operations as plain products")
def encode(smoke):
    from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection

    network = CLIPVisionModelWithProjection(CLIPVisionConfig(**VIT)).cuda().bfloat16().eval()
    frames = torch.randn(FRAMES, 3, 336, 336, device="cuda", dtype=torch.bfloat16)
    a = torch.randn(8192, 8192, device="cuda", dtype=torch.bfloat16)
    products = round(FRAMES * FRAME / (2 * 8192**3))

    def ours():
        with torch.inference_mode():
            network(frames)

    def multiply():
        for _ in range(products):
            a @ a
    return Case(multiply, ours, pieces=(FRAMES, FRAMES))


@item("gpu-finetune", device="cuda", why="a step through that encoder's blocks, 16 frames, bf16: plain against "
      "with every block checkpointed, which trades time for memory")
def finetune(smoke):
    from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection

    frames = torch.randn(16, 3, 336, 336, device="cuda", dtype=torch.bfloat16)

    def step(checkpoint):
        network = CLIPVisionModelWithProjection(CLIPVisionConfig(**VIT)).cuda().bfloat16().train()
        if checkpoint:
            network.gradient_checkpointing_enable()

        def call():
            network.zero_grad(set_to_none=True)
            network(frames).image_embeds.float().square().mean().backward()
        return call
    return Case(step(False), step(True))


class Whole(nn.Module):
    """A system as one call, features `(B, T, f)` to logits: what `functional_call` wants."""

    def __init__(self, system):
        super().__init__()
        self.system = system

    def forward(self, x):
        return self.system.classify(self.system.embed(x))[0]


def stacked(made, x, targets, schedule):
    """Train the systems `made`, one a seed 0, 1, ..., in one fit, as `training.fit` does singly.

    For systems without a game and without dropout. Batches do not use it: they run a seed a process.
    On a CPU one fit of five costs more than five: 39 steps of batches of 32 took 2.3 s of processor
    against 1.8 (gated MIL) and 1.2 against .9 (mean pooling), and two processes halve the latter's time.
    """
    wholes, backbone = [Whole(system) for system in made], made[0].backbone
    stack, _ = stack_module_state(wholes)
    optimiser = torch.optim.AdamW(stack.values(), lr=schedule.lr, fused=True, betas=schedule.betas,
                                  weight_decay=schedule.weight_decay)
    gradient = vmap(grad(lambda state, rows, y: backbone.loss(
        functional_call(wholes[0], state, (rows,)), y)))
    batches = -(-len(x) // schedule.batch_size)
    for epoch in range(schedule.epochs):
        words = [training.seed_everything(seed, epoch) for seed in range(len(made))]
        orders = torch.stack([torch.randperm(len(x), generator=torch.Generator().manual_seed(word))
                              for word in words]).to(x.device)
        for step, rows in enumerate(orders.split(schedule.batch_size, dim=1)):
            rate = schedule.lr * schedule.rate(epoch + (step + 1) / batches)
            optimiser.param_groups[0]["lr"] = rate
            found = gradient({name: value.detach() for name, value in stack.items()},
                             x[rows], targets[rows])
            for name, value in stack.items():
                value.grad = found[name].contiguous()
            optimiser.step()
    with torch.no_grad():
        for seed, whole in enumerate(wholes):
            for name, value in whole.named_parameters():
                value.copy_(stack[name][seed])


@item("gpu-seeds", unit="s", device="cuda", why="five seeds of gated MIL, 260 steps on features of "
      "400 videos: five fits against one of stacked weights (vmap)")
def seeds(smoke):
    x = torch.randn(400, 16, 1280, device="cuda")
    targets = (torch.rand(400, 12, device="cuda") < 0.2).float()
    schedule = training.PROFILES["smoke" if smoke else "default"]

    def five():
        return [systems.build("gated-mil", "none", 12, 1280, "multilabel").cuda() for _ in range(5)]

    def singly():
        for seed, system in enumerate(five()):
            training.fit(system, x.cpu(), targets.cpu(), schedule, seed=seed, device="cuda")
    return Case(singly, lambda: stacked(five(), x, targets, schedule))
