"""`/balance` (rest-v2 A.7): a lab has no account to run empty."""

from pydantic import BaseModel

from gateway.api.rest.operation import Call, Operation


class Balance(BaseModel):
    """What the account has; always the same."""

    record_type: str = "balance"
    balance: str = "1000.00"
    credit_limit: str = "0.00"
    available_credit: str = "1000.00"
    pending: str = "0.00"
    currency: str = "USD"


def balance_operations() -> list[Operation]:
    """The one operation."""

    async def retrieve(_call: Call[None]) -> Balance:
        return Balance()

    return [
        Operation(
            method="GET",
            path="/balance",
            name="retrieve_balance",
            summary="Show the balance, which is a constant here",
            tag="Account",
            handler=retrieve,
            answer=Balance,
        )
    ]
