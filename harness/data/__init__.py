"""MNIST: found or fetched, verified, held as tensors."""

from harness.data.download import digest, folder
from harness.data.mnist import MNIST, hold_out, load, load_test_images

__all__ = ["MNIST", "digest", "folder", "hold_out", "load", "load_test_images"]
