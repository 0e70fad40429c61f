"""What an event of each domain is: `<domain>.yaml`, read by `load`."""

from contracts.contract import Contract, ContractError, Expectation, Field, load

__all__ = ["Contract", "ContractError", "Expectation", "Field", "load"]
