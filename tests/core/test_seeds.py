from fernas.core import seeds


def test_seeds_derive_from_names():
    assert seeds.derive_seed(1, "a", 2) == seeds.derive_seed(1, "a", "2") != seeds.derive_seed(1, "a", 3)
    assert seeds.rng(1, "x").integers(1 << 30) == seeds.rng(1, "x").integers(1 << 30)
