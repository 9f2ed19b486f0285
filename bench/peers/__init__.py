"""What lamella is measured against. All are optional: an absent peer's columns are left out."""
