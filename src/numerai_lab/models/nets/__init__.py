"""Networks by torch, and the core they share; nothing but these modules imports torch.

`net.NetModel` is what every net derives from: docs/nets.md says which there are, and
`mlp` is the smallest.
"""
