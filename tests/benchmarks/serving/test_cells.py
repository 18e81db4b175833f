"""Cells: what is sent, what is kept of them, and the aims that are read off."""

import json
from pathlib import Path

import numpy as np

from benchmarks.served import Served
from benchmarks.serving.aims import all_aims
from benchmarks.serving.cells import NUM_BODIES, NUM_INPUTS, Arm, Kept, ratios, requests
from benchmarks.serving.plan import MODELS, SPECIALS, every_cell, groups, last, more
from benchmarks.serving.servers import SERVERS, Running
from benchmarks.serving.tables import write
from benchmarks.wire import body_of

PAGE = "# Results\n\n## Serving\n\n<!-- serving, vectors -->\n<!-- end of serving, vectors -->\n"


def test_every_cell_has_a_name_of_its_own() -> None:
    names = [(model, cell.name) for model in MODELS for cell in every_cell(model)]
    assert len({*names, *SPECIALS}) == len(names) + len(SPECIALS)
    measured = (*groups(MODELS), *more(MODELS), *last(MODELS))
    assert {(cell.model, cell.name) for cells in measured for cell in cells} == {*names}


def test_one_task_is_asked_as_many_different_things_as_many_are() -> None:
    server = Running(SERVERS["kshot"], Served("http://127.0.0.1:1", 1), "vectors", tasks=[f"t{n}" for n in range(8)])
    bodies = {}
    for num_tasks in (1, 8):
        sent, order = requests(Arm("kshot", tasks=num_tasks), server)
        bodies[num_tasks] = {body_of(each) for each in sent}
        assert len({each.split(b" ", 2)[1] for each in sent}) == num_tasks and order.max() < len(sent)
    assert bodies[1] == bodies[8] and len(bodies[1]) == NUM_INPUTS


def test_each_server_is_told_the_task_its_own_way() -> None:
    told = {name: server.predict("t1", [[1.0]]) for name, server in SERVERS.items()}
    assert told["kshot"] == ("/v1/tasks/t1/predictions", {"inputs": [[1.0]]}, {})
    assert told["LitServe"] == ("/predict", {"task": "t1", "inputs": [[1.0]]}, {})
    assert told["Ray Serve"][2] == {"serve_multiplexed_model_id": "t1"}


def test_where_both_come_a_tenth_are_adaptations() -> None:
    server = Running(SERVERS["written"], Served("http://127.0.0.1:1", 1), "vectors", tasks=["t"])
    sent, order = requests(Arm("written", "mixed", tasks=1), server)
    assert 0.08 < (order >= len(sent) - NUM_BODIES).mean() < 0.12


def test_what_is_kept_is_found_again_and_makes_the_tables(tmp_path: Path) -> None:
    figures = {"per_s": 300.0, "p50_ms": 1, "p95_ms": 2, "p99_ms": 3, "cpu_ms": 1, "resident_mib": 9, "num_other": 0}
    kept, page = Kept(tmp_path / "cells"), tmp_path / "results.md"
    page.write_text(PAGE)
    one, other = Arm("kshot"), Arm("written")
    kept.put("vectors", "centre", {one.name: 2 * [figures], other.name: 2 * [figures | {"per_s": 100.0}]})
    older = tmp_path / "cells" / "glyphs, centre.json"
    older.write_text(json.dumps({"at": "2026-11-01T02:03:04+00:00", "found": {}}))
    write(page, Kept(tmp_path / "cells"), "python -m benchmarks.serve")
    text = page.read_text()
    assert "Of an earlier run, until 2026-11-01 02:03 UTC: glyphs, centre." in text
    assert "| >= 8 | 3.00 (3.00 to 3.00) |" in text and "not measured" in text
    assert "| centre | written, predict, 32 clients, 1024 tasks | 100 |" in text
    assert json.loads((tmp_path / "cells" / "vectors, centre.json").read_text())["at"]
    figures_of_aims = [aim.figure for aim in all_aims()]
    assert len(set(figures_of_aims)) == len(figures_of_aims)


def test_ratios_are_of_pieces_side_by_side() -> None:
    one, other = [{"per_s": 2.0}, {"per_s": 6.0}], [{"per_s": 1.0}, {"per_s": 2.0}]
    np.testing.assert_allclose(ratios(one, other), (2.5, 2.0, 3.0))
