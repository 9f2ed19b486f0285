"""The libraries with which lamella is compared. All are optional: the columns of a missing peer are left out."""
