"""How each server of a host is set up to use certificates, as far as a certctl.toml has to fit it."""
