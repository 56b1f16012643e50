"""Decoding: the frames that decoding everything gives, whatever the file says of itself.

The clips are made here, each frame bearing its own number in eight black or white blocks.
"""

import bisect
import math
import struct
from fractions import Fraction

import av
import numpy as np
import pytest

from data.video import decode, film
from tfe.errors import StudyError
from data.video.timeline import Timeline, moments
from data.video.decode import probe, sample

WIDTH, HEIGHT, BLOCK = 64, 32, 16
MILLISECOND = Fraction(1, 1000)
KINDS = {  # file: codec, pixel format, encoder options
    "h264.mp4": ("libx264", "yuv420p", {"bf": "3", "g": "12"}),
    "h264.mkv": ("libx264", "yuv420p", {"bf": "2"}),
    "mpeg4.avi": ("mpeg4", "yuv420p", {}),
    "mpeg4_b.avi": ("mpeg4", "yuv420p", {"bf": "2"}),
    "mpeg1.mpg": ("mpeg1video", "yuv420p", {}),
    "mpeg2.mpg": ("mpeg2video", "yuv420p", {"bf": "2"}),
    "palette.gif": ("gif", "rgb8", {}),
    "vp8.webm": ("libvpx", "yuv420p", {}),
    "vp9.webm": ("libvpx-vp9", "yuv420p", {}),
    "raw.h264": ("libx264", "yuv420p", {"bf": "3"}),  # without any timestamps
}


def numbered(number, width=WIDTH, height=HEIGHT):
    """A picture that shows a number below 256, the same blocks at any size."""
    bits = [[number >> (4 * row + column) & 1 for column in range(4)] for row in range(2)]
    picture = np.zeros((height, width, 3), np.uint8)
    picture[:2 * BLOCK, :4 * BLOCK] = 255 * np.kron(bits, np.ones((BLOCK, BLOCK)))[..., None]
    return picture


def numbers(pictures):
    """Read the numbers off pictures."""
    centres = pictures[:, BLOCK // 2:2 * BLOCK:BLOCK, BLOCK // 2:4 * BLOCK:BLOCK].mean(-1) > 127
    return (centres.reshape(len(pictures), 8) @ 2 ** np.arange(8)).tolist()


def write(path, frames=40, starts=None, codec=None, size=(WIDTH, HEIGHT), orient=None, cover=None,
          sound=0, **mux):
    """Encode numbered frames at 25 a second, or with the `starts` given in milliseconds.

    `cover` is a picture that becomes the first video stream, `sound` seconds of silence from 0 on.
    """
    known = KINDS.get(path.name, ("libx264", "yuv420p", {"bf": "2", "g": "12"}))
    name, pixels, options = known if codec is None else codec
    with av.open(str(path), "w", options=mux) as container:
        still = still_picture(container, cover) if cover is not None else []
        silence = silent(container, sound) if sound else []
        stream = container.add_stream(name, rate=25, options=options)
        (stream.width, stream.height), stream.pix_fmt = size, pixels
        if orient:
            orient(stream)
        tick = Fraction(1, 25)
        if starts:
            tick = stream.time_base = stream.codec_context.time_base = MILLISECOND
        container.start_encoding()
        for packets in (*still, *silence):
            container.mux(packets)
        for number in range(frames):
            frame = av.VideoFrame.from_ndarray(numbered(number, *size), format="rgb24")
            frame.pts, frame.time_base = starts[number] if starts else number, tick
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def still_picture(container, picture):
    """Yield the packets of a stream of one picture, which bears no mark of being a cover."""
    stream = container.add_stream("mjpeg", rate=25)
    stream.height, stream.width, stream.pix_fmt = *picture.shape[:2], "yuvj420p"
    return (stream.encode(frame) for frame in (av.VideoFrame.from_ndarray(picture), None))


def silent(container, seconds):
    """Yield the packets of silence from 0 on."""
    stream, rate = container.add_stream("aac", rate=44100), 44100

    def packets():
        frame = av.AudioFrame.from_ndarray(np.zeros((1, seconds * rate), np.float32), "fltp", "mono")
        frame.sample_rate, frame.pts = rate, 0
        yield stream.encode(frame)
        yield stream.encode(None)

    stream.layout = "mono"
    return packets()


def decode_all(path):
    """The plain way: every frame, converted."""
    with av.open(str(path), metadata_errors="ignore") as container:
        return [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]


def middles(count, parts):
    return [(2 * part + 1) * count // (2 * parts) for part in range(parts)]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("segments, each", [(16, 1), (5, 3), (64, 1)])
def test_made_clips_against_decoding_everything(tmp_path, kind, segments, each):
    path = write(tmp_path / kind)
    everything = decode_all(path)
    assert numbers(np.stack(everything)) == list(range(40))
    pictures = sample(path, segments, each)
    wanted = middles(40, segments * each)
    assert numbers(pictures) == wanted
    assert pictures.dtype == np.uint8
    np.testing.assert_array_equal(pictures, np.stack([everything[i] for i in wanted]))


def test_the_made_clips_do_hold_frames_out_of_order(tmp_path):
    for kind in ("h264.mp4", "h264.mkv", "mpeg4_b.avi", "mpeg2.mpg"):
        with av.open(str(write(tmp_path / kind))) as container:
            order = [packet.pts for packet in container.demux(video=0) if packet.size]
        assert None in order or order != sorted(order), kind


def real_clips(shared):
    folder = shared / "videos"
    return sorted(folder.glob("*.*")) + sorted((folder / "two_actions").glob("*.mp4"))[::23]


def test_real_clips_against_decoding_everything(shared):
    for path in real_clips(shared):
        count = probe(path).decoded_frames
        wanted = middles(count, 16)
        kept, seen = {}, 0
        with av.open(str(path), metadata_errors="ignore") as container:
            shape = container.streams.video[0].sample_aspect_ratio or 1
            for seen, frame in enumerate(container.decode(video=0), start=1):
                if seen - 1 in wanted:
                    kept[seen - 1] = frame.to_ndarray(format="rgb24", width=round(frame.width * shape))
        assert seen == count, path.name
        expected = np.stack([kept[index] for index in wanted])
        np.testing.assert_array_equal(sample(path, 16), expected, err_msg=path.name)


def test_first_and_random_moments(tmp_path):
    path = write(tmp_path / "h264.mp4")
    assert numbers(sample(path, 8, where="first")) == list(range(0, 40, 5))
    drawn = numbers(sample(path, 4, 2, where="random", seed=1))
    assert drawn == numbers(sample(path, 4, 2, where="random", seed=1))
    assert drawn != numbers(sample(path, 4, 2, where="random", seed=2))
    for seed in range(20):  # one from each eighth
        indices = [math.floor(at * 40) for at in moments(4, 2, "random", seed)]
        assert [index // 5 for index in indices] == list(range(8))


def test_moments_are_exact():
    # 96 frames in 16 segments of 3: part m begins its middle at 2 m + 1 exactly.
    timeline = Timeline((None,) * 96, None, MILLISECOND)
    assert timeline.indices(moments(16, 3)) == [2 * part + 1 for part in range(48)]


def test_fewer_frames_than_segments(tmp_path):
    assert numbers(sample(write(tmp_path / "three.mp4", frames=3), 8)) == middles(3, 8)
    assert numbers(sample(write(tmp_path / "one.mp4", frames=1), 4)) == [0] * 4


# Slow, then fast, then slow: rounded to 10 ms, because gif knows no finer.
UNEVEN = [*range(0, 4000, 400), *range(4000, 4800, 40), *range(4800, 8800, 400)]


@pytest.mark.parametrize("kind", ["vfr.mp4", "vfr.mkv", "vp8.webm", "palette.gif"])
def test_a_variable_frame_rate_is_sampled_by_time(tmp_path, kind):
    path = write(tmp_path / kind, starts=UNEVEN)
    with av.open(str(path)) as container:
        frames = list(container.decode(video=0))
    starts = [frame.pts * frame.time_base for frame in frames]
    end = starts[-1] + frames[-1].duration * frames[-1].time_base
    expected = []
    for part in range(16):
        at = starts[0] + (end - starts[0]) * Fraction(2 * part + 1, 32)
        expected.append(max(n for n, start in enumerate(starts) if start <= at))
    assert numbers(sample(path, 16)) == expected
    # The packets foretold it, so one pass of decoding was enough.
    assert decode._announced(path)[0].starts == tuple(frame.pts for frame in frames)
    assert expected != middles(40, 16)  # by index it would be other frames
    assert probe(path).duration == pytest.approx(float(end - starts[0]))


def test_rounded_timestamps_are_still_a_constant_rate():
    for rate in (Fraction(30000, 1001), Fraction(24), Fraction(60)):
        starts = tuple(round(n / rate / MILLISECOND) for n in range(300))
        assert Timeline(starts, None, MILLISECOND).constant
    # A dropped frame is no rounding.
    assert not Timeline(starts[:100] + starts[101:], None, MILLISECOND).constant


@pytest.mark.parametrize("starts", [
    (0, 40, None, 120, 800), (0, 40, 40, 80, 800), (0, 40, 80, 60, 800), (0,) * 5,
    (0, 40, 80, 120, 10**9)])
def test_unusable_timestamps_give_way_to_indices(starts):
    timeline = Timeline(starts, 40, MILLISECOND)
    assert timeline.clock is None and timeline.duration is None
    assert timeline.indices(moments(5)) == [0, 1, 2, 3, 4]


def test_timelines_against_the_definition():
    generator = np.random.default_rng(3)
    for _ in range(50):
        starts = np.cumsum(generator.integers(1, 90, generator.integers(3, 30))).tolist()
        timeline = Timeline(tuple(starts), 50, MILLISECOND)
        if timeline.constant:
            continue
        wishes = moments(7, where="random", seed=int(generator.integers(1000)))
        at = [starts[0] + wish * (starts[-1] + 50 - starts[0]) for wish in wishes]
        assert timeline.indices(wishes) == [bisect.bisect_right(starts, t) - 1 for t in at]


def test_lying_headers(shared):
    facts = probe(shared / "videos" / "broken_timestamps.mp4")
    assert facts.decoded_frames == 150
    assert facts.declared_duration < 0.1 < 5 < facts.duration
    facts = probe(shared / "videos" / "ucf11_v_biking_01_01.mpg")
    assert facts.declared_frames is None and facts.decoded_frames == 151


def test_probe_of_a_made_clip(tmp_path):
    facts = probe(write(tmp_path / "h264.mp4"))
    assert (facts.declared_frames, facts.decoded_frames) == (40, 40)
    assert facts.duration == pytest.approx(1.6) and facts.declared_duration == pytest.approx(1.6)
    assert facts.fps == pytest.approx(25)
    assert (facts.height, facts.width, facts.rotation) == (HEIGHT, WIDTH, 0)


def test_an_upright_phone_clip_is_turned_clockwise(tmp_path):
    # The matrix phones write: x' = -y, y' = x, that is, a quarter turn clockwise.
    one = 1 << 16
    matrix = [0, one, 0, -one, 0, 0, 0, 0, 1 << 30]
    path = write(tmp_path / "phone.mp4", orient=lambda s: s.set_display_matrix(matrix))
    flat = sample(write(tmp_path / "flat.mp4"), 8)
    np.testing.assert_array_equal(sample(path, 8), np.rot90(flat, -1, axes=(1, 2)))
    facts = probe(path)
    assert (facts.height, facts.width, facts.rotation) == (WIDTH, HEIGHT, -90)


@pytest.mark.parametrize("degrees", [0, 90, 180, 270])
@pytest.mark.parametrize("mirrored", [False, True])
def test_every_orientation(tmp_path, degrees, mirrored):
    path = write(tmp_path / "turned.mp4", frames=5,
                 orient=lambda s: s.set_display_rotation(degrees, hflip=mirrored))
    expected = np.rot90(sample(write(tmp_path / "flat.mp4", frames=5), 5), degrees // 90, (1, 2))
    if mirrored:
        expected = expected[:, :, ::-1]
    np.testing.assert_array_equal(sample(path, 5), expected)


@pytest.mark.parametrize("kind", ["cover.mp4", "cover.mov", "cover.mkv"])
def test_the_film_is_the_stream_of_most_packets(tmp_path, kind):
    path = write(tmp_path / kind, cover=np.full((96, 160, 3), 255, np.uint8))
    with av.open(str(path)) as container:
        assert [s.codec_context.name for s in container.streams.video] == ["mjpeg", "h264"]
    assert numbers(sample(path, 16)) == middles(40, 16)
    facts = probe(path)
    assert facts.decoded_frames == 40 and facts.duration == pytest.approx(1.6)


@pytest.mark.parametrize("kind", ["late.mp4", "late.mkv", "late.ts"])
@pytest.mark.parametrize("late", [0, 2000])
def test_a_picture_that_begins_after_the_sound_keeps_its_start(tmp_path, kind, late):
    path = write(tmp_path / kind, starts=range(late, late + 1600, 40), sound=4)
    facts = probe(path)
    assert facts.start == pytest.approx(late / 1000, abs=0.03)  # AAC begins a frame early
    assert facts.duration == pytest.approx(1.6)
    assert numbers(sample(path, 16)) == middles(40, 16)


def test_without_sound_a_player_starts_with_the_picture(tmp_path):
    assert probe(write(tmp_path / "late.mkv", starts=range(2000, 3600, 40))).start == 0


@pytest.mark.parametrize("shape, width", [("16/9", 114), ("1/2", 32), ("1/1", 64), ("100/1", 64)])
@pytest.mark.parametrize("kind", ["anamorphic.mp4", "anamorphic.mkv"])
def test_pixels_are_made_square(tmp_path, shape, width, kind):
    def anamorphic(stream):
        stream.codec_context.sample_aspect_ratio = Fraction(shape)

    path = write(tmp_path / kind, orient=anamorphic)
    stored = [av.VideoFrame.from_ndarray(p) for p in sample(write(tmp_path / "flat.mp4"), 8)]
    pictures = sample(path, 8)
    assert pictures.shape == (8, HEIGHT, width, 3)
    expected = np.stack([f.to_ndarray(format="rgb24", width=width) for f in stored])
    assert np.abs(pictures.astype(int) - expected).max() <= (0 if width == WIDTH else 8)
    assert (probe(path).height, probe(path).width) == (HEIGHT, width)


def test_a_turned_anamorphic_clip_is_stretched_before_it_is_turned(tmp_path):
    def orient(stream):
        stream.set_display_rotation(90)
        stream.codec_context.sample_aspect_ratio = Fraction(2)

    path = write(tmp_path / "turned.mp4", orient=orient)
    assert sample(path, 2).shape == (2, 2 * WIDTH, HEIGHT, 3)
    assert (probe(path).height, probe(path).width) == (2 * WIDTH, HEIGHT)


def test_a_clip_that_changes_size_keeps_the_first_size(tmp_path):
    small = write(tmp_path / "small.h264", frames=5).read_bytes()
    large = write(tmp_path / "large.h264", frames=5, size=(128, 64)).read_bytes()
    path = tmp_path / "both.h264"
    path.write_bytes(small + large)
    pictures = sample(path, 10)
    assert pictures.shape == (10, HEIGHT, WIDTH, 3)
    assert numbers(pictures[:5]) == [0, 1, 2, 3, 4]


def test_a_decoder_that_gives_fewer_frames_than_there_are_packets(tmp_path):
    whole, path = write(tmp_path / "h264.mp4"), tmp_path / "headless.mkv"
    with av.open(str(whole)) as source, av.open(str(path), "w") as target:
        stream = target.add_stream_from_template(source.streams.video[0])
        for number, packet in enumerate(source.demux(video=0)):
            if number and packet.size:  # the first key frame is lost, and its group with it
                packet.stream = stream
                target.mux(packet)
    assert len(decode._announced(path)[0].starts) == 39
    assert len(decode_all(path)) == 28
    assert numbers(sample(path, 14)) == [12 + index for index in middles(28, 14)]


def test_a_prediction_that_fails_is_made_good(tmp_path, monkeypatch):
    path = write(tmp_path / "h264.mp4")
    for count in (1, 17, 400):
        lie = Timeline((None,) * count, None, MILLISECOND)
        monkeypatch.setattr(decode, "_announced", lambda _, lie=lie: (lie, None))
        assert numbers(sample(path, 10)) == middles(40, 10)


@pytest.mark.parametrize("name, share", [("h264.mp4", 0.8), ("mpeg2.mpg", 0.5), ("vp8.webm", 0.6),
                                         ("palette.gif", 0.6), ("mpeg4.avi", 0.9)])
def test_a_truncated_file_gives_what_is_left(tmp_path, name, share):
    path = write(tmp_path / name, movflags="faststart" if name.endswith("mp4") else "")
    content = path.read_bytes()
    path.write_bytes(content[:int(len(content) * share)])
    count = probe(path).decoded_frames
    assert 0 < count < 40
    assert numbers(sample(path, 5))[:4] == middles(count, 5)[:4]  # the last may be half a frame


def test_damage_in_the_middle_is_passed_over(tmp_path, shared):
    content = bytearray((shared / "videos" / "v_Punch_g03_c01.avi").read_bytes())
    content[100_000:140_000] = bytes(40_000)
    path = tmp_path / "damaged.avi"
    path.write_bytes(content)
    assert probe(path).decoded_frames > 20
    np.testing.assert_array_equal(sample(path, 4), sample(path, 4))


def test_damaged_frames_are_counted(tmp_path):
    """Damage that keeps every frame and changes some of them."""
    path = write(tmp_path / "h264.mp4", codec=("libx264", "yuv420p", {"bf": "0", "g": "40"}))
    sound, lengths = decode.measured_sample(path, 40)
    assert lengths == decode.Lengths(40, 40, 40, 0) and lengths.doubt == ""
    with av.open(str(path)) as container:
        places = [(p.pos, p.size) for p in container.demux(video=0) if p.size]
    content, (at, size) = bytearray(path.read_bytes()), places[20]
    content[at + 12:at + size] = np.random.default_rng(0).bytes(size - 12)
    path.write_bytes(content)
    pictures, lengths = decode.measured_sample(path, 40)
    assert lengths.decoded == 40 and lengths.damaged > 0
    assert lengths.doubt == f"{lengths.damaged} of 40 frames are damaged"
    assert not np.array_equal(pictures, sound)


def test_a_file_of_which_little_is_left_says_so(tmp_path):
    path = write(tmp_path / "h264.mp4", movflags="faststart")
    with av.open(str(path)) as container:
        second = [p.pos for p in container.demux(video=0) if p.size][1]
    path.write_bytes(path.read_bytes()[:second])
    _, lengths = decode.measured_sample(path, 4)
    assert lengths.doubt == "decoding gives 1 of 40 announced frames"


def test_a_container_that_breaks_off_ends_the_stream():
    class Packet:
        size = 7

    class Torn:
        def demux(self, stream):
            yield Packet
            raise av.error.InvalidDataError(1, "damaged")

    assert list(film.packets(Torn(), None)) == [Packet, None]


def audio(path):
    with av.open(str(path), "w") as container:
        stream = container.add_stream("pcm_s16le", rate=8000)
        sound = np.zeros((1, 800), np.int16)
        frame = av.AudioFrame.from_ndarray(sound, format="s16", layout="mono")
        frame.sample_rate = 8000
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def huge_gif(path):
    """A gif whose header claims 13,000 x 13,000 pixels."""
    write(path)
    content = bytearray(path.read_bytes())
    content[6:10] = struct.pack("<HH", 13_000, 13_000)
    path.write_bytes(content)


BAD = {  # name: how to make it, what the message must say
    "empty.mp4": (lambda path: path.write_bytes(b""), "it is empty"),
    "absent.mp4": (lambda path: None, "No such file"),
    "folder.mp4": (lambda path: path.mkdir(), "no usable video"),
    "text.mp4": (lambda path: path.write_text("no video\n" * 200), "no usable video"),
    "text.txt": (lambda path: path.write_text("no video\n" * 200), "formats that are read"),
    "playlist.mp4": (lambda path: path.write_text("ffconcat version 1.0\nfile a.mp4\n"),
                     "formats that are read"),
    "audio.mkv": (audio, "no video stream"),
    "audio.wav": (audio, "formats that are read"),
    "palette.gif": (huge_gif, "13000x13000 is absurd"),
    "noise.avi": (lambda path: path.write_bytes(np.random.default_rng(0).bytes(5000)),
                  "no usable video"),
}


@pytest.mark.parametrize("name", BAD)
@pytest.mark.parametrize("use", [probe, lambda path: sample(path, 4)])
def test_what_is_no_video_is_named_with_a_reason(tmp_path, name, use):
    make, reason = BAD[name]
    path = tmp_path / name
    make(path)
    with pytest.raises(StudyError, match=reason) as caught:
        use(path)
    assert str(path) in str(caught.value) and "\n" not in str(caught.value)


def test_an_mp4_without_its_index_is_refused(tmp_path):
    path = write(tmp_path / "h264.mp4")
    path.write_bytes(path.read_bytes()[:2000])  # the index stands at the end
    with pytest.raises(StudyError, match="h264.mp4 is no usable video"):
        sample(path, 4)


def test_a_file_that_vanishes_between_two_passes(tmp_path, monkeypatch):
    path, announced = write(tmp_path / "h264.mp4"), decode._announced

    def announce(path):
        found = announced(path)
        path.unlink()
        return found

    monkeypatch.setattr(decode, "_announced", announce)
    with pytest.raises(StudyError, match="No such file"):
        sample(path, 4)


def test_awkward_names(tmp_path):
    for name in ("a:b.mp4", "take (1) [50%] #2 & 3.mp4", "%03d.mp4", "Übung.mp4"):
        content = write(tmp_path / "plain.mp4").read_bytes()
        (tmp_path / name).write_bytes(content)
        assert numbers(sample(tmp_path / name, 4)) == middles(40, 4)


@pytest.mark.parametrize("arguments, message", [
    ({"segments": 0}, "segments is 0"), ({"segments": 2.5}, "segments is 2.5"),
    ({"segments": 4, "frames_per_segment": -1}, "frames_per_segment is -1"),
    ({"segments": 4, "where": "last"}, "where is 'last'"),
    ({"segments": 4, "where": "random"}, "without a seed"),
])
def test_bad_arguments(tmp_path, arguments, message):
    with pytest.raises(StudyError, match=message):
        sample(tmp_path / "never_opened.mp4", **arguments)
