"""in_threads: results in order, for any number of threads; it shares the CPUs and ends its threads."""

import io
import threading
import time

import numpy as np
import pytest
from PIL import Image

import lamella
from lamella.preprocessing.image import DirectoryIterator, load_img
from lamella.preprocessing.image.in_threads import in_threads


@pytest.fixture
def four_threads():
    before = lamella.config.num_threads()
    lamella.config.set_num_threads(4)
    yield
    lamella.config.set_num_threads(before)


def counted(used):
    """Something for `begin`: each thread appends its name once, and squares its items."""

    def begin():
        used.append(threading.current_thread().name)

        def square(x):
            time.sleep(0.001)
            return x * x

        return square

    return begin


@pytest.mark.parametrize(
    ("most", "items", "threads"), [(0, 9, 1), (1, 9, 1), (2, 9, 2), (3, 9, 3), (9, 40, 4), (9, 2, 2), (9, 1, 1)]
)
def test_results_are_in_order_for_any_number_of_threads(four_threads, most, items, threads):
    used = []
    assert in_threads(counted(used), list(range(items)), most) == [i * i for i in range(items)]
    assert 1 <= len(set(used)) <= threads
    assert in_threads(counted(used), [], most) == []
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("lamella-decoder")]


def test_all_threads_take_part(four_threads):
    together = threading.Barrier(4, timeout=30)  # passes only if four threads wait at the same time
    assert sorted(in_threads(lambda: lambda _: together.wait(), range(4), 4)) == [0, 1, 2, 3]


def test_a_call_leaves_cpus_to_another_one(four_threads):
    inside, leave = threading.Event(), threading.Event()

    def wait(item):
        inside.set()
        return leave.wait(30)

    other = threading.Thread(target=in_threads, args=(lambda: wait, [0], 1))
    other.start()
    assert inside.wait(30)
    during, after = [], []
    in_threads(counted(during), range(40), 4)
    leave.set()
    other.join()
    in_threads(counted(after), range(40), 4)
    assert (len(during), len(after)) == (2, 4)


def test_an_interrupt_ends_the_other_threads(four_threads):
    done = []
    main = threading.get_ident()

    def work(item):
        if threading.get_ident() == main:
            raise KeyboardInterrupt
        time.sleep(0.001)
        done.append(item)

    with pytest.raises(KeyboardInterrupt):
        in_threads(lambda: work, range(10_000), 4)
    assert len(done) < 5000
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("lamella-decoder")]


def test_without_more_threads_the_caller_does_the_work(four_threads, monkeypatch):
    def refuse(self):
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    used = []
    assert in_threads(counted(used), range(5), 4) == [0, 1, 4, 9, 16]
    assert used == [threading.current_thread().name]


def test_batches_do_not_depend_on_the_threads_that_decode(tmp_path, four_threads, monkeypatch):
    (tmp_path / "a").mkdir()
    rng = np.random.default_rng(0)
    for i in range(20):
        file = io.BytesIO()
        Image.fromarray(rng.integers(0, 256, (16 + i % 3, 24, 3), dtype=np.uint8)).save(file, "PNG" if i % 4 == 3 else "JPEG")
        data = file.getvalue()
        (tmp_path / "a" / f"{i:02}.jpg").write_bytes(data[: len(data) // 2] if i in (5, 11) else data)
    began = []

    def begin(self, *arguments):
        began.append(self.name)
        return start(self, *arguments)

    start = threading.Thread.start
    monkeypatch.setattr(threading.Thread, "start", begin)

    def batch(thread_bytes):
        monkeypatch.setattr("lamella.preprocessing.image.reading._THREAD_BYTES", thread_bytes)
        iterator = DirectoryIterator(
            tmp_path, None, target_size=(16, 24), batch_size=20, shuffle=False, class_mode="sparse", on_error="skip"
        )
        return iterator, iterator[0]

    iterator, alone = batch(1 << 30)
    assert began == []
    _, together = batch(1)
    assert began == [f"lamella-decoder-{i}" for i in (1, 2, 3)]
    assert alone.skipped == together.skipped and len(alone.skipped) == 2
    np.testing.assert_array_equal(alone[0], together[0])
    good = [path for i, path in enumerate(iterator.filepaths) if i not in (5, 11)]
    np.testing.assert_array_equal(together[0], [np.asarray(load_img(path, target_size=(16, 24))) for path in good])
