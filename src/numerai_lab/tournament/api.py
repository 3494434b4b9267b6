"""The tournament's API: what the lab asks Numerai, with every answer checked."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, TypeVar

from numerai_lab.errors import did_you_mean
from numerai_lab.tournament.access import (
    Keys,
    address_of,
    api_url,
    is_stand_in,
    key_variables,
    keys_of,
)
from numerai_lab.tournament.answers import (
    Round,
    Score,
    Submission,
    UploadAuth,
    read_round,
    read_score,
    read_submission,
)
from numerai_lab.tournament.client import Client
from numerai_lab.tournament.problems import (
    Rejected,
    RoundNotOpen,
    TournamentError,
    Unavailable,
    WrongKeys,
    host_of,
)
from numerai_lab.tournament.transport import Backoff, Transport

__all__ = [
    "Backoff",
    "Keys",
    "Rejected",
    "Round",
    "RoundNotOpen",
    "Score",
    "Submission",
    "Tournament",
    "TournamentError",
    "Unavailable",
    "UploadAuth",
    "WrongKeys",
    "api_url",
    "is_stand_in",
    "key_variables",
    "keys_of",
]

T = TypeVar("T")


class Tournament:
    """Numerai's tournament as this lab uses it: rounds, models, submissions, datasets.

    Every method raises Unavailable when no answer came after all attempts, Rejected (WrongKeys,
    RoundNotOpen) when the server said no, TournamentError when its answer makes no sense. No error
    and no repr shows a key.

    Parameters
    ----------
    keys : needed for models, submissions and uploads; rounds and datasets do without.
    url : the API's address, by default NUMERAI_API_URL or Numerai's own.
    timeout_seconds, attempts, wait : see `Transport`; `wait` is its backoff.
    clock, sleep : monotonic seconds and waiting; tests pass their own.
    """

    def __init__(
        self,
        keys: Keys | None = None,
        *,
        url: str | None = None,
        timeout_seconds: float = 30.0,
        attempts: int = 5,
        wait: Backoff | None = None,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.url = url or api_url()
        self.transport = Transport(
            (keys.secret_key, keys.public_id) if keys else (),
            timeout_seconds=timeout_seconds,
            attempts=attempts,
            backoff=wait,
            clock=clock,
            sleep=sleep,
        )
        self.client = Client(keys, self.url, self.transport)

    def __repr__(self) -> str:
        return f"Tournament({address_of(self.url)!r})"

    def __enter__(self) -> Tournament:
        return self

    def __exit__(self, *_: object) -> None:
        self.transport.close()

    def query(
        self, query: str, variables: dict[str, Any] | None = None, *, authorization: bool = True
    ) -> dict[str, Any]:
        """Send any GraphQL query or mutation and return its `data`."""
        answer: dict[str, Any] = self.client.raw_query(query, variables, authorization)["data"]
        return answer

    def server_now(self) -> datetime:
        """Return the server's time (UTC), from the Date of its last answer.

        A deadline is the server's, so this machine's clock may be wrong without harm; it is used
        only before the first answer.
        """
        return self.transport.server_now() or datetime.now(UTC)

    def current_round(self) -> Round:
        """Return the round that the server calls current, open or not.

        Raises
        ------
        RoundNotOpen : between rounds, when there is none. Source: numerapi's check_round_open.
        """
        data = self.query(
            """
            query($tournament: Int!) {
              rounds(tournament: $tournament
                     number: 0) {
                number
                openTime
                closeTime
                closeStakingTime
              }
            }
            """,
            {"tournament": self.client.tournament_id},
            authorization=False,
        )
        found = self._read(lambda: [item for item in data["rounds"] if item is not None])
        if not found:
            raise RoundNotOpen("there is no current round", where=host_of(self.url))
        return self._read(lambda: read_round(found[0]))

    def recent_rounds(self, limit: int = 100) -> list[Round]:
        """Return the newest rounds, resolved ones too, in the server's order."""
        listed = self._read(lambda: self.client.list_rounds(limit=limit))
        return self._read(lambda: [read_round(item) for item in listed])

    def models(self) -> dict[str, str]:
        """Return {model name: model id} of the account."""
        found: dict[str, str] = self._read(self.client.get_models)
        return found

    def model_id(self, name: str) -> str:
        """Return the id of a model of the account; Rejected, with the nearest name, if none."""
        models = self.models()
        if name not in models:
            known = ", ".join(sorted(models)[:8]) or "none"
            raise Rejected(
                f"the account has no model '{name}'{did_you_mean(name, models)} (it has: {known})",
                where=host_of(self.url),
                fix="correct the name, or make the model at numer.ai",
            )
        return models[name]

    def submissions(self, model_id: str) -> list[Submission]:
        """Return a model's submissions, newest first.

        Two of numerapi's queries together (ids and times, then round and selection), joined by
        filename.
        """
        data = self.query(
            """
            query($modelId: String) {
              model(modelId: $modelId) {
                submissions {
                  filename
                  selected
                  round {
                    tournament
                    number
                  }
                }
              }
            }
            """,
            {"modelId": model_id},
        )
        details = self._read(
            lambda: {item["filename"]: item for item in data["model"]["submissions"]}
        )
        listed = self._read(lambda: self.client.submission_ids(model_id))
        found = self._read(lambda: [read_submission(item, details) for item in listed])
        oldest = datetime.min.replace(tzinfo=UTC)
        return sorted(found, key=lambda item: item.inserted_at or oldest, reverse=True)

    def upload_auth(self, model_id: str, filename: str = "predictions.csv") -> UploadAuth:
        """Ask for a signed URL; the server chooses the name under which it is submitted."""
        answer = self._read(
            lambda: self.client._upload_auth(
                "submission_upload_auth", filename, self.client.tournament_id, model_id
            )
        )
        return self._read(lambda: UploadAuth(str(answer["filename"]), str(answer["url"])))

    def put(self, url: str, data: bytes) -> None:
        """PUT a file to its signed URL, checked. Unavailable with `status` when refused."""
        self.transport.put(url, data)

    def create_submission(self, filename: str, model_id: str) -> str:
        """Submit an uploaded file and return the submission's id.

        Never repeated when it may have been carried out: on Unavailable with `outcome_unknown` look
        for `filename` in `submissions` first.
        """
        data = self.query(
            """
            mutation($filename: String!
                     $tournament: Int!
                     $modelId: String
                     $triggerId: String,
                     $dataDatestamp: Int) {
                create_submission(filename: $filename
                                  tournament: $tournament
                                  modelId: $modelId
                                  triggerId: $triggerId
                                  source: "numerapi"
                                  dataDatestamp: $dataDatestamp) {
                    id
                }
            }
            """.strip(),
            {
                "filename": filename,
                "tournament": self.client.tournament_id,
                "modelId": model_id,
                "triggerId": None,
                "dataDatestamp": None,
            },
        )
        return self._read(lambda: str(data["create_submission"]["id"]))

    def datasets(self) -> list[str]:
        """Return the names of the files that can be downloaded, as in `v5.3/live.parquet`."""
        listed = self._read(self.client.list_datasets)
        return self._read(lambda: sorted(str(name) for name in listed))

    def dataset_url(self, name: str) -> str:
        """Return the signed URL of a file; a repeated call gives a fresh one."""
        data = self.query(
            """
            query ($filename: String!
                   $round: Int
                   $tournament: Int) {
                dataset(filename: $filename
                        round: $round
                        tournament: $tournament)
            }
            """,
            {"filename": name, "round": None, "tournament": self.client.tournament_id},
            authorization=False,
        )
        url = data.get("dataset")
        if not url:
            raise Rejected(f"the server has no file '{name}'", where=host_of(self.url))
        return str(url)

    def submission_scores(
        self,
        model_id: str,
        *,
        name: str | None = None,
        last_n_rounds: int | None = None,
        resolved: bool | None = None,
        newest: bool | None = None,
    ) -> list[Score]:
        """Return a model's live scores, one per round, score name and day.

        `name` asks for one score (`v2_corr20`), `newest` for the last day of each round only.
        """
        listed = self._read(
            lambda: self.client.submission_scores(
                model_id,
                display_name=name,
                last_n_rounds=last_n_rounds,
                resolved=resolved,
                distinct_on_round=newest,
            )
        )
        return self._read(lambda: [read_score(item) for item in listed])

    def _read(self, read: Callable[[], T]) -> T:
        """Read an answer; TournamentError when it has another form than numerapi expects."""
        try:
            return read()
        except (KeyError, TypeError, ValueError, IndexError, AttributeError) as error:
            raise TournamentError(
                f"the answer has another form than expected ({type(error).__name__}: "
                f"{self.transport.redact(str(error))[:80]})",
                where=host_of(self.url),
                fix="look for a newer release of numerai_lab or numerapi",
            ) from None
