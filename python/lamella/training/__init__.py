"""Training: one compiled objective, one step, one epoch loop. No concrete layer, model or optimizer is known here."""
