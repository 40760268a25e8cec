"""What a registration that did not take place says."""

from __future__ import annotations


class RegistrationError(Exception):
    """Two volumes that could not be registered: one sentence with what happened and where, free of identifiers."""
