"""One module for each thing that is shown on a terminal."""
