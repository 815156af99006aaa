from __future__ import annotations

from datetime import UTC, datetime

import pytest

from examples.tools import calculator, clock, get_weather


@pytest.mark.parametrize(
    ("expression", "result"),
    [
        ("12 * (3 + 4)", "84"),
        ("-2^2", "-4"),
        ("7 // 2 + 7 % 4", "6"),
        ("10 ÷ 4", "2.5"),
        ("6 / 3", "2"),
        ("0.1 + 0.2", "0.3"),
    ],
)
def test_the_calculator_does_arithmetic(expression: str, result: str) -> None:
    assert calculator.invoke({"expression": expression}) == f"{expression} = {result}"


@pytest.mark.parametrize(
    "expression",
    [
        "__import__('os').getcwd()",
        "(1).real",
        "[1] * 2",
        "'a' * 9",
        "1 if 1 else 2",
        "~1",
        "1 +",
        "",
        "1 / 0",
        "9^9^9",
        "(-8)^0.5",
        "2.5^1e400",
        "1" * 101,
        "(" * 100,
    ],
)
def test_the_calculator_refuses_everything_else_in_words(expression: str) -> None:
    with pytest.raises(ValueError, match=r"^I (only|cannot) "):
        calculator.invoke({"expression": expression})


def test_the_weather_in_a_city_stays_the_same() -> None:
    assert get_weather.invoke({"city": "Rome"}) == get_weather.invoke({"city": "Rome"})
    assert get_weather.invoke({"city": "Rome"}) != get_weather.invoke({"city": "Oslo"})


def test_the_clock_knows_utc_and_cities() -> None:
    assert f"{datetime.now(UTC).year}, in UTC." in clock.invoke({})
    assert clock.invoke({"place": "New York"}).endswith(", in New York.")


def test_the_clock_says_when_it_does_not_know_a_place() -> None:
    with pytest.raises(ValueError, match="in Nowhere"):
        clock.invoke({"place": "Nowhere"})
