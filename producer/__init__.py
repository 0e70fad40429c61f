"""What happens, simulated, the faults that real traffic has, and a ledger of what Kafka acknowledged of them."""
