"""Perinodular and vessel metrics."""
