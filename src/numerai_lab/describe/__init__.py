"""`data describe`: what features and targets are like, before anything is trained on them."""

from numerai_lab.describe.described import describe_data, describe_metadata

__all__ = ["describe_data", "describe_metadata"]
