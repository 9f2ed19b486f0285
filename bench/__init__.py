"""Benchmarks: the share of the machine's limit that each kernel reaches, compared with peers. See bench/README.md."""
