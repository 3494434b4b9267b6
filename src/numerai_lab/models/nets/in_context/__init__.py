"""`icl`: a transformer pretrained on classes of functions, which it tells apart in context."""

from numerai_lab.models.nets.in_context.model import ICL
from numerai_lab.models.nets.in_context.params import ICLParams

__all__ = ["ICL", "ICLParams"]
