"""What an event of each domain is: `<domain>.yaml`, read by `load`; its earlier versions are kept in released/."""

from contracts.contract import Amount, BusinessKey, Contract, ContractError, Dimension, Expectation, Field, Lookup, load

__all__ = ["Amount", "BusinessKey", "Contract", "ContractError", "Dimension", "Expectation", "Field", "Lookup", "load"]
