"""Registration of a sequential NCCT/CECT pair: rigid, affine, B-spline, by elastix in a process of its own.

* :mod:`register` is the way in: two volumes to a :class:`Registration`.
* :mod:`maps` holds elastix' parameter maps as text, with the reason of every choice.
"""
