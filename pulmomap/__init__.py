"""PulmoMAP: pulmonary arteries and veins around a nodule, from a CT scan taken without contrast."""

__version__ = "0.1.0"
