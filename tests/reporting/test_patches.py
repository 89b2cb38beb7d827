"""What the report says of face patches, from a results tree made by hand."""

import numpy as np

from fernas.core.io import append_jsonl, write_json
from fernas.reporting.patches import cost_frame, patch_findings
from fernas.reporting.stored import RunFiles

NETWORK = {"classes": 7, "input": [1, 48, 48]}


def made_up(root, method, document, epochs):
    run = RunFiles("t-rendered", "p", method, "per_group", root / method)
    search, shard = root / method / "s0" / "g0", root / method / "s0" / "t0" / "shard0"
    write_json(search / "architecture.json", {**document, "network": NETWORK})
    write_json(shard.parent / "scores.json", {"accuracy": 0.6, "uar": 0.5})
    write_json(shard / "cost.json", {"core_s": 12.0})
    for epoch in range(4):
        uar = 0.9 if epoch == epochs - 1 else 0.1
        append_jsonl(
            shard / "training.jsonl", {"fold": 0, "epoch": epoch, "inner_uar": uar, "inner_loss": 1.0, "seconds": 0.5}
        )
    return run, search


def test_findings_and_costs(tmp_path):
    patches = {"kind": "patches", "face_px": 48, "patches": [{"dx": 0, "dy": 10, "w": 8, "h": 8}]}
    run, search = made_up(tmp_path, "deep_evolution", patches, epochs=2)
    born = [{"patches": [[0, 10, 8, 8]], "fitness": 0.5, "params": 35_000, "uar": 0.5}]
    append_jsonl(search / "search.jsonl", {"generation": 0, "born": born})
    occlusion = {"patches": [0.2], "whole_face": {"lost": 0.3, "lost_elsewhere": 0.1, "as_much_elsewhere": 0.05}}
    final = {"final": True, "fitness": 0.5, "uar": 0.5, "params": 35_000, "reduction": 0.94, "asked": 9, "trained": 7}
    append_jsonl(search / "search.jsonl", {**final, "cache_hits": 2, "front": born, "occlusion": occlusion})
    found = patch_findings("deep_evolution", run)
    assert found is not None and [d.name for d in found.drawings] == ["coverage", "front"]
    assert all(drawing.svg.startswith("<svg") and drawing.alt for drawing in found.drawings)
    assert "9 genomes were asked for in 1 search, 2 of them known already; 94.0 %" in found.sentences[1]
    assert "costs the patch network 20.0 percentage points" in found.sentences[2]
    whole, _ = made_up(tmp_path, "whole_face", {"kind": "named", "name": "whole_face"}, epochs=3)
    other, _ = made_up(tmp_path, "small_cnn", {"kind": "named", "name": "small_cnn"}, epochs=1)
    assert patch_findings("whole_face", whole) is None
    table = cost_frame({"deep_evolution": run, "whole_face": whole, "small_cnn": other}).set_index("method")
    assert list(table.index) == ["deep_evolution", "whole_face"]
    assert table["epochs"].tolist() == [2.0, 3.0] and table["train_core_s"].tolist() == [12.0, 12.0]
    shared = (9 + 1) * 32 + (9 * 32 + 1) * 64 + 64 + 65 * 7
    full = shared + 256 * 48 * 48
    assert np.isclose(table.loc["deep_evolution", "reduction"], 1 - (shared + 256 * 64) / full)
    assert table.loc["whole_face", "params"] == full and table.loc["whole_face", "reduction"] == 0
    assert np.isnan(table.loc["whole_face", "uar_sd"])


def test_the_costs_of_several_searches_have_their_spread(tmp_path):
    patches = {"kind": "patches", "face_px": 48, "patches": [{"dx": 0, "dy": 10, "w": 8, "h": 8}]}
    run, search = made_up(tmp_path, "deep_evolution", patches, epochs=2)
    wider = {**patches, "patches": [{"dx": 0, "dy": 10, "w": 12, "h": 8}], "network": NETWORK}
    write_json(search.parents[1] / "s1" / "g0" / "architecture.json", wider)
    write_json(search.parents[1] / "s1" / "t0" / "scores.json", {"accuracy": 0.8, "uar": 0.7})
    row = cost_frame({"deep_evolution": run}).iloc[0]
    assert np.isclose(row["uar"], 0.6) and np.isclose(row["uar_sd"], 0.2 / np.sqrt(2))
    assert np.isclose(row["params_sd"], 256 * 32 / np.sqrt(2)) and row["reduction_sd"] > 0
