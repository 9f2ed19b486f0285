"""From what users hand in to batches: standardized arrays, checked in Keras's words, then cut and shuffled."""
