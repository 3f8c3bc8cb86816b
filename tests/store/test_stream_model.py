"""Random histories of one stream, done twice: on disk, and in a list."""

import tempfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.store.streams import SEGMENT_BYTES, StreamScene, numbered

actions = st.one_of(
    st.tuples(st.just("publish"), st.integers(1, 40), st.integers(0, 700)),
    st.tuples(st.just("sync"), st.just(0), st.just(0)),
    st.tuples(st.just("restart"), st.just(0), st.just(0)),
    st.tuples(st.just("kill"), st.just(0), st.just(0)),
    st.tuples(st.just("unlink"), st.just(0), st.just(0)),
    st.tuples(st.just("read"), st.integers(0, 1000), st.just(0)),
)


@settings(max_examples=60)
@given(st.lists(actions, max_size=40), st.sampled_from([-1, 3 * SEGMENT_BYTES]))
def test_any_history_gives_each_reader_what_was_published_in_order(
    history: list[tuple[str, int, int]], max_bytes: int
) -> None:
    with tempfile.TemporaryDirectory() as directory:
        scene = StreamScene(Path(directory) / "data", max_bytes=max_bytes)
        published: list[bytes] = []
        synced = 0
        for action, number, size in history:
            if action == "publish":
                fresh = numbered(len(published), number, size)
                published += fresh
                scene.publish(*fresh)
            elif action == "sync":
                scene.sync()
                synced = len(published)
            elif action == "unlink":
                scene.unlink_garbage()
            elif action == "read":
                oldest = int(scene.log.first_offset)
                start = max(number % (len(published) + 1), oldest)
                assert scene.read(number % (len(published) + 1)) == list(enumerate(published[start:synced], start))
            else:
                # What was written is with the kernel, and so it survives a kill as well as a stop.
                getattr(scene, {"restart": "restarted", "kill": "crashed"}[action])()
                synced = len(published)
                assert scene.report == []
            assert scene.log.next_offset == len(published)
            assert max_bytes >= 0 or scene.log.first_offset == 0
        scene.crash()
