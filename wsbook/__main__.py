"""python -m wsbook is the wsbook command."""

from wsbook.cli import main

main()
