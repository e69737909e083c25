"""Starts the runtime of Python functions, which is a module so that it is compiled once and not at each start."""

from glassine_runtime import main

main()
