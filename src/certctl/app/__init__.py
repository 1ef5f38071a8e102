"""The composition root: one function for each verb, which wires the adapters to the engine."""
