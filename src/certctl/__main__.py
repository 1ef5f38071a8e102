"""``python -m certctl``."""

from certctl.start import run

if __name__ == "__main__":
    run()
