"""`python -m l2l_lite` is `l2l`."""

from l2l_lite.cli import main

main()
