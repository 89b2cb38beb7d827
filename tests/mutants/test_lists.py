"""The lists of mutations stay in step with the code and the tests that they name."""

import re

import pytest

from tests.mutants.run import ROOT, load_mutants

MUTANTS = load_mutants()


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_a_mutation_applies_and_names_tests_that_exist(mutant):
    mistaken = mutant.applied(ROOT)
    compile(mistaken, mutant.file, "exec")
    assert mistaken != (ROOT / mutant.file).read_text() and mutant.tests
    for test in mutant.tests:
        path, _, name = test.partition("::")
        text = (ROOT / path).read_text()
        assert not name or re.search(rf"^def {name.partition('[')[0]}\(", text, re.MULTILINE), test


def test_no_two_mutations_have_one_name():
    names = [mutant.name for mutant in MUTANTS]
    assert sorted(set(names)) == sorted(names)
