"""Fuzzing: what reads foreign bytes is fed bytes that nobody thought of.

`targets` says what has to hold whatever comes; `python -m fuzz` lets atheris (libFuzzer) look for what breaks it, guided
by which lines of the gateway each input reaches. `tests/unit/test_fuzz.py` does both for a few seconds.
"""
