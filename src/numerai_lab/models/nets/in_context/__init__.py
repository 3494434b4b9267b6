"""`icl`: a transformer pretrained on classes of functions, which it tells apart in context."""
