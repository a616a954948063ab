"""From uint8 images to augmented, normalized batches, on any device.

Each image of a batch has its own angle, shift and scale, and its own distortions; torchvision's transforms draw one set
per batch. With the same parameters the images are those of torchvision: bit for bit those of its transforms of PIL
images (`on="image"`), and up to rounding those of its transforms of tensors (`on="tensor"`), but for the edges of
bilinear warps; see `warp.warp_tensor`.
"""

from harness.training.augmentation.batches import in_order, normalized, prepare

__all__ = ["in_order", "normalized", "prepare"]
