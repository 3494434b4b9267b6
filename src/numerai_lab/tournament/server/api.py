"""The tournament's API: what the lab asks Numerai, with every answer checked."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, TypeVar

from numerai_lab.errors import did_you_mean
from numerai_lab.tournament.server.access import (
    Keys,
    address_of,
    api_url,
    is_stand_in,
    key_variables,
    keys_of,
)
from numerai_lab.tournament.server.answers import (
    Round,
    Score,
    Submission,
    UploadAuth,
    read_auth,
    read_id,
    read_list,
    read_models,
    read_round,
    read_score,
    read_submissions,
    read_url,
)
from numerai_lab.tournament.server.client import Client
from numerai_lab.tournament.server.problems import (
    Rejected,
    RoundNotOpen,
    TournamentError,
    Unavailable,
    WrongKeys,
    host_of,
)
from numerai_lab.tournament.server.transport import Backoff, Transport

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
        found = self.read(lambda: [one for one in read_list(data["rounds"]) if one is not None])
        if not found:
            raise RoundNotOpen("there is no current round", where=host_of(self.url))
        return self.read(lambda: read_round(found[0]))

    def recent_rounds(self, limit: int = 100) -> list[Round]:
        """Return the newest rounds, resolved ones too, in the server's order."""
        listed = self.read(lambda: read_list(self.client.list_rounds(limit=limit)))
        return self.read(lambda: [read_round(item) for item in listed])

    def models(self) -> dict[str, str]:
        """Return {model name: model id} of the account; models without a name are left out."""
        return self._models()[0]

    def _models(self) -> tuple[dict[str, str], int]:
        # numerapi's get_models cannot do with one null among them
        data = self.query("query { account { models { id name tournament } } }")
        return self.read(lambda: read_models(data["account"]["models"], self.client.tournament_id))

    def model_id(self, name: str) -> str:
        """Return the id of a model of the account; Rejected, with the nearest name, if none."""
        models, unreadable = self._models()
        if name not in models:
            known = ", ".join(sorted(models)[:8]) or "none"
            if unreadable:
                known += f", and {unreadable} whose name cannot be read"
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
        listed = self.read(lambda: self.client.submission_ids(model_id))
        return self.read(lambda: read_submissions(listed, data["model"]["submissions"]))

    def upload_auth(self, model_id: str, filename: str = "predictions.csv") -> UploadAuth:
        """Ask for a signed URL; the server chooses the name under which it is submitted."""
        answer = self.read(
            lambda: self.client._upload_auth(
                "submission_upload_auth", filename, self.client.tournament_id, model_id
            )
        )
        return self.read(lambda: read_auth(answer))

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
        return self.read(lambda: read_id(data["create_submission"]["id"]))

    def datasets(self) -> list[str]:
        """Return the names of the files that can be downloaded, as in `v5.3/live.parquet`."""
        listed = self.read(lambda: read_list(self.client.list_datasets()))
        if not all(isinstance(name, str) for name in listed):
            raise self._odd("a name that is no text")
        return sorted(listed)

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
        url = self.read(lambda: data["dataset"])
        if not url:
            raise Rejected(f"the server has no file '{name}'", where=host_of(self.url))
        return self.read(lambda: read_url(url))

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
        listed = self.read(
            lambda: self.client.submission_scores(
                model_id,
                display_name=name,
                last_n_rounds=last_n_rounds,
                resolved=resolved,
                distinct_on_round=newest,
            )
        )
        return self.read(lambda: [read_score(item) for item in listed])

    def read(self, read: Callable[[], T]) -> T:
        """Read an answer; TournamentError when it has another form than is expected."""
        try:
            return read()
        except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
            raise self._odd(f"{type(error).__name__}: {error}") from None
        except RecursionError:
            raise self._odd("nested too deep") from None

    def _odd(self, why: str) -> TournamentError:
        return TournamentError(
            f"the answer has another form than expected ({self.transport.redact(why)[:80]})",
            where=host_of(self.url),
            fix="look for a newer release of numerai_lab or numerapi",
        )
