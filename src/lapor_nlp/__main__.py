"""`python -m lapor_nlp` is the command line."""

from lapor_nlp.cli import main

main()
