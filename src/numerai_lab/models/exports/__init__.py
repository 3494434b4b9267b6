"""Exported models put together, as they predict at Numerai: NumPy, without this package."""

from numerai_lab.models.exports.assembly import EXPORT_TOLERANCE, Assembled, assemble_exported
from numerai_lab.models.exports.kinds import KINDS
from numerai_lab.models.exports.runtimes import Runtimes

__all__ = ["EXPORT_TOLERANCE", "KINDS", "Assembled", "Runtimes", "assemble_exported"]
