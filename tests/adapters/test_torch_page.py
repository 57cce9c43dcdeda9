"""docs/frameworks/torch.md says what is so: its code runs, and trains."""

from pathlib import Path

import pytest

import pages

torch = pytest.importorskip("torch")

PAGE = Path(__file__).parents[2] / "docs" / "frameworks" / "torch.md"


def test_the_page_runs(tmp_path, capsys):
    names = pages.run(PAGE, {"path": tmp_path / "criterion.pt"})
    model = names["model"]
    torch.testing.assert_close(model.weight.data, torch.tensor([[1.0, -2.0, 0.5]]), atol=0.2, rtol=0)
    torch.testing.assert_close(model.bias.data, torch.tensor([3.0]), atol=0.3, rtol=0)
    assert "tensor" in capsys.readouterr().out
    assert names["whole"].weight == 512
    assert names["scores"].dtype == torch.float16 and names["scaler"].get_scale() == 2.0**16
