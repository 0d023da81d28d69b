"""Learning rates have the counts and values of the released code."""

import pytest

from lookalike.optim.schedules import scaled_lr, warmup_cosine, warmup_steps


@pytest.mark.parametrize(
    ("base", "batch_size", "scaling", "rate"),
    [
        (0.3, 128, "linear", 0.15),
        (0.3, 4096, "linear", 4.8),
        (0.075, 128, "sqrt", 0.8485),
        (0.075, 4096, "sqrt", 4.8),
        (0.2, 128, "sqrt", 2.263),
        (0.3, 128, "none", 0.3),
    ],
)
def test_scaling_with_the_batch(base, batch_size, scaling, rate):
    assert scaled_lr(base, batch_size, scaling) == pytest.approx(rate, abs=5e-4)


def test_unknown_scaling_is_refused():
    with pytest.raises(ValueError, match="linear, sqrt or none, got 'cubic'"):
        scaled_lr(0.3, 128, "cubic")


@pytest.mark.parametrize(("batch_size", "warmup"), [(512, 976), (128, 3906)])
def test_the_steps_of_ten_epochs_on_cifar10(batch_size, warmup):
    assert warmup_steps(50_000, batch_size, 10) == warmup


def test_warm_up_may_last_part_of_an_epoch():
    assert warmup_steps(1000, 100, 2.55) == 25
    assert warmup_steps(1000, 100, 0.0) == 0


def test_rates_of_the_cifar10_schedule():
    peak = scaled_lr(1.0, 512, "linear")
    rates = [warmup_cosine(step, peak, 976, 97_657) for step in (0, 488, 976, 97_656)]
    assert rates[0] == 0.0
    assert rates[1:3] == pytest.approx([1.0, 2.0], rel=1e-12)
    assert rates[3] == pytest.approx(5e-10, rel=0.1)


def test_peak_of_the_smaller_batch():
    assert warmup_cosine(3906, scaled_lr(1.0, 128, "linear"), 3906, 39_063) == pytest.approx(0.5, rel=1e-12)


def test_the_rate_rises_then_falls_and_is_half_way_half_way():
    rates = [warmup_cosine(step, 1.0, 10, 110) for step in range(111)]
    assert rates[:11] == sorted(rates[:11])
    assert rates[10:] == sorted(rates[10:], reverse=True)
    assert rates[60] == pytest.approx(0.5, abs=1e-12)
    assert rates[35] == pytest.approx(0.5 + 0.5**1.5, abs=1e-12)  # a quarter of the way: cos(45 degrees)


def test_without_warm_up_the_first_step_has_the_peak():
    assert warmup_cosine(0, 0.7, 0, 100) == pytest.approx(0.7)


@pytest.mark.parametrize("step", [100, 101, 250])
def test_the_end_and_beyond_have_no_rate(step):
    assert warmup_cosine(step, 0.7, 10, 100) == pytest.approx(0.0, abs=1e-15)


def test_a_run_of_nothing_but_warm_up_does_not_divide_by_zero():
    assert warmup_cosine(10, 0.7, 10, 10) == pytest.approx(0.7)
