"""Training: one compiled objective, one step, one epoch loop. This room knows no concrete layer, model or optimizer."""
