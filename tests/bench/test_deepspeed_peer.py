"""DeepSpeed as a peer where it, or ninja that compiles it, is not installed."""

import importlib.util

import pytest

from bench.peers import deepspeed_peer


@pytest.mark.parametrize(("there", "missing"), [((), "it"), (("ninja",), "it"), (("deepspeed",), "ninja")])
def test_a_missing_deepspeed_is_reported(monkeypatch, capsys, there, missing):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: name if name in there else None)
    assert deepspeed_peer.adam([]) is None
    assert f"deepspeed is not a peer in this run: {missing} is not installed" in capsys.readouterr().err
