"""Makes batches of users' data: arrays are checked (with Keras's messages) and standardized, then shuffled and cut."""
