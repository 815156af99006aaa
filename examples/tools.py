"""Tools that are safe to try: they reach no network, and evaluate nothing but arithmetic."""

import ast
import operator
from collections.abc import Callable
from datetime import UTC, datetime, tzinfo
from functools import cache
from zlib import crc32
from zoneinfo import ZoneInfo, available_timezones

from langchain_core.tools import tool

Number = int | float

SKIES = ["sunny", "cloudy", "rainy", "windy", "misty", "snowing"]
LONGEST_EXPRESSION = 100
LARGEST_BASE, LARGEST_EXPONENT = 1_000, 100


@tool
def get_weather(city: str) -> str:
    """Tell the weather in a city. It is made up, but always the same for a city."""
    fate = crc32(city.casefold().encode())
    return f"It is {SKIES[fate % len(SKIES)]} and {fate % 35 - 3} °C in {city}."


@tool
def calculator(expression: str) -> str:
    """Work out an arithmetic expression, such as 12 * (3 + 4)."""
    if len(expression) > LONGEST_EXPRESSION:
        raise ValueError(f"I only work out expressions of up to {LONGEST_EXPRESSION} characters.")
    formula = expression.replace("×", "*").replace("÷", "/").replace("^", "**")
    try:
        result = _evaluate(ast.parse(formula.strip(), mode="eval").body)
    except SyntaxError as exc:
        raise ValueError(f"I cannot read {expression!r} as arithmetic.") from exc
    except ArithmeticError as exc:
        raise ValueError(f"I cannot work out {expression}: {exc}.") from exc
    return f"{expression} = {result if isinstance(result, int) else format(result, '.10g')}"


@tool
def clock(place: str = "UTC") -> str:
    """Tell the time in a city, or in UTC."""
    now = datetime.now(_zone(place))
    return f"It is {now:%H:%M} on {now:%A}, {now.day} {now:%B %Y}, in {place}."


def explain(error: ValueError) -> str:
    """Put a tool's refusal into words for the model; other exceptions are bugs and fail the run."""
    return str(error)


def _power(base: Number, exponent: Number) -> Number:
    # Python would spend minutes on 9**9**9.
    if abs(base) > LARGEST_BASE or abs(exponent) > LARGEST_EXPONENT:
        raise ValueError(f"I only raise numbers up to {LARGEST_BASE} to powers up to {LARGEST_EXPONENT}.")
    if base < 0 and exponent % 1:
        raise ValueError("I only know real numbers.")
    return base**exponent


OPERATORS: dict[type[ast.operator | ast.unaryop], Callable[..., Number]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
    ast.Pow: _power,
    ast.USub: operator.neg,
    ast.UAdd: operator.pos,
}


def _evaluate(node: ast.expr) -> Number:
    match node:
        case ast.Constant(value=int() | float() as number):
            return number
        case ast.BinOp(left=left, op=op, right=right) if type(op) in OPERATORS:
            return OPERATORS[type(op)](_evaluate(left), _evaluate(right))
        case ast.UnaryOp(op=op, operand=operand) if type(op) in OPERATORS:
            return OPERATORS[type(op)](_evaluate(operand))
    raise ValueError("I only know numbers, brackets and + - * / // % **.")


def _zone(place: str) -> tzinfo:
    if place.upper() in {"UTC", "GMT"}:
        return UTC
    name = _zone_names().get(place.casefold().replace(" ", "_"))
    if name is None:
        raise ValueError(f"I do not know which time it is in {place}.")
    return ZoneInfo(name)


@cache
def _zone_names() -> dict[str, str]:
    names = sorted(available_timezones())
    return {name.casefold(): name for name in names} | {
        name.casefold().rpartition("/")[2]: name for name in names
    }


TOOLS = [get_weather, calculator, clock]
