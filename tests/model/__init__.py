"""A model of the protocol that makes one copy of what was asked for once, searched through to the last interleaving.

`test_protocol` says what holds, `test_mutants` that the search would notice, `test_gaps` what does not hold without a
rule that is written down there, and README.md what all this shows and what it does not.
"""
