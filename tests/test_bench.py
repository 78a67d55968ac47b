"""The benchmark works; how fast anything is, no test asks."""

import json

from typer.testing import CliRunner

from bnviz.cli import app


def test_the_smallest_benchmark_prints_a_table_and_writes_json(tmp_path):
    out = tmp_path / "bench.json"
    command = ["bench", "--repeats", "1", "--steps", "60", "--dataset", "digits", "--out", str(out)]
    result = CliRunner().invoke(app, command)
    assert result.exit_code == 0, result.output
    readings = json.loads(out.read_text())
    assert set(readings) == {"none", "batch"}
    for items in readings.values():
        assert all(item["lowest"] <= item["median"] <= item["highest"] for item in items)
        assert all(item["lowest"] > 0 for item in items)
        assert all(item["what"] in result.output for item in items)
