"""I3D: the layers against their definition, the pickle's limits, and the names of real actions."""

import pickle

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from einops import rearrange

from data.encoders import i3d, recipes
from tfe import StudyError
from data.encoders.recipes import ENCODERS, prepare, read_weights
from data.video.decode import probe, sample

NAME = "i3d-k400"
# What the network answered for clips whose action a person can name: its class of Kinetics' 400.
ACTIONS = {"v_CricketShot_g04_c01_rgb.gif": 227,  # playing cricket
           "v_Punch_g03_c01.avi": 259,  # punching person (boxing)
           "v_Biking_g05_c02.avi": 271,  # riding mountain bike
           "v_ApplyEyeMakeup_g01_c01.avi": 126,  # filling eyebrows
           "mmaction2_demo_k400_arm_wrestling.mp4": 6,  # arm wrestling
           "tmbo_example_video1.avi": 5}  # archery


@pytest.fixture(scope="module")
def encoder():
    try:
        return recipes.load(NAME)
    except StudyError as error:
        if "not installed" not in str(error):
            raise
        pytest.skip("the weights of i3d-k400 are not installed: make weights")


@pytest.mark.parametrize("clip, most", [
    (clip, 64) if number < 2 else pytest.param(clip, 128, marks=pytest.mark.slow)
    for number, clip in enumerate(ACTIONS)])
def test_the_actions_of_real_clips_are_named(encoder, shared, clip, most):
    path = shared / "videos" / clip
    frames = sample(path, probe(path).decoded_frames)[:most]  # consecutive, as in training
    with torch.inference_mode():
        maps = encoder.network.maps(rearrange(prepare(frames, 224), "f c h w -> 1 c f h w"))
    # The published head: two steps of time at each place, classified, then the mean over time.
    head = read_weights(ENCODERS[NAME])["params"]["Logits/Conv3d_0c_1x1"]["Conv_0"]
    steps = F.avg_pool3d(maps, (2, *maps.shape[-2:]), 1)[0, :, :, 0, 0].T
    logits = steps.mean(0) @ torch.tensor(head["kernel"])[0, 0, 0] + torch.tensor(head["bias"])
    assert logits.argmax() == ACTIONS[clip]


def test_segments_do_not_see_each_other(encoder):
    frames = np.random.default_rng(0).integers(0, 256, (24, 40, 40, 3), dtype=np.uint8)
    small = recipes.Encoder(NAME, 1024, 32, 8, "", "cpu", encoder.network)
    features = small(frames)
    assert features.shape == (3, 1024) and (features >= 0).all() and features.std() > 0
    alone = np.concatenate([small(frames[at:at + 8]) for at in (0, 8, 16)])
    np.testing.assert_allclose(features, alone, rtol=1e-3, atol=1e-5)
    with pytest.raises(StudyError, match="whole segments of 8"):
        small(frames[:-1])


@pytest.mark.parametrize("size", [(5, 6, 7), (8, 9, 4)])
@pytest.mark.parametrize("kernel, stride", [(1, 1), (3, 1), (3, 2), (2, 2), (7, 2)])
def test_same_padding_against_its_definition(size, kernel, stride):
    x = torch.randn(1, 2, *size)
    padded = i3d.same(x, (kernel,) * 3, (stride,) * 3)
    weight = torch.randn(3, 2, *(kernel,) * 3)
    y = F.conv3d(padded, weight, stride=stride)
    assert y.shape[2:] == tuple(-(-side // stride) for side in size)
    # One output by hand: its window begins `before` ahead of stride * position.
    before = [max((-(-n // stride) - 1) * stride + kernel - n, 0) // 2 for n in size]
    at = [side - 1 for side in y.shape[2:]]
    framed = F.pad(x, (kernel,) * 6)
    window = framed[0]
    for axis, (position, early) in enumerate(zip(at, before), start=1):
        window = window.narrow(axis, position * stride - early + kernel, kernel)
    expected = torch.einsum("oithw,ithw->o", weight, window)
    torch.testing.assert_close(y[0, :, *at], expected, rtol=1e-4, atol=1e-4)


def test_a_unit_equals_convolution_batch_norm_and_relu():
    draw = np.random.default_rng(0)
    kernel = draw.normal(size=(3, 3, 3, 2, 4)).astype(np.float32)
    bias, mean = draw.normal(size=(2, 4)).astype(np.float32)
    var = draw.random(4).astype(np.float32) + 0.1
    unit = i3d.Unit({"kernel": kernel}, {"bias": bias},
                    {"mean": mean[None, None, None, None], "var": var[None, None, None, None]})
    x = torch.randn(1, 2, 4, 5, 6)
    plain = F.conv3d(x, torch.tensor(kernel.transpose(4, 3, 0, 1, 2)), padding=1)
    expected = F.batch_norm(plain, torch.tensor(mean), torch.tensor(var), None,
                            torch.tensor(bias), eps=1e-3).relu()
    torch.testing.assert_close(unit(x), expected, rtol=1e-4, atol=1e-5)


class Evil:
    def __reduce__(self):
        return print, ("code of the pickle was run",)


@pytest.mark.parametrize("tree, said", [
    ({"params": Evil()}, "asks for builtins.print"),
    ({"params": np.float64}, "asks for numpy.float64"),
    ({"params": {"x": "text"}}, "holds a str where"),
    ({"params": np.array([None, {}])}, "holds a ndarray where"),
    ([np.zeros(3)], "holds a list where")])
def test_a_pickle_of_anything_but_arrays_is_refused(capsys, tree, said):
    with pytest.raises(StudyError, match=said):
        i3d.read_checkpoint(pickle.dumps(tree))
    assert capsys.readouterr().out == ""


def test_a_pickle_of_arrays_is_read_and_a_torn_one_refused():
    tree = {"params": {"x": np.arange(3, dtype=np.float32)}}
    content = pickle.dumps(tree, protocol=4)
    np.testing.assert_array_equal(i3d.read_checkpoint(content)["params"]["x"], [0, 1, 2])
    for length in (0, 10, len(content) - 3):
        with pytest.raises(StudyError, match="no pickle of arrays"):
            i3d.read_checkpoint(content[:length])


def test_the_checkpoint_is_unpickled_only_when_its_hash_is_right(monkeypatch, encoder):
    from dataclasses import replace

    recipe = replace(ENCODERS[NAME], sha256="0" * 64,
                     parse=lambda content: pytest.fail("parsed unchecked bytes"))
    with pytest.raises(StudyError, match="another sha256.*make weights"):
        read_weights(recipe)
    with pytest.raises(StudyError, match="not installed: make weights"):
        read_weights(replace(recipe, package="no-such-package-of-weights"))
