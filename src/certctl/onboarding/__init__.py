"""init and import: what is here already becomes a certctl.toml, with the keys that are served.

tools/ reads what others left on disk, setups/ how servers use certificates; fitting and matching
decide what that makes; adopting fills the state; fragment, starter and fit_text write it down.
"""
