"""The MAP container image: what goes into it, how it is built and how it is proved."""
