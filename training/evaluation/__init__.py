"""The evaluation of both networks on cases with a contrast scan: cases, one case, tables, plots, page."""
