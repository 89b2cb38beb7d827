"""Search health: collapse, undecided alphas, rising curvature, ranks of inherited scores."""

import math

import pytest

from fernas.scoring.health import mean_health, search_health


def cells(*names):
    pairs = [[name, 0] for name in names]
    return {"kind": "cells", "normal": pairs, "reduce": [["sep_conv_3x3", 0]] * 8}


def rows(start=1.9, end=0.9, operations=7, **more):
    alphas = {"alpha_normal": [[0.0] * operations], "alpha_reduce": [[0.0] * operations]}
    return [
        {"entropy_normal": start, "entropy_reduce": start} | alphas,
        {"entropy_normal": end, "entropy_reduce": end} | alphas | more,
    ]


def test_a_normal_cell_of_skips_is_a_collapse():
    result = search_health(rows(), cells(*["skip_connect"] * 5, *["sep_conv_3x3"] * 3))
    assert result.warnings == ("collapse: 5 of 8 operations of the normal cell are skip connections",)
    assert (result.skips_normal, result.skips_reduce, result.operations) == (5, 0, 8)
    assert search_health(rows(), cells(*["skip_connect"] * 4, *["sep_conv_3x3"] * 4)).warnings == ()
    pools = search_health(rows(), cells(*["skip_connect"] * 4, *["max_pool_3x3"] * 4))
    assert pools.warnings == ("collapse: no operation of the normal cell has weights",)


def test_alphas_that_hardly_moved_are_said_and_greedy_searches_are_judged_otherwise():
    result = search_health(rows(math.log(7), 0.995 * math.log(7)), cells(*["sep_conv_3x3"] * 8))
    assert result.warnings == ("alphas hardly decided: entropy 99.5 % of uniform",)
    assert (result.entropy_start, result.entropy_end) == (pytest.approx(1), pytest.approx(0.995))
    greedy = rows(math.log(11), math.log(11), 11, undecided_normal=0)
    assert search_health(greedy, cells(*["sep_conv_3x3"] * 8)).warnings == ()


def test_the_entropy_is_a_share_of_the_operations_that_are_left():
    later = {"entropy_normal": math.log(3), "alpha_normal": [[0.0] * 3]}  # P-DARTS drops operations between stages
    assert search_health([*rows(math.log(8), math.log(8), 8), later], {}).entropy_end == pytest.approx(1)


def test_candidates_that_scored_at_chance_are_a_choice_on_noise():
    at_chance, above = {"selection_kappa": 0.0}, {"selection_kappa": 0.2}
    noise = search_health([at_chance] * 3 + [above], cells(*["sep_conv_3x3"] * 8)).warnings
    assert noise == ("selected on noise: 3 of 4 candidates at or below chance on the selection part",)
    assert search_health([at_chance] * 2 + [above] * 2, cells(*["sep_conv_3x3"] * 8)).warnings == ()


def test_curvature_warns_when_it_grows_by_a_third_over_five_epochs():
    good = cells(*["sep_conv_3x3"] * 8)
    flat = [{"eig_max": 0.3} for _ in range(12)]
    assert search_health(flat, good).warnings == () and search_health(flat, good).curvature == 0.3
    steep = [{"eig_max": 0.3} for _ in range(6)] + [{"eig_max": 0.9} for _ in range(6)]
    assert search_health(steep, good).warnings[0].startswith("curvature rises")
    assert search_health(steep[:5], good).warnings == ()


def test_other_architectures_and_histories_have_no_health():
    result = search_health([{"fitness": 1.0}], {"kind": "patches", "patches": []})
    assert result.entropy_end is None and result.skips_normal is None and result.warnings == ()


def test_the_mean_counts_the_searches_that_warn():
    bad, good = (search_health(rows(), cells(*["skip_connect"] * n, *["sep_conv_3x3"] * (8 - n))) for n in (6, 1))
    result = mean_health([bad, good])
    assert result.skips_normal == 3.5 and result.warnings == ("collapse in 1 of 2 searches",)


def ranked(*scores):
    return [
        {
            "agreement": i,
            "normal": [["skip_connect", i]],
            "reduce": [],
            "inherited_uar": one,
            "trained_uar": other,
            "inherited_loss": 1.0,
            "trained_loss": 1.0,
        }
        for i, (one, other) in enumerate(scores)
    ]


def test_ranks_of_cells_scored_both_ways():
    good = cells(*["sep_conv_3x3"] * 8)
    assert search_health(rows(), good).kendall is None
    assert search_health([*rows(), *ranked((1, 1), (2, 2))], good).agreement_cells is None  # two: not finished
    up = search_health([*rows(), *ranked((1, 1), (2, 2), (3, 3))], good)
    down = search_health([*rows(), *ranked((1, 3), (2, 2), (3, 1))], good)
    assert (up.kendall, up.spearman, up.agreement_cells) == (1, 1, 3)
    assert up.entropy_end == pytest.approx(0.9 / math.log(7))
    assert up.kendall_low <= up.kendall <= up.kendall_high
    both = mean_health([up, down, search_health(rows(), good)])
    assert both.kendall == both.spearman == 0 and both.agreement_cells == 3
    assert both.kendall_low == both.kendall_high == 0  # over the same cells the two searches always contradict
