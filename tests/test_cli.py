"""The command line: what it prints, where, and with which exit status."""

import json
import subprocess
import sys

import numpy as np
import pytest
from typer.testing import CliRunner

from lossmith.cli import app

pytestmark = pytest.mark.slow

RUNNER = CliRunner()


def call(*arguments):
    return RUNNER.invoke(app, [str(argument) for argument in arguments])


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    rng = np.random.default_rng(0)
    x, z = rng.normal(size=(2, 500))
    lines = ["x,colour,y,label,same,gone,huge"]
    for i in range(500):  # fewer rows would be split more often
        label = "yes" if x[i] + 0.5 * z[i] > 0 else "no"
        lines.append(
            f"{x[i]:.4f},{'red' if z[i] > 0 else 'blue'},{2 * x[i] + z[i]:.4f},{label},7,,{'inf' if i == 3 else i}"
        )
    path = tmp_path_factory.mktemp("tables") / "table.csv"
    path.write_text("\n".join(lines) + "\n")
    return path


@pytest.fixture(scope="module")
def clean(table):
    """Without the column of infinite numbers."""
    lines = [line.rpartition(",")[0] for line in table.read_text().splitlines()]
    path = table.with_name("clean.csv")
    path.write_text("\n".join(lines) + "\n")
    return path


def test_choose_prints_the_verdict_first(clean):
    done = call("choose", clean, "--target", "y", "--aim", "median", "--models", "linear")
    assert done.exit_code == 0, done.output
    assert done.stdout.split(":")[0].split()[0] in ("USE", "SAME", "NOT")
    assert "absolute_error" in done.stdout
    assert "'gone' is empty" in done.stdout


def test_an_assumed_aim_says_how_to_change_it(clean):
    assert "say --aim" in call("choose", clean, "--target", "y", "--models", "linear").stdout


def test_json_is_one_object(clean, tmp_path):
    done = call("choose", clean, "--target", "label", "--models", "linear", "--json", "--report", tmp_path / "r.html")
    assert done.exit_code == 0, done.output
    content = json.loads(done.stdout)
    assert content["verdict"] in ("USE", "SAME", "NOT SHOWN")
    assert content["loss"]["name"] == "binary_cross_entropy"
    assert content["aim"] == "probability"
    assert content["aim_assumed"] is True
    assert isinstance(content["table"], list)
    assert (tmp_path / "r.html").stat().st_size > 5000


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--target", "z"), "no column 'z'"),
        (("--target", "colr"), "did you mean 'colour'"),
        (("--target", "label", "--aim", "mean"), "--aim probability"),
        (("--target", "y", "--aim", "probability"), "needs classes"),
        (("--target", "same"), "is constant"),
        (("--target", "gone"), "every value is missing"),
        (("--target", "y", "--aim", "mode"), "unknown aim 'mode'"),
        (("--target", "y", "--aim", "quantile:2"), "quantile:Q"),
        (("--target", "y", "--models", "forest"), "unknown model"),
        (("--target", "y", "--exposure", "x"), "positive numbers"),
        (("--target", "y", "--weight", "x"), "zero or more"),
        (("--target", "y", "--jobs", "0"), "--jobs"),
        (("--target", "y", "--report", "nowhere/at/all.html"), "no folder"),
    ],
)
def test_errors_are_one_line(clean, arguments, says):
    refused(call("choose", clean, *arguments), says)


@pytest.mark.parametrize("target", ["huge", "y"])
def test_infinite_values(table, target):
    refused(call("choose", table, "--target", target), "'huge' has 1 infinite")


def refused(done, says):
    assert done.exit_code == 2
    assert done.stdout == ""
    assert done.stderr.startswith("lossmith: ")
    assert done.stderr.count("\n") == 1
    assert says in done.stderr


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (None, "no file"),
        ("", "is empty"),
        ("a,y\n", "no rows"),
        ("a,y\n1,2\n", "1 rows"),
        ("a,y\n1\n2,3,4\n", "line 2 of 't.csv' has 1 cell, its first line 2"),
    ],
)
def test_files_that_cannot_be_used(tmp_path, content, says):
    path = tmp_path / "t.csv"
    if content is not None:
        path.write_text(content)
    refused(call("choose", path, "--target", "y"), says)


def test_wrong_options_exit_with_2(table):
    assert call("choose", table).exit_code == 2
    assert call("choose", table, "--target", "y", "--nonsense").exit_code == 2


def test_the_version():
    from lossmith import __version__

    assert call("--version").stdout == f"lossmith {__version__}\n"


def test_json_errors_are_json(clean):
    done = call("choose", clean, "--target", "zzzz", "--json")
    assert done.exit_code == 2
    assert json.loads(done.stdout)["error"] in done.stderr


def test_a_missing_target_lists_the_columns(clean):
    refused(call("choose", clean), "x, colour, y, label, same, gone")


def test_only_near_names_are_suggested(tmp_path):
    assert "hinge" not in call("show", "nothing").stderr
    path = tmp_path / "t.csv"
    path.write_text("y,x,y\n" + "1,2,3\n" * 20)
    refused(call("choose", path, "--target", "y"), "two columns are named 'y'")


def test_a_saved_model_predicts_new_rows(clean, tmp_path, monkeypatch):
    monkeypatch.setattr("lossmith.choosing.folds.repeats_for", lambda n: 1)
    model, out = tmp_path / "m.lossmith", tmp_path / "p.csv"
    done = call("choose", clean, "--target", "label", "--models", "linear", "--model-out", model)
    assert done.exit_code == 0, done.output
    assert f"model    {model}" in done.stdout
    shown = call("predict", model, clean).stdout.splitlines()
    assert shown[0] == "probability of no,probability of yes,label" and len(shown) == 501
    assert call("predict", model, clean, "--out", out).stdout == f"predictions of 500 rows in {out}\n"
    assert out.read_text().splitlines() == shown
    pairs = zip(clean.read_text().splitlines()[1:], shown[1:], strict=True)
    assert np.mean([row.split(",")[3] == found.split(",")[2] for row, found in pairs]) > 0.8
    call("predict", model, clean, "--out", tmp_path / "p.parquet")
    from pyarrow import parquet

    assert parquet.read_table(tmp_path / "p.parquet").column_names == shown[0].split(",")
    narrow = tmp_path / "narrow.csv"
    narrow.write_text("x\n1\n")
    refused(call("predict", model, narrow), "no column 'colour'")
    refused(call("predict", clean, clean), "not a saved model")
    refused(call("predict", model, clean, "--out", tmp_path), "is a folder; name a file such as predictions.csv")


def test_explain_says_what_a_loss_would_do(clean, tmp_path):
    plot = tmp_path / "e.svg"
    done = call("explain", "huber", "--table", clean, "--target", "y", "--set", "delta=0.5", "--plot", plot)
    assert done.exit_code == 0, done.output
    assert done.stdout.startswith("huber(delta=0.5) on y, 500 rows\n") and plot.stat().st_size > 1000
    shares = [float(line.split("%")[0]) for line in done.stdout.splitlines() if "% of the rows: pull" in line]
    assert len(shares) == 2 and sum(shares) == pytest.approx(100, abs=0.2)
    assert "times the spread of the misses" in call("explain", "huber", "--table", clean, "--target", "y").stdout
    refused(call("explain", "huber", "--table", clean, "--target", "y", "--set", "delta"), "such as delta=2")
    refused(call("explain", "huber", "--table", clean, "--target", "y", "--set", "delta=-1"), "delta must be")
    refused(call("explain", "poisson", "--table", clean, "--target", "y"), "does not fit this target")
    refused(call("explain", "hinge", "--table", clean, "--target", "y"), "loss of classes")
    refused(call("explain", "huber", "--table", clean, "--target", "label"), "explain needs a target of numbers")
    refused(call("explain", "binary_cross_entropy", "--table", clean, "--target", "label"), "explain needs a target")


@pytest.mark.parametrize("loss", ["poisson", "gamma", "binary_cross_entropy"])
def test_explain_names_the_data_row_that_a_loss_cannot_have(loss, tmp_path):
    path = tmp_path / "t.csv"
    rows = [f"{i},{0.5 + i % 3 / 9}" for i in range(60)]
    rows[41], rows[50], rows[7] = "41,-8.79", "50,-2", "7,"
    path.write_text("\n".join(["x,y", *rows]))
    done = call("explain", loss, "--table", path, "--target", "y")
    refused(done, "'y' holds -8.79 in data row 42")
    assert "2 such values" in done.stderr


def test_losses_are_listed_and_filtered():
    everything = call("losses").stdout
    assert "huber" in everything
    assert "poisson" in everything
    robust = call("losses", "--family", "robust").stdout
    assert "huber" in robust
    assert "poisson" not in robust
    means = call("losses", "--aim", "mean").stdout
    assert "poisson" in means
    assert "huber" not in means
    assert "binary_cross_entropy" in call("losses", "--aim", "probability").stdout
    wrong = call("losses", "--family", "nonsense")
    assert wrong.exit_code == 2
    assert "robust" in wrong.stderr


def test_show_explains_a_loss():
    shown = call("show", "huber")
    assert shown.exit_code == 0, shown.output
    for part in ("Quadratic for small errors", "delta = 1.0", "Huber 1964", "formula"):
        assert part in shown.stdout
    assert any(0x2800 < ord(c) < 0x2900 for c in shown.stdout)
    wrong = call("show", "hubre")
    assert wrong.exit_code == 2
    assert "did you mean 'huber'" in wrong.stderr


def test_every_loss_can_be_shown():
    import lossmith as lm

    for name in lm.names():
        done = call("show", name)
        assert done.exit_code == 0, f"{name}: {done.output}"


@pytest.mark.parametrize("suffix", [".png", ".svg"])
def test_show_draws(tmp_path, suffix):
    path = tmp_path / f"huber{suffix}"
    done = call("show", "huber", "--plot", path)
    assert done.exit_code == 0, done.output
    assert path.stat().st_size > 1000
    assert call("show", "huber", "--plot", tmp_path / "huber.gif").exit_code == 2


def test_help_is_quick_and_light():
    code = (
        "import sys; from lossmith.cli import app; "
        "print(sorted({'sklearn', 'lightgbm', 'matplotlib', 'pandas', 'scipy', 'pyarrow'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
    assert "choose" in call("--help").stdout


def test_translate_prints_the_loss_and_what_differs():
    done = call("translate", "torch.nn.SmoothL1Loss", "beta=0.5", "reduction=sum")
    assert done.exit_code == 0, done.output
    assert done.stdout.startswith("torch.nn.SmoothL1Loss(beta=0.5, reduction='sum') = smooth_l1(beta=0.5)\n")
    assert "reduction  sum" in done.stdout
    half = call("translate", "xgboost:reg:squarederror").stdout
    assert "= 0.5 * squared_error()\n  formula    (y, f) -> 0.5 * (f - y)**2\n" in half


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["torch:SmoothL1Los"], "did you mean torch.nn.SmoothL1Loss"),
        (["torch:CTCLoss"], "it sums over alignments of a sequence; nearest: cross_entropy"),
        (["torch:HuberLoss", "betta=1"], "a parameter 'betta' is not translated"),
        (["torch:HuberLoss", "delta=-1"], "delta must be a positive number"),
    ],
)
def test_what_translate_cannot_say_is_one_line(arguments, message):
    done = call("translate", *arguments)
    assert done.exit_code == 2 and message in done.stderr and done.stderr.count("\n") == 1 and not done.stdout


def test_what_is_read_is_not_written_over(tmp_path):
    table = tmp_path / "table.csv"
    table.write_text("a,y\n" + "".join(f"{i},{i * i % 7}\n" for i in range(60)))
    before = table.read_bytes()
    for option in ("--report", "--model-out"):
        done = call("choose", table, "--target", "y", option, table)
        assert done.exit_code == 2 and "which is read: name another file" in done.stderr
    both = tmp_path / "both"
    assert "cannot both be" in call("choose", table, "--target", "y", "--report", both, "--model-out", both).stderr
    done = call("predict", tmp_path / "y.lossmith", table, "--out", table)
    assert done.exit_code == 2 and "which is read" in done.stderr
    assert ".csv or .parquet" in call("predict", tmp_path / "y.lossmith", table, "--out", tmp_path / "p.xlsx").stderr
    assert table.read_bytes() == before


def test_a_loss_of_classes_is_not_explained_by_misses(tmp_path):
    table = tmp_path / "table.csv"
    table.write_text("a,y\n" + "".join(f"{i},{'yes' if i % 3 else 'no'}\n" for i in range(60)))
    done = call("explain", "cross_entropy", "--table", table, "--target", "y")
    assert done.exit_code == 2 and "lossmith show cross_entropy" in done.stderr
    assert done.stderr.count("\n") == 1


def test_the_package_runs_as_a_module():
    done = subprocess.run([sys.executable, "-m", "lossmith", "--version"], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("lossmith ")
