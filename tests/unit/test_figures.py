"""What is written on a page, and which figures it may stand for."""

from __future__ import annotations

import pytest

from tests.browser.figures import Figure, read


@pytest.mark.parametrize(
    ("text", "figure"),
    [
        ("1,411", Figure(1411, 0.5)),
        ("€ 1,234.50", Figure(1234.5, 0.005)),
        ("€1.41k", Figure(1410, 5)),
        ("12.3M", Figure(12_300_000, 50_000)),
        ("4.2%", Figure(0.042, 0.0005)),
        ("-3%", Figure(-0.03, 0.005)),
        ("12.3 min", Figure(12.3, 0.05)),
        ("7 kg", Figure(7, 0.5)),
        ("0", Figure(0, 0.5)),
    ],
)
def test_a_number_is_read_with_its_unit(text: str, figure: Figure) -> None:
    assert read(text) == pytest.approx(figure)


@pytest.mark.parametrize(
    ("text", "figure", "means"),
    [
        ("1,411", 1410.5, True),
        ("1,410", 1410.5, True),
        ("1,411", 1410.49, False),
        ("4.2%", 0.0425, True),
        ("€ 2.00", 2.006, False),
    ],
)
def test_half_a_unit_of_the_last_digit_is_allowed(text: str, figure: float, means: bool) -> None:
    assert read(text).means(figure) == means


@pytest.mark.parametrize("text", ["", "loading", "N/A"])
def test_what_is_no_number_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not a number"):
        read(text)
