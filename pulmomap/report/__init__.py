"""Figures, surfaces, the HTML report."""
