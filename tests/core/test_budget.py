from fernas.core.budget import BudgetMeter


def test_budget_counts_a_backward_pass_twice():
    meter = BudgetMeter(100.0)
    meter.spend(10.0, 2)
    assert meter.spent == 60.0 and not meter.exhausted
    meter.spend(10.0, 4, backward=False)
    assert meter.exhausted and meter.remaining == 0
    other = BudgetMeter(200.0)
    other.load(meter.state())
    assert other.remaining == 100.0
