"""overwrite=False asks the user, and never hangs."""

import subprocess
import sys

import pytest

from lamella.layers import Dense
from lamella.models import Sequential, save_model


@pytest.fixture
def model():
    return Sequential([Dense(1, input_dim=2)])


def save_calls(model):
    return [model.save, model.save_weights, lambda path, **kwargs: save_model(model, path, **kwargs)]


def test_answers(model, tmp_path, monkeypatch, capsys):
    path = tmp_path / "m.h5"
    for save in save_calls(model):
        asked, answers = [], iter(["what", " N "])
        path.write_bytes(b"old")

        def answer(prompt, asked=asked, answers=answers):
            asked.append(prompt)
            return next(answers)

        monkeypatch.setattr("builtins.input", answer)
        save(path, overwrite=False)
        assert asked == [
            f"[WARNING] {path} already exists - overwrite? [y/n]",
            'Enter "y" (overwrite) or "n" (cancel).',
        ]
        assert path.read_bytes() == b"old" and capsys.readouterr().out == ""
        monkeypatch.setattr("builtins.input", lambda prompt: "y")
        save(path, overwrite=False)
        assert path.read_bytes() != b"old"
        assert capsys.readouterr().out == "[TIP] Next time specify overwrite=True!\n"


def test_a_new_file_needs_no_question(model, tmp_path):
    for i, save in enumerate(save_calls(model)):
        save(tmp_path / f"{i}.h5", overwrite=False)
        assert (tmp_path / f"{i}.h5").stat().st_size > 0


@pytest.mark.parametrize("stdin", [subprocess.DEVNULL, subprocess.PIPE, None])
def test_without_a_terminal_it_is_an_error(tmp_path, stdin):
    (tmp_path / "m.h5").write_bytes(b"old")
    code = (
        ("import sys; sys.stdin = None\n" if stdin is None else "")
        + "from lamella.models import Sequential; from lamella.layers import Dense\n"
        "Sequential([Dense(1, input_dim=2)]).save('m.h5', overwrite=False)"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=stdin or subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, cwd=tmp_path
    ) as process:
        process.wait(60)
        error = process.stderr.read()
    assert "FileExistsError: m.h5 already exists, and there is no terminal to ask on; pass overwrite=True" in error
    assert (tmp_path / "m.h5").read_bytes() == b"old"
