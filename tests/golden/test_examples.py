"""The policies of the examples: right as they are, and explained where a hand has slipped."""

from pathlib import Path
from shutil import copytree

import pytest
from click.testing import CliRunner

from reconciler.cli.check import command

EXAMPLES = Path(__file__).parents[2] / "examples"
SETS = sorted(path.parent.name for path in EXAMPLES.glob("*/policies"))
GOLDEN = Path(__file__).parent / "examples"
SLIPS = (
    ("archive.yaml", "448d", "450d"),
    ("cluster.yaml", "    reason: it has a group of its own, gold\n", ""),
    ("file-servers.yaml", "unc_name: files1 ", "unc_nam: files1"),
    ("gold.yaml", "labels: {tier: gold}", "label: {tier: gold}"),
    ("gold.yaml", "[mon, tue, wed, thu, fri]", "[mon-fri]"),
    ("hosts.yaml", "tls: true\n", ""),
    ("legacy.yaml", 'end: "05:00"', 'end: "21:00"'),
    ("offices.yaml", "ask_guest: false ", "ask_guest: no"),
    ("replicas.yaml", "role: replica", "role: replicas"),
    ("replicas.yaml", "days_of_month: [1]", "days_of_month: [0]"),
)
WRONG_NAMES = (
    ("cluster.yaml", "cluster: hvcluster", "cluster: hv-cluster"),
    ("finance.yaml", "host: hv1", "host: sql1"),
    ("gold.yaml", "pool: main", "pool: fast"),
    ("hosts.yaml", "[hvc1, hvc2]", "[hvc1, hvc3]"),
    ("offices.yaml", '{host: hv2, name: "off-*"}', "{host: hv2, cluster: hvcluster}"),
)
CASES = {"slips": SLIPS, "wrong-names": WRONG_NAMES}


def test_there_are_sets_to_check() -> None:
    assert len(SETS) >= 3


@pytest.mark.parametrize("name", SETS)
def test_the_policies_of_an_example_have_neither_errors_nor_warnings(name: str) -> None:
    result = CliRunner().invoke(command, [str(EXAMPLES / name / "policies")])

    assert result.output.endswith(": no errors, no warnings\n")
    assert result.exit_code == 0


@pytest.mark.parametrize("case", CASES)
def test_a_hand_that_slipped_is_told_word_by_word(
    case: str, tmp_path: Path, pytestconfig: pytest.Config
) -> None:
    folder = tmp_path / "policies"
    copytree(EXAMPLES / "02-every-kind-of-machine" / "policies", folder)
    for name, right, wrong in CASES[case]:
        text = (folder / name).read_text(encoding="utf-8")
        assert right in text
        (folder / name).write_text(text.replace(right, wrong, 1), encoding="utf-8")
    result = CliRunner().invoke(command, [str(folder)])
    shown = result.output.replace(str(tmp_path) + "/", "")
    golden = GOLDEN / f"every-kind-of-machine.{case}.txt"
    if pytestconfig.getoption("--update-golden"):
        golden.write_text(shown, encoding="utf-8")

    assert shown == golden.read_text(encoding="utf-8")
    assert result.exit_code == 3
