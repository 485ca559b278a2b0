"""One target, or `every`, under atheris: `python -m fuzz.one TARGET DIRECTORY [libFuzzer's options]`.

In a process of its own, because libFuzzer ends the process. It ends with 0 where nothing was found.
"""

import sys

import atheris

with atheris.instrument_imports(include=["gateway"]):
    from fuzz.targets import TARGETS, every

if __name__ == "__main__":
    name, *options = sys.argv[1:]
    atheris.Setup([sys.argv[0], *options], every if name == "every" else TARGETS[name][0])
    atheris.Fuzz()
