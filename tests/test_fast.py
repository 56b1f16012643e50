"""Every fast path gives what its plain baseline gives: the other half of `make bench`."""

from importlib import import_module

import numpy as np
import pytest
import torch
from baselines import decode, encode, pairs, step
from baselines import store as files
from bench.encode import cosine
from bench.step import ours as bench_step
from test_video import KINDS, real_clips, write

from book.theory import enumeration
from data.encoders import recipes
from data.video import decode as video
from data.video import film, skipping
from tfe import StudyError, adversary, systems, training
from tfe.backbones import pooling
from tfe.adversary import player_gradients
from tfe.device import arithmetic


def fast(path, segments=16):
    """The pictures of the quick way alone; None where it stands back."""
    announced, _ = video._announced(path)
    wanted = announced.indices(video.moments(segments))
    pictures = skipping.pictures(path, announced, wanted)
    return pictures and np.stack([pictures[n] for n in wanted])


def h264(path, **options):
    codec = "libx264", "yuv420p", {"bf": "3", "g": "12", **options}
    return write(path, frames=60, codec=codec)


@pytest.mark.parametrize("options", [
    {}, {"bf": "0"}, {"g": "60"}, {"g": "5", "bf": "2"}, {"x264-params": "b-pyramid=none"},
    {"x264-params": "b-pyramid=strict:ref=4"}])
@pytest.mark.parametrize("segments", [1, 3, 16, 70])
def test_few_frames_of_an_mp4_equal_those_of_all(tmp_path, options, segments):
    path = h264(tmp_path / "clip.mp4", **options)
    expected = decode.convert_everything(path, segments)
    np.testing.assert_array_equal(fast(path, segments), expected)
    np.testing.assert_array_equal(video.sample(path, segments), expected)
    np.testing.assert_array_equal(decode.decode_everything(path, segments), expected)


@pytest.mark.parametrize("module, plain", [("cv2", decode.by_opencv), ("decord", decode.by_decord),
                                           ("torchcodec.decoders", decode.by_torchcodec)])
def test_another_library_gives_the_same_pictures(tmp_path, module, plain):
    try:
        import_module(module)
    except (ImportError, OSError, RuntimeError) as error:
        pytest.skip(f"{module} does not load: {error}")
    path = h264(tmp_path / "clip.mp4")
    np.testing.assert_array_equal(plain(path, 16), video.sample(path, 16))


def test_few_frames_are_fewer(tmp_path):
    """Most packets of a clip with B frames, and all behind the last wanted one, are passed over."""
    path, sent = h264(tmp_path / "clip.mp4", g="60"), []
    index = {video._announced(path)[0].starts[n]: n for n in (0, 10)}
    with film.opened(path) as (container, stream):
        for packet in skipping.needed(container, stream, index):
            sent.append(packet and packet.pts)
    assert sent[0] == 0 and sent[-1] is None and len(sent) < 20


@pytest.mark.parametrize("name", sorted(set(KINDS) - {"h264.mp4"}))
def test_other_containers_and_codecs_are_decoded_whole(tmp_path, name):
    assert fast(write(tmp_path / name)) is None


def test_open_groups_are_decoded_whole_and_right(tmp_path):
    path = h264(tmp_path / "open.mp4", **{"x264-params": "open-gop=1:bframes=3:keyint=12"})
    assert fast(path) is None
    np.testing.assert_array_equal(video.sample(path, 16), decode.convert_everything(path, 16))


def test_a_cut_off_clip_is_decoded_whole(tmp_path):
    path = write(tmp_path / "clip.mp4", movflags="faststart")
    path.write_bytes(path.read_bytes()[:-300])
    assert fast(path) is None


def test_few_frames_of_every_real_clip(shared):
    quick = 0
    for path in real_clips(shared):
        pictures = fast(path)
        if pictures is not None:
            quick += 1
            np.testing.assert_array_equal(pictures, decode.convert_everything(path, 16),
                                          err_msg=path.name)
    assert quick >= 7  # every mp4 but the one whose timestamps are broken


def paired(schedule="two-phase"):
    """A small system of ours, its literal twin with the same weights, and data, in float64."""
    torch.manual_seed(0)
    system = systems.TFE(pooling.MeanPool(5, feature_dim=12), heads=3, k=2,
                         game=adversary.Game(schedule=schedule)).double().train()
    literal = step.Literal(12, 3, 2, 5).double()
    step.copy(system, literal)
    draw = torch.Generator().manual_seed(1)
    features = torch.randn(4, 7, 12, generator=draw, dtype=torch.float64)
    targets = (torch.rand(4, 5, generator=draw) < 0.4).double()
    return system, literal, {"features": features, "targets": targets, "prior": targets.mean(0)}


def test_batched_heads_and_draws_are_the_loops():
    system, literal, data = paired()
    adam = dict(lr=1e-2, weight_decay=0.2)
    optimisers = {n: torch.optim.AdamW(p, fused=True, **adam) for n, p in system.players().items()}
    plain = [torch.optim.AdamW(p, **adam) for p in literal.players()]
    noise, again = (torch.Generator().manual_seed(3) for _ in range(2))
    for _ in range(3):
        gumbel = [-torch.empty(2, 4, 3, 7, 7, dtype=torch.float64).exponential_(
            generator=again).log() for _ in range(2)]
        system.update([data], optimisers, noise)
        step.two_phases(literal, data["features"], data["targets"], plain, gumbel)
    moved = step.Literal(12, 3, 2, 5).double()
    step.copy(system, moved)
    for name, value in moved.state_dict().items():
        torch.testing.assert_close(value, literal.state_dict()[name], rtol=0, atol=1e-9)


def test_a_gradient_laid_out_otherwise_is_not_scrambled():
    """The fused optimiser on CPU reads a transposed gradient in the order of memory."""
    parameter = torch.nn.Parameter(torch.zeros(2, 3))
    gradient = torch.tensor([[1.0, -1.0], [1.0, -1.0], [1.0, -1.0]]).T
    assert not gradient.is_contiguous()
    adversary._apply(torch.optim.AdamW([parameter], lr=0.1, fused=True), [parameter], [gradient])
    torch.testing.assert_close(parameter.detach(), -0.1 * gradient)


def gradients(system, precision):
    system.precision = precision
    found, _ = player_gradients(system, bench_batch(), torch.Generator().manual_seed(5))
    return torch.cat([g.flatten() for each in found.values() for g in each if g is not None])


def bench_batch():
    from bench.step import batch

    return batch(16)


def test_the_gradient_in_bf16_points_where_that_in_fp32_does():
    _, system = bench_step("one-pass")
    exact, rounded = gradients(system, "fp32").double(), gradients(system, "bf16").double()
    assert rounded.isfinite().all() and not torch.equal(exact, rounded)
    assert torch.cosine_similarity(exact, rounded, dim=0) >= 0.9999


@pytest.mark.parametrize("method, backbone", [("tfe", "msqnet"), ("vanilla", "bike")])
def test_training_in_bf16_ends_near_that_in_fp32(method, backbone):
    losses = {}
    for precision in ("fp32", "bf16"):
        torch.manual_seed(0)
        system = systems.build(method, backbone, 3, 32, "multilabel")
        draw = np.random.default_rng(0)
        plan = training.Schedule(2, 8, 1e-3, 0.2, 1, precision=precision)
        history = training.fit(system, draw.normal(size=(16, 8, 32)), (draw.random((16, 3)) < 0.4) + 0.0,
                               plan, seed=0)
        assert all(p.dtype == torch.float32 for p in system.parameters())
        losses[precision] = history.rows[-1]["loss_s"]
    assert losses["bf16"] != losses["fp32"]
    assert losses["bf16"] == pytest.approx(losses["fp32"], rel=0.05)


def test_an_unknown_precision_is_refused():
    with pytest.raises(StudyError, match="precision is 'fp8': choose one of fp32, bf16"):
        arithmetic("fp8", "cpu")


def test_folded_batched_features_are_those_of_the_published_network():
    recipe = recipes.ENCODERS["efficientnet-lite0"]
    plain = encode.Plain(recipes.read_weights(recipe))
    frames = np.random.default_rng(0).integers(0, 256, (5, 9, 12, 3), np.uint8).repeat(12, 1).repeat(12, 2)
    expected = encode.frame_by_frame(plain, frames, recipe.resolution)
    found = recipes.load("efficientnet-lite0")(frames)
    np.testing.assert_allclose(found, expected, atol=1e-4)
    rounded = recipes.load("efficientnet-lite0", precision="bf16")(frames)

    assert cosine(found, expected).min() > 0.999999
    assert 0.9 < cosine(rounded, expected).min() < 0.9999  # which is why no store is made in bf16


def test_an_encoder_of_unknown_precision_is_refused():
    with pytest.raises(StudyError, match="precision 'fp8' is unknown: use fp32 or bf16"):
        recipes.load("efficientnet-lite0", precision="fp8")


def test_a_batch_of_the_store_is_that_of_one_file_a_video(tmp_path):
    from bench.store import planted

    features = planted(tmp_path, 12, (3, 4))
    (tmp_path / "plain").mkdir()
    files.write(tmp_path / "plain", features.x)
    rows = [7, 0, 11]
    np.testing.assert_array_equal(features.x[rows], files.read(tmp_path / "plain", rows).numpy())


def test_all_pairs_are_those_counted_one_at_a_time():
    p_xy = np.random.default_rng(0).dirichlet(np.ones(10)).reshape(5, 2)
    codes, found = enumeration.partitions(5), enumeration.all_pairs(p_xy).terms
    for i, j in np.random.default_rng(1).integers(0, len(codes), (200, 2)):
        assert np.broadcast_to(found.I_SN, (52, 52))[i, j] == pytest.approx(
            pairs.joint_information(p_xy.sum(1), codes[i], codes[j]), abs=1e-12)
