"""The procedural thorax: paired CT with exact truth."""
