"""The real nnU-Net, called as a program in an environment of its own: our data in, its checkpoints out as bundles."""
