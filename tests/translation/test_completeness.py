"""Every loss of a peer is translated, or declined with a reason: a new version's loss is noticed."""

import numpy as np
import pytest

from lossmith.translation import Missing, entries, peers
from translation.offered import OFFERED

# LightGBM lists its objectives in its manual only: read again what a newer one has, and raise this.
LIGHTGBM_READ = (4, 7)
NEWER = {"reg:expectileerror"}  # than the peer that may be installed


def listed(peer: str, kinds: type | tuple[type, ...] = object) -> set[str]:
    rows = [row for table, row in entries() if table.name == peer and isinstance(row, kinds)]
    return {name for row in rows for name in row.names.split()}


@pytest.mark.parametrize("peer", [peer for peer in OFFERED if peer != "keras"])
def test_every_loss_is_translated_or_declined(peer):
    pytest.importorskip(peer)
    offered = OFFERED[peer]()
    assert len(offered) >= 5
    assert not offered - listed(peer), f"{peer} has losses that its table in lossmith.peers has not"


@pytest.mark.parametrize("peer", [peer for peer in OFFERED if peer != "keras"])
def test_what_is_declined_is_there(peer):
    pytest.importorskip(peer)
    assert not listed(peer, Missing) - OFFERED[peer]() - NEWER


def test_lightgbm_has_no_objectives_that_nobody_has_read():
    lightgbm = pytest.importorskip("lightgbm")
    assert tuple(map(int, lightgbm.__version__.split(".")[:2])) <= LIGHTGBM_READ


@pytest.mark.parametrize("name", sorted(listed("lightgbm", Missing)))
def test_what_is_declined_of_lightgbm_is_there(name):
    lightgbm = pytest.importorskip("lightgbm")
    data = lightgbm.Dataset(np.arange(8.0)[:, None], np.arange(8) % 2, group=[4, 4])
    lightgbm.train({"objective": name, "verbosity": -1, "num_threads": 1, "min_data_in_leaf": 1}, data, 1)


def test_every_peer_is_covered():
    assert {*OFFERED, "lightgbm"} == {peer.name for peer in peers()}


def test_no_name_stands_twice():
    names = [peer.full(name) for peer, row in entries() for name in row.names.split()]
    assert len(names) == len(set(names))
