"""What people write first for the same job, and what bounds it: what `make bench` measures Tillstream against.

Each module is a program that takes the events topic's records from its beginning up to offsets given as JSON, and
prints a `Measured` as JSON. What they do is less than Tillstream does, in their favour: four sums a minute, no
contract, no duplicates looked for, nothing to make a crash harmless.
"""
