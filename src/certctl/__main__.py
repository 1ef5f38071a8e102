"""python -m certctl"""

from certctl.cli.main import entry

entry()
