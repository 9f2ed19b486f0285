"""DeepSpeed as a peer where it is not installed."""

import importlib.util

from bench.peers import deepspeed_peer


def test_a_missing_deepspeed_is_reported(monkeypatch, capsys):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert deepspeed_peer.adam([]) is None
    assert "deepspeed is not a peer in this run: it is not installed" in capsys.readouterr().err
