"""Architectures only: torch.nn.Module and nothing else."""
