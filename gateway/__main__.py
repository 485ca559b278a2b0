"""`python -m gateway` is `lro-gateway`."""

from gateway.cli import main

main()
