"""Model bundles, runtimes, contrast synthesis, vessel segmentation."""
