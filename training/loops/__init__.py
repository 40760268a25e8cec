"""What one training step is: supervised (segmentation) and adversarial (synthesis)."""
