"""Everything that talks to Numerai: downloads, rounds, submissions, receipts, model upload."""
