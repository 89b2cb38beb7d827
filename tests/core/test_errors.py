from fernas.core.errors import did_you_mean


def test_did_you_mean():
    assert did_you_mean("emonass", ["emonas", "darts"]) == " (did you mean 'emonas'?)"
    assert did_you_mean("zzz", ["emonas"]) == ""
