"""What an event of each domain is: `<domain>.yaml`, read by `load`; its earlier versions are kept in released/."""

from contracts.contract import BusinessKey, Contract, ContractError, Dimension, Expectation, Field, load

__all__ = ["BusinessKey", "Contract", "ContractError", "Dimension", "Expectation", "Field", "load"]
