"""Settings of what calls cost: `[billing]`, and `[[rates]]` for single destinations."""

from collections.abc import Iterable
from dataclasses import dataclass

from gateway.accounts.core.rating import Tariff, check_prefix, check_price

DEFAULT_PRICE = "0.002"


@dataclass(frozen=True, slots=True, kw_only=True)
class BillingSettings:
    """What a minute costs. Nobody is charged: the prices stand in detail records, and a profile's
    `max_destination_rate` is held against them."""

    default_rate: str = DEFAULT_PRICE
    """USD a minute, as a decimal in quotes, where no `[[rates]]` applies: of calls to clients, to destinations that
    are no number, and to numbers whose prefix is not in the table."""

    def __post_init__(self) -> None:
        try:
            check_price(self.default_rate)
        except ValueError as error:
            raise ValueError(f"default_rate: {error}") from error


@dataclass(frozen=True, slots=True, kw_only=True)
class RateSettings:
    """What a minute to numbers that begin in a certain way costs. Of several that fit, the longest prefix counts."""

    prefix: str
    """`+` and the first digits of the numbers, as `+44` or `+4477`."""

    rate: str
    """USD a minute, as a decimal in quotes: `"0.0125"`."""

    def __post_init__(self) -> None:
        for key, check, value in (("prefix", check_prefix, self.prefix), ("rate", check_price, self.rate)):
            try:
                check(value)
            except ValueError as error:
                raise ValueError(f"{key}: {error}") from error


def tariff(billing: BillingSettings, rates: Iterable[RateSettings]) -> Tariff:
    """The table that calls are priced by."""
    return Tariff(
        default=check_price(billing.default_rate),
        by_prefix={check_prefix(rate.prefix): check_price(rate.rate) for rate in rates},
    )
