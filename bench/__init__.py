"""Benchmarks: what share of the machine's limit each kernel reaches, beside the peers. See README.md."""
