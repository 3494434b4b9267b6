"""`upload`: hand a bundle to Numerai, which then runs it every day.

numerapi's `model_upload` never checks the status of its PUT; these are its queries over our
transport.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from numerai_lab.errors import UserError, did_you_mean
from numerai_lab.experiment import FinalModel, version_of_run
from numerai_lab.tournament.bundles.export import Bundle, export
from numerai_lab.tournament.records import (
    SUBMIT_CONFIG,
    State,
    SubmitConfig,
    UploadRecord,
    last_upload,
    load_slots,
    utc_text,
    write_upload,
)
from numerai_lab.tournament.server import (
    Rejected,
    Tournament,
    TournamentError,
    Unavailable,
    UploadAuth,
    api_url,
    is_stand_in,
    keys_of,
    read_auth,
    read_id,
    read_list,
    read_text,
)

UPLOAD_SECONDS = 600.0
"""As numerapi allows; a bundle of a large ensemble has hundreds of megabytes."""


@dataclass(frozen=True)
class ModelUpload:
    """What Numerai has taken: its id, and what it will run it with.

    Attributes
    ----------
    data_version : None where no version was named and Numerai chooses one.
    replaces : the upload from here whose place it takes, or None.
    """

    id: str
    model: str
    filename: str
    docker_image: str
    data_version: str | None
    replaces: UploadRecord | None = None


def check_not_cron(slot: str, account: str, config: Path, say: Callable[[str], None]) -> None:
    """Refuse a slot that `submit` serves: Numerai takes predictions or a model, never both.

    Source: numerai.md ("After a model upload to a slot, the API refuses prediction submissions").

    Raises
    ------
    UserError : the slot, or its Numerai model, is in submit.yaml; a file that was named is not
        there, while the usual one may be absent.
    """
    if config == SUBMIT_CONFIG and not config.is_file():
        say(f"there is no {config}: whether '{slot}' submits by cron elsewhere is not known")
        return
    found = _served(load_slots(config), slot, account)
    if found is not None:
        raise UserError(
            f"slot '{slot}' submits predictions every round, and Numerai refuses these once a "
            "model was uploaded to it",
            where=str(config),
            fix=f"take slot '{found}' out of the file first, or upload to another model",
        )


def _served(slots: SubmitConfig, name: str, account: str) -> str | None:
    for slot in slots.slots:
        model = (slot.account, slot.model_name.lower())
        if slot.name.lower() == name.lower() or model == (account, name.lower()):
            return slot.name
    return None


def check_not_synthetic(final: FinalModel, tournament: Tournament) -> None:
    """Refuse a run on made-up data, except for a stand-in on this machine."""
    if final.synthetic and not is_stand_in(tournament.url):
        raise UserError(
            "the run was trained on synthetic data: it knows nothing about Numerai",
            where=str(final.run.path),
            fix="train it on Numerai's data",
        )


def upload_model(
    tournament: Tournament,
    final: FinalModel,
    model: str,
    bundle: Bundle,
    data_version: str | None = None,
) -> ModelUpload:
    """Upload a bundle to a model of the account.

    Parameters
    ----------
    model : Numerai's name of the model. data_version : of the rows it will be run on, where the
        run does not tell its own.

    Raises
    ------
    UserError : the run tells its data version, and it is another one.
    Rejected : no such model, no container for this Python, or a data version that is not run.
    TournamentError : no answer, or none that says whether the bundle was taken.
    """
    check_not_synthetic(final, tournament)
    model_id = tournament.model_id(model)
    image = _container(tournament, bundle.python)
    version = _data_version(tournament, _chosen_version(final, data_version))
    auth = _upload_auth(tournament, bundle.path.name, model_id)
    tournament.put(auth.url, bundle.path.read_bytes())
    query = """
        mutation($filename: String!
                 $tournament: Int!
                 $modelId: String
                 $dataVersionId: String
                 $dockerImageId: String) {
            createComputePickleUpload(filename: $filename
                                      tournament: $tournament
                                      modelId: $modelId
                                      dataVersionId: $dataVersionId
                                      dockerImageId: $dockerImageId) {
                id
            }
        }"""
    arguments = {
        "filename": auth.filename,
        "tournament": tournament.client.tournament_id,
        "modelId": model_id,
        "dataVersionId": version[1] if version else None,
        "dockerImageId": image[1],
    }
    try:
        answer = tournament.query(query, arguments)
    except Unavailable as error:
        if not error.outcome_unknown:
            raise
        raise TournamentError(
            f"{error.what}; whether the model was taken is not known",
            where=error.where,
            fix=f"look at the uploads of '{model}' at numer.ai before you upload it again",
        ) from None
    return ModelUpload(
        id=tournament.read(lambda: read_id(answer["createComputePickleUpload"]["id"])),
        model=model,
        filename=auth.filename,
        docker_image=image[0],
        data_version=version[0] if version else None,
    )


def _upload_auth(tournament: Tournament, filename: str, model_id: str) -> UploadAuth:
    query = """
        query($filename: String! $modelId: String) {
            computePickleUploadAuth(filename: $filename
                                    modelId: $modelId) {
                filename
                url
            }
        }
    """
    answer = tournament.query(query, {"filename": filename, "modelId": model_id})
    return tournament.read(lambda: read_auth(answer["computePickleUploadAuth"]))


def _container(tournament: Tournament, python: str) -> tuple[str, str]:
    """Return (name, id) of the container with a Python: byte code runs in its own version only."""
    images = _names(tournament, "computePickleDockerImages")
    for name, id_ in images.items():
        if python in name.split():
            return name, id_
    raise Rejected(
        f"Numerai runs no container with Python {python} (it has: {', '.join(images) or 'none'})",
        fix="install numerai_lab with one of these and export again",
    )


def _chosen_version(final: FinalModel, named: str | None) -> str | None:
    own = version_of_run(final)
    if own is not None and named is not None and named != own:
        raise UserError(
            f"{named} is not the data version that the run was trained on, {own}",
            where="--data-version",
            fix="leave it out",
        )
    return own or named


def _data_version(tournament: Tournament, version: str | None) -> tuple[str, str] | None:
    """Return (name, id) of the run's data version; None, Numerai's choice, if it is not known."""
    if version is None:
        return None
    versions = _names(tournament, "computePickleDataVersions")
    if version in versions:
        return version, versions[version]
    raise Rejected(
        f"Numerai runs no model on data {version}{did_you_mean(version, versions)} "
        f"(it has: {', '.join(versions) or 'none'})",
        fix="train on one of these",
    )


def _names(tournament: Tournament, field: str) -> dict[str, str]:
    answer = tournament.query(f"query {{ {field} {{ name id }} }}")
    return tournament.read(
        lambda: {read_text(one["name"]): read_id(one["id"]) for one in read_list(answer[field])}
    )


def uploading(
    final: FinalModel,
    model: str,
    account: str,
    state: State,
    environ: Mapping[str, str],
    *,
    data_version: str | None = None,
    check: bool,
    say: Callable[[str], None],
    warn: Callable[[str], None],
) -> tuple[ModelUpload, Bundle]:
    """Export a run, check the bundle if asked to, upload it, and remember that.

    Parameters
    ----------
    model : Numerai's name of the model. environ : has the account's keys.
    data_version : as in `upload_model`. warn : told before anything is uploaded.

    Raises
    ------
    As `export` and `upload_model`; UserError for a run on synthetic data.
    """
    keys, url = keys_of(account, environ), api_url(environ)
    with Tournament(keys, url=url, timeout_seconds=UPLOAD_SECONDS) as tournament:
        # what is wrong with run, name, keys or version is told before minutes of checking
        check_not_synthetic(final, tournament)
        tournament.model_id(model)
        if _data_version(tournament, _chosen_version(final, data_version)) is None:
            warn(
                "the run's data were in no folder like v5.3, so no data version is named and "
                "Numerai will run the model on one of its own choice; Ctrl-C and name the one it "
                "was trained on, as in --data-version v5.3"
            )
        before = last_upload(state, model, account)
        bundle = export(final, check=check, say=say)
        done = upload_model(tournament, final, model, bundle, data_version)
        done = replace(done, replaces=before)
        write_upload(
            state,
            UploadRecord(
                model=model,
                account=account,
                run=str(final.run.path.resolve()),
                id=done.id,
                python=bundle.python,
                uploaded_at=utc_text(tournament.server_now()),
            ),
        )
    return done, bundle
