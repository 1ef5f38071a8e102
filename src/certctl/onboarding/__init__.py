"""init and import: find what is there, fit a configuration to it, take keys over, write TOML."""
