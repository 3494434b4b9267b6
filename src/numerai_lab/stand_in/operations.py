"""What the stand-in answers: one function for each root field of numerapi's queries.

Words of errors are invented, except "Current round not open for submissions" (a comment in
numerapi's check_round_open): the API documents none.

A model that a pickle was uploaded to takes no predictions: Numerai's documentation ("Model
Uploads", Interactions with submission upload and compute) says that they can no longer be uploaded
via the API. Which request is refused, and in which words, is not documented: here it is the one for
an upload address, and the submission itself.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from numerai_lab.stand_in.graphql import QueryError
from numerai_lab.stand_in.schedule import RoundTimes, iso
from numerai_lab.stand_in.world import Account, Entry, World

Operation = Callable[[World, dict[str, Any], Account | None, str], Any]
"""(world, arguments, account or None, the server's own address) -> value of the root field."""

NOT_SIGNED_IN = "Your session is invalid or has expired."
NOT_OPEN = "Current round not open for submissions"
TOURNAMENT = 8


def signed_in(account: Account | None) -> Account:
    """Return the account; QueryError when the keys were missing or wrong."""
    if account is None:
        raise QueryError(NOT_SIGNED_IN)
    return account


def own_model(world: World, arguments: dict[str, Any], account: Account | None) -> tuple[str, str]:
    """Return (name, id) of the account's model that `modelId` names."""
    model_id = arguments.get("modelId")
    name = world.model_name(signed_in(account), model_id)
    if name is None or model_id is None:
        raise QueryError("Model not found")
    return name, model_id


def _round(item: RoundTimes, resolved: bool) -> dict[str, Any]:
    return {
        "id": f"round-{item.number}",
        "tournament": TOURNAMENT,
        "number": item.number,
        "target": None,
        "openTime": iso(item.open_time),
        "closeTime": iso(item.close_time),
        "closeStakingTime": iso(item.close_staking_time),
        "scoreTime": iso(item.close_time),
        "resolveTime": iso(item.resolve_time),
        "resolvedGeneral": resolved,
        "resolvedStaking": resolved,
        "payoutFactor": "0.1",
        "stakeThreshold": None,
        "dataDatestamp": int(item.data_time.strftime("%Y%m%d")),
        "roundScoreConfigs": [],
    }


def _rounds(world: World, arguments: dict[str, Any], *_: Any) -> list[dict[str, Any]]:
    number = arguments.get("number")
    if number == 0:  # an alias of the current round (numerapi's get_current_round)
        current = world.rounds.current(world.now)
        if current is None:
            raise QueryError(NOT_OPEN)
        return [_round(current, resolved=False)]
    found = world.rounds.until(world.now, 10_000 if number else arguments.get("limit") or 1000)
    return [
        _round(item, item.resolve_time <= world.now)
        for item in found
        if number in (None, item.number)
    ]


def _account(_: World, __: dict[str, Any], account: Account | None, ___: str) -> dict[str, Any]:
    owner = signed_in(account)
    return {
        "username": owner.username,
        "id": f"account-{owner.username}",
        "models": [
            {"id": id_, "name": name, "tournament": TOURNAMENT}
            for name, id_ in owner.models.items()
        ],
    }


def _listed(entry: Entry) -> dict[str, Any]:
    return {
        "id": entry.id,
        "filename": entry.filename,
        "insertedAt": entry.inserted_at,
        "selected": entry.selected,
        "round": {"tournament": TOURNAMENT, "number": entry.round},
    }


def _submissions(
    world: World, arguments: dict[str, Any], account: Account | None, _: str
) -> list[dict[str, Any]]:
    _name, model_id = own_model(world, arguments, account)
    return [_listed(item) for item in world.submissions if item.model_id == model_id]


def _model(
    world: World, arguments: dict[str, Any], account: Account | None, server: str
) -> dict[str, Any]:
    name, model_id = own_model(world, arguments, account)
    listed = _submissions(world, arguments, account, server)
    return {"id": model_id, "name": name, "submissions": listed}


def upload_address(world: World, arguments: dict[str, Any], server: str) -> dict[str, Any]:
    """Open a signed upload address for the file named in the arguments."""
    name = world.new_address(str(arguments["filename"]))
    return {"filename": name, "url": f"{server}/upload/{name}?X-Signature={_signature(name)}"}


def _signature(name: str) -> str:
    return f"stand-in-signature-{name[-8:]}"


def _check_no_upload(world: World, model_id: str) -> None:
    if any(pickle["model_id"] == model_id for pickle in world.extra.get("pickles", [])):
        raise QueryError("This model has a model upload and takes no submissions via the API")


def _upload_auth(
    world: World, arguments: dict[str, Any], account: Account | None, server: str
) -> dict[str, Any]:
    _, model_id = own_model(world, arguments, account)
    _check_no_upload(world, model_id)
    return upload_address(world, arguments, server)


def _create_submission(
    world: World, arguments: dict[str, Any], account: Account | None, _: str
) -> dict[str, Any]:
    name, model_id = own_model(world, arguments, account)
    _check_no_upload(world, model_id)
    filename = str(arguments["filename"])
    if filename not in world.uploads:
        raise QueryError("The file to submit was not uploaded")
    current = world.rounds.current(world.now)
    if current is None:
        raise QueryError(NOT_OPEN)
    return {"id": world.submit(filename, name, model_id, current).id}


def _list_datasets(world: World, *_: Any) -> list[str]:
    return world.datasets.names()


def _dataset(world: World, arguments: dict[str, Any], _: Account | None, server: str) -> str:
    name = str(arguments["filename"])
    if name not in world.datasets.names():
        raise QueryError(f"Dataset {name} not found")
    return f"{server}/files/{name}?X-Signature={_signature(name)}"


def _submission_scores(world: World, arguments: dict[str, Any], *_: Any) -> list[dict[str, Any]]:
    """Scores given by the control; arguments filter them as their names say."""
    listed = world.scores.get(str(arguments.get("modelId")), [])
    for argument, field in (
        ("displayName", "displayName"),
        ("version", "version"),
        ("day", "day"),
        ("resolved", "resolved"),
    ):
        wanted = arguments.get(argument)
        if wanted is not None:
            listed = [item for item in listed if item[field] == wanted]
    last = arguments.get("lastNRounds")
    if last is not None:
        kept = sorted({item["roundNumber"] for item in listed})[-int(last) :]
        listed = [item for item in listed if item["roundNumber"] in kept]
    return listed


def full_score(score: dict[str, Any]) -> dict[str, Any]:
    """Fill a score given by the control (roundNumber, displayName, value) up to all its fields."""
    return {
        "roundId": f"round-{score['roundNumber']}",
        "submissionId": None,
        "roundResolveTime": None,
        "roundScoreTime": None,
        "roundCloseStakingTime": None,
        "percentile": None,
        "version": None,
        "date": None,
        "day": 20,
        "resolveDate": None,
        "resolved": True,
        **score,
    }


OPERATIONS: dict[str, Operation] = {
    "rounds": _rounds,
    "account": _account,
    "model": _model,
    "submissions": _submissions,
    "submission_upload_auth": _upload_auth,
    "create_submission": _create_submission,
    "listDatasets": _list_datasets,
    "dataset": _dataset,
    "submissionScores": _submission_scores,
}
