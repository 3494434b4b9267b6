"""What `status` looks at: the slots of submit.yaml, and the models that were uploaded."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from numerai_lab.tournament.records import Slot, State, read_uploads


@dataclass(frozen=True)
class Entry:
    """A slot to look at: of submit.yaml, or one that a model was uploaded to.

    Attributes
    ----------
    since : when a model was uploaded, ISO. served : submit.yaml has a slot for it all the same.
    """

    slot: str
    model: str
    account: str
    kind: str
    run: str | None
    since: str | None = None
    served: bool = False


def entries(slots: Sequence[Slot], state: State) -> list[Entry]:
    """Return the slots of submit.yaml, then those that models were uploaded to.

    Where a model was uploaded, Numerai runs it, whatever submit.yaml says.
    """
    uploads = {(one.account, one.model): one for one in read_uploads(state)}
    found = []
    for slot in slots:
        run = slot.run if isinstance(slot.run, str) else None
        name, model, account = slot.name, slot.model_name, slot.account
        one = uploads.pop((account, model), None)
        if one is None:
            found.append(Entry(name, model, account, "predictions", run))
        else:
            found.append(Entry(name, model, account, "model", one.run, one.uploaded_at, True))
    return found + [
        Entry(one.model, one.model, one.account, "model", one.run, one.uploaded_at)
        for one in uploads.values()
    ]
