"""The chaos run: thousands of copies through gateways that are killed all the time, and a check of what came of it.

    PYTHONPATH=tests python -m chaos --store sqlite --copies 10000 --seed 1

    wishes     what callers want and what goes wrong with it, chosen by a seed
    graph      a simulated Graph as a process; at its end it writes down the truth
    fleet      gateway processes that are killed, stopped and started again
    callers    clients that leave, come back and do not give up
    history    what was sent and answered, held against the truth afterwards
    run        all of it together

Rules: everything that was wanted is chosen beforehand by the seed; what happens when is the machines'. Nothing is
judged while it runs. A run that could not inject what it promised has failed.
"""
