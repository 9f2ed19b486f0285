"""The workers that prepare batches: threads, and processes behind them."""
