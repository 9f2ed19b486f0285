"""The examples and the README's code run as written."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from lamella.preprocessing.image import save_img

ROOT = Path(__file__).parents[2]


def run(*arguments, cwd=ROOT):
    done = subprocess.run([sys.executable, *map(str, arguments)], capture_output=True, text=True, cwd=cwd, timeout=280)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def report(output):
    """The lines "name:   value" at the end of an example's output."""
    return dict(re.findall(r"^([a-z ]+): +(.+)$", output, re.MULTILINE))


def test_digits():
    pytest.importorskip("sklearn")
    lines = report(run("examples/digits.py"))
    assert float(lines["validation accuracy"]) >= 0.98
    print(f"\ndigits: {lines['seconds']} s")  # .ci/run asserts the time, because nothing else runs there
    assert lines["images"] == "1437 to train on, 360 to validate on"
    stopped, best = map(int, re.findall(r"\d+", lines["epochs"]))
    assert 1 <= best <= stopped <= 40


def test_imdb_lstm():
    lines = report(run("examples/imdb_lstm.py", "--passages", 300, "--words", 500, "--epochs", 3))
    assert lines["passages"] == "480 to train on, 120 to test on"
    assert lines["vocabulary"] == "498 words"
    assert float(lines["test accuracy"]) >= 0.7


def test_text_generation():
    output = run("examples/text_generation.py", "--characters", 1500, "--units", 16, "--epochs", 2, "--written", 5)
    lines = report(output)
    assert lines["text"].startswith("1500 characters")
    first, last = map(float, lines["losses"].split())
    assert last < first
    pieces = re.findall(r"^(?:0\.5|1\.0): (.{40})\|(.{5})$", output, re.MULTILINE)
    assert len(pieces) == 4 and pieces[0][0] == pieces[1][0]


def test_segmentation():
    lines = report(run("examples/segmentation.py", "--images", 16, "--epochs", 2, "--channels", 2))
    assert lines["images"] == "16 to train on, 4 to test on, 48 x 48"
    first, last = map(float, lines["losses"].split())
    assert last < first
    assert 0 <= float(lines["test iou"]) <= 1


def test_transfer():
    pytest.importorskip("sklearn")
    lines = report(run("examples/transfer.py", "--images", 900, "--epochs", 6))
    assert lines["images"] == "337 to train on, 110 to validate on"
    assert lines["weights in the head"] == "1285 of 219829"
    head, whole = float(lines["head alone"]), float(lines["all of it"])
    assert 0.3 < head < whole and whole > 0.6  # 0.2 is chance


def test_torch_mlp():
    pytest.importorskip("sklearn")
    pytest.importorskip("torch")
    lines = report(run("examples/torch_mlp.py", "--images", 800, "--epochs", 6, "--units", 64))
    assert lines["images"].startswith("800 of 784 pixels")
    first, last = map(float, lines["losses"].split())
    assert last < 0.5 * first
    assert float(lines["difference"]) < 1e-3  # rounding errors differ, and the difference grows with the steps
    assert float(lines["test accuracy"]) > 0.7
    assert float(lines["torch epoch"].split()[0]) > 0 and float(lines["lamella epoch"].split()[0]) > 0


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    """Two classes of 16x16 JPEGs that differ in colour."""
    folder = tmp_path_factory.mktemp("images")
    rng = np.random.default_rng(0)
    for part, count in [("train", 40), ("test", 10)]:
        for channel, name in [(0, "red"), (2, "blue")]:
            (folder / part / name).mkdir(parents=True)
            for i in range(count):
                pixels = rng.integers(0, 100, (16, 16, 3))
                pixels[..., channel] += 120
                save_img(folder / part / name / f"{i}.jpg", pixels, scale=False)
    (folder / "train" / "red" / "notes.txt").write_text("not an image")
    return folder


def test_image_folder(tree):
    lines = report(run("examples/image_folder.py", tree, "--epochs", 4, "--batch-size", 8))
    assert lines["classes"] == "2: blue, red"
    assert lines["images"] == "80 to train on, 20 to test on, (16, 16, 3) each"
    assert lines["epochs"] == "4"
    assert float(lines["test accuracy"]) >= 0.9
    assert float(lines["seconds per epoch"].split()[0]) > 0


def test_image_folder_is_reproducible_and_has_options(tree):
    options = ("--epochs", 1, "--limit", 7, "--seed", 3, "--size", 12, 14)
    first, second = (report(run("examples/image_folder.py", tree, *options)) for _ in range(2))
    assert first["images"] == "14 to train on, 14 to test on, (12, 14, 3) each"
    assert (first["test loss"], first["test accuracy"]) == (second["test loss"], second["test accuracy"])


def test_image_folder_names_what_is_missing(tree, tmp_path):
    for arguments, message in [
        ([tmp_path], f"{tmp_path}/train is not there"),
        ([tree / "train"], "is not there: expected"),
    ]:
        done = subprocess.run(
            [sys.executable, "examples/image_folder.py", *arguments], capture_output=True, text=True, cwd=ROOT
        )
        assert done.returncode == 1 and message in done.stderr and "Traceback" not in done.stderr


@pytest.mark.parametrize("number", range(6))
def test_readme_code(number, tmp_path):
    blocks = re.findall(r"^```python\n(.*?)^```", (ROOT / "README.md").read_text(), re.DOTALL | re.MULTILINE)
    assert len(blocks) == 6
    script = tmp_path / "block.py"
    script.write_text(blocks[number])
    run(script, cwd=tmp_path)


@pytest.mark.parametrize("name", ["callback", "dataset", "format", "function_of_k", "layer", "network", "optimizer"])
def test_code_of_the_recipes(name, tmp_path):
    """Run the code blocks of a page in order. The last one has assertions."""
    blocks = re.findall(r"^```python\n(.*?)^```", (ROOT / f"docs/recipes/{name}.md").read_text(), re.DOTALL | re.MULTILINE)
    assert len(blocks) == 2 and "\nassert " in blocks[-1]
    script = tmp_path / "recipe.py"
    script.write_text("\n".join(blocks))
    run(script, cwd=tmp_path)


def test_the_page_on_keras_scripts_runs_a_script_as_it_is(tmp_path):
    page = (ROOT / "docs/keras_scripts.md").read_text()
    (command,) = re.findall(r"^python -c (.*)$", page, re.MULTILINE)
    code = shlex.split(command)[0]
    # It replaces the published script, whose training takes many minutes.
    (tmp_path / "addition_rnn.py").write_text("from keras.models import Sequential\nprint(__name__, Sequential.__module__)\n")
    assert run("-c", code, cwd=tmp_path) == "__main__ lamella.models.sequential\n"
    (tmp_path / "mine.py").write_text(re.search(r"^```python\n(.*?)^```", page, re.DOTALL | re.MULTILINE)[1] + "import keras\n")
    run("mine.py", cwd=tmp_path)


def test_documents_name_only_existing_things():
    pages = [ROOT / name for name in ("README.md", "ARCHITECTURE.md", "CONTRIBUTING.md")]
    for name in [*pages, *sorted((ROOT / "docs").rglob("*.md"))]:
        for path in re.findall(r"`([\w./-]+/[\w./-]*)`", name.read_text()):
            assert any((ROOT / base / path).exists() for base in ("", "python/lamella")), f"{name}: {path}"
