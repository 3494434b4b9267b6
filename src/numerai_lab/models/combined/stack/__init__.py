"""`stack`: members of any kind under weights found on what they predicted out of fold."""

from numerai_lab.models.combined.stack.model import Stack
from numerai_lab.models.combined.stack.params import StackParams

__all__ = ["Stack", "StackParams"]
