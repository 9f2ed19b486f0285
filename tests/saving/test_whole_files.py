"""A file is always the complete old one or the complete new one: after kill -9, a full disk, a missing directory."""

import errno
import fcntl
import os
import resource
import signal
import stat
import subprocess
import sys
import threading
import tracemalloc

import numpy as np
import pytest

from lamella.core import files
from lamella.core.files import check_target, replace_file, with_staging
from lamella.layers import Dense
from lamella.models import Sequential, load_model

# The longer checks use 200.
KILLS = int(os.environ.get("LAMELLA_KILLS", "20"))

SAVER = """
import os, random, signal, sys, time
import numpy as np
from lamella.layers import Dense
from lamella.models import Sequential, load_model
path, kills = sys.argv[1], int(sys.argv[2])
model = Sequential([Dense(100, input_dim=50), Dense(100)])
model.compile("adam", "mse")
model.train_on_batch(np.zeros((2, 50)), np.zeros((2, 100)))
model.set_weights([np.zeros(w.shape) for w in model.get_weights()])
model.save(path)
random.seed(0)
saved, save = os.pipe()
for kill in range(kills):
    child = os.fork()
    if child == 0:
        for i in range(1, 10**9):
            model.set_weights([np.full(w.shape, kill + i / 1024) for w in model.get_weights()])
            model.save(path)
            if i == 1:
                os.write(save, b".")
    os.read(saved, 1)
    time.sleep(random.uniform(0.0, 0.03))  # during another save, which takes some milliseconds
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    values = {float(v) for w in load_model(path).get_weights() for v in np.unique(w)}
    assert len(values) == 1, "half of one save and half of another"
    assert kill < values.pop() < kill + 1
"""


def strays(directory):
    return [name for name in os.listdir(directory) if name.startswith(".tmp-")]


def test_kill_while_saving(tmp_path):
    path = tmp_path / "m.h5"
    subprocess.run([sys.executable, "-c", SAVER, str(path), str(KILLS)], check=True)
    load_model(path).save(path)
    assert strays(tmp_path) == []


def test_stray_files_are_removed_unless_a_process_writes_them(tmp_path):
    path = tmp_path / "m.h5"
    # The file of a process that was killed between writing and renaming.
    code = """
import os, signal, sys
from lamella.core import files
files.os.replace = lambda *names: os.kill(os.getpid(), signal.SIGKILL)
files.replace_file(sys.argv[1], b"half")
"""
    done = subprocess.run([sys.executable, "-c", code, str(path)])
    assert done.returncode == -signal.SIGKILL
    assert len(strays(tmp_path)) == 1 and not path.exists()
    replace_file(tmp_path / "other.h5", b"x")
    assert len(strays(tmp_path)) == 1  # it belongs to another file, so it is kept
    replace_file(path, b"whole")
    assert strays(tmp_path) == [] and path.read_bytes() == b"whole"


def test_two_threads_write_the_same_file(tmp_path):
    path = tmp_path / "m"
    texts = [bytes([i]) * 100_000 for i in range(4)]

    def write(text):
        for _ in range(10):
            replace_file(path, text)

    threads = [threading.Thread(target=write, args=(text,)) for text in texts]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        if path.exists():
            assert path.read_bytes() in texts
    for thread in threads:
        thread.join()
    assert path.read_bytes() in texts and strays(tmp_path) == []


def test_a_full_disk_leaves_the_old_file(tmp_path):
    path = tmp_path / "m.h5"
    model = Sequential([Dense(100, input_dim=100)])
    model.save(path)
    before = path.read_bytes()
    weights = model.get_weights()
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, limits[1]))
    try:
        with pytest.raises(OSError, match=rf"writing {len(before)} bytes: '{path}'") as error:
            model.save(path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert error.value.errno == errno.EFBIG
    assert path.read_bytes() == before and strays(tmp_path) == []
    for a, b in zip(model.get_weights(), weights):
        np.testing.assert_array_equal(a, b)


def test_a_file_system_without_locks_and_flushes_of_directories(tmp_path, monkeypatch):
    """Lustre and NFS have locks only if they are mounted so."""
    fsync = os.fsync

    def no_lock(file, operation):
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))

    def files_only(descriptor):
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))
        fsync(descriptor)

    monkeypatch.setattr(fcntl, "flock", no_lock)
    monkeypatch.setattr(os, "fsync", files_only)
    path, used = tmp_path / "m.h5", []
    for data in (b"old", b"new"):
        check_target(path)
        replace_file(path, data)
        with_staging(str(tmp_path), ".staging-", "old", lambda place: used.append(os.path.isdir(place)))
        assert path.read_bytes() == data and os.listdir(tmp_path) == ["m.h5"]
    assert used == [True, True]
    # Nobody can know whether a process writes a stray file, so it stays.
    stray = tmp_path / (files._prefix("m.h5") + "0" * 16)
    stray.write_bytes(b"part")
    replace_file(path, b"third")
    assert path.read_bytes() == b"third" and stray.exists()


def test_a_directory_is_removed_where_unlink_refuses_it_otherwise(tmp_path, monkeypatch):
    """macOS raises PermissionError for a directory, Linux IsADirectoryError."""
    unlink = os.unlink

    def refusing(path, **options):
        if os.path.isdir(path) or str(path).endswith("kept"):
            raise PermissionError(errno.EPERM, os.strerror(errno.EPERM), path)
        unlink(path, **options)

    with monkeypatch.context() as patch:
        patch.setattr(os, "unlink", refusing)
        place = tmp_path / "directory"
        with files.Removing(str(place)):
            place.mkdir()
        assert not place.exists()
        (tmp_path / "kept").write_bytes(b"")
        with pytest.raises(PermissionError), files.Removing(str(tmp_path / "kept")):
            pass


@pytest.mark.parametrize(
    "name, error",
    [("nowhere/m.h5", FileNotFoundError), ("n" * 300, OSError), ("file/m.h5", NotADirectoryError), ("", IsADirectoryError)],
)
def test_paths_that_cannot_be_written_raise(tmp_path, name, error):
    (tmp_path / "file").write_bytes(b"")
    for call in (check_target, lambda path: replace_file(path, b"x")):
        with pytest.raises(error) as caught:
            call(tmp_path / name)
        assert str(tmp_path) in str(caught.value)
    assert sorted(os.listdir(tmp_path)) == ["file"]


def test_a_nul_in_the_name(tmp_path):
    for call in (check_target, lambda path: replace_file(path, b"x")):
        with pytest.raises(ValueError, match="NUL|null"):
            call(f"{tmp_path}/a\0b")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_read_only_directory(tmp_path):
    tmp_path.chmod(0o500)
    for call in (check_target, lambda path: replace_file(path, b"x")):
        with pytest.raises(PermissionError):
            call(tmp_path / "m.h5")


def test_check_target_changes_nothing(tmp_path):
    check_target(tmp_path / "new")
    assert os.listdir(tmp_path) == []
    (tmp_path / "old").write_bytes(b"old")
    check_target(tmp_path / "old")
    assert (tmp_path / "old").read_bytes() == b"old"


def test_links_are_followed_and_permissions_kept(tmp_path):
    (tmp_path / "there").mkdir()
    target = tmp_path / "there" / "m"
    target.write_bytes(b"old")
    target.chmod(0o640)
    link = tmp_path / "link"
    link.symlink_to(target)
    replace_file(link, b"new")
    assert link.is_symlink() and target.read_bytes() == b"new" and target.stat().st_mode & 0o777 == 0o640
    before = os.umask(0o027)
    try:
        replace_file(tmp_path / "fresh", b"x")
    finally:
        os.umask(before)
    assert (tmp_path / "fresh").stat().st_mode & 0o777 == 0o640


def test_a_device_is_written_to_directly():
    replace_file(os.devnull, b"x")
    assert os.path.exists(os.devnull) and not os.path.isfile(os.devnull)


def test_saving_while_another_thread_trains(tmp_path):
    from lamella.callbacks import LambdaCallback

    model = Sequential([Dense(1, input_dim=1)])
    model.compile("sgd", "mse")
    inside, done = threading.Event(), threading.Event()

    def wait(batch, logs):
        inside.set()
        done.wait(60)

    thread = threading.Thread(
        target=model.fit, args=(np.zeros((2, 1)), np.zeros((2, 1))),
        kwargs={"verbose": 0, "callbacks": [LambdaCallback(on_batch_end=wait)]},
    )  # fmt: skip
    thread.start()
    try:
        assert inside.wait(60)
        for call in (model.save, model.save_weights, model.load_weights):
            with pytest.raises(RuntimeError, match="is being trained by another thread"):
                call(tmp_path / "m.h5")
    finally:
        done.set()
        thread.join()
    assert os.listdir(tmp_path) == []
    model.save(tmp_path / "m.h5")
    assert os.listdir(tmp_path) == ["m.h5"]


def test_a_save_copies_the_file_only_once(tmp_path):
    """The weights, and the file in memory."""
    model = Sequential([Dense(2000, input_dim=2000, kernel_initializer="zeros")])
    model.save(tmp_path / "m.h5")
    size = os.path.getsize(tmp_path / "m.h5")
    tracemalloc.start()
    try:
        model.save(tmp_path / "m.h5")
        assert tracemalloc.get_traced_memory()[1] < 2.5 * size
    finally:
        tracemalloc.stop()
