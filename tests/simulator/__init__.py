"""Tests of the simulator. A package, so that they can share `loopback`."""
