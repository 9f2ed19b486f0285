"""The workers that prepare batches: threads, each with a process behind it if multiprocessing is used."""
