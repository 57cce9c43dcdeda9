"""scikit-learn, PyTorch and SciPy say the same, where their losses are ours."""

import numpy as np
import pytest

import lossmith as lm
from judges.peers import PEERS, data, mismatch

CLOSE = 1e-12


@pytest.mark.parametrize("peer", PEERS, ids=str)
def test_peers_agree(peer):
    assert mismatch(peer, lm.get(peer.name, **peer.params), np.random.default_rng(3)) < CLOSE


@pytest.mark.parametrize("factor", [1.001, 2.0, 0.5])
@pytest.mark.parametrize("peer", PEERS, ids=str)
def test_a_wrong_loss_is_noticed(peer, factor):
    assert mismatch(peer, factor * lm.get(peer.name, **peer.params), np.random.default_rng(3)) > CLOSE


@pytest.mark.parametrize("peer", [p for p in PEERS if p.params and p.name != "multi_margin"], ids=str)
def test_a_wrong_parameter_is_noticed(peer):
    wrong = {name: not v if isinstance(v, bool) else v * 0.9 for name, v in peer.params.items()}
    if peer.library == "scipy" or "full" not in wrong:
        loss = lm.get(peer.name, **{k: v for k, v in wrong.items() if k != "log_input"})
        y, f = peer_data(peer)
        if "log_input" in wrong:
            f = np.exp(f)  # probabilities where logarithms belong
            loss = lm.get(peer.name, log_input=True)
        assert np.abs(peer.value(*peer_data(peer)) - loss(y, f, reduction="none")).max() > CLOSE


def peer_data(peer):
    return data(peer.data, np.random.default_rng(3))
