"""numerapi's client over our transport: its queries, our errors. The only file with numerapi."""

from __future__ import annotations

import logging
from typing import Any

import numerapi

from numerai_lab.tournament.server.access import Keys, key_variables
from numerai_lab.tournament.server.problems import (
    Rejected,
    RoundNotOpen,
    TournamentError,
    Unavailable,
    WrongKeys,
    host_of,
)
from numerai_lab.tournament.server.transport import Transport


class Client(numerapi.NumerAPI):  # type: ignore[misc]
    """numerapi's queries with `raw_query` replaced.

    numerapi's constructor is not called: it configures the root logger and reads a .env file.
    """

    def __init__(self, keys: Keys | None, url: str, transport: Transport) -> None:
        self.logger = logging.getLogger("numerapi")
        self.token = (keys.public_id, keys.secret_key) if keys else None
        self.show_progress_bars = False
        self.tournament_id = 8
        self.global_data_dir = "."
        self._url, self._transport = url, transport

    def raw_query(
        self,
        query: str,
        variables: dict[str, Any] | None = None,
        authorization: bool = False,
        **_numerapis_retries: Any,
    ) -> dict[str, Any]:
        """Send a query or mutation and return its answer, `{"data": ...}`.

        Raises
        ------
        Unavailable, Rejected, TournamentError
        """
        headers = {"Accept": "application/json"}
        if authorization:
            if self.token is None:
                raise Rejected("this needs API keys", fix="export " + " and ".join(key_variables()))
            headers["Authorization"] = "Token {}${}".format(*self.token)
        where = host_of(self._url)

        def check(answer: Any) -> None:
            if isinstance(answer, dict) and answer.get("errors"):
                raise _refusal(self._transport.redact(_messages(answer["errors"])), where)

        status, answer = self._transport.post_json(
            self._url,
            {"query": query, "variables": variables},
            headers,
            repeatable=not query.lstrip().startswith("mutation"),
            check=check,
        )
        if status in (401, 403):
            raise WrongKeys(f"the keys are not accepted (HTTP {status})", where=where, fix=_KEYS)
        if (
            not 200 <= status < 300
            or not isinstance(answer, dict)
            or not isinstance(answer.get("data"), dict)
        ):
            raise TournamentError(
                f"the answer is not one of Numerai's API (HTTP {status})",
                where=where,
                fix="check the address and any proxy, then try again later",
            )
        return answer


_KEYS = "check the keys in the environment, and their scopes at numer.ai > Settings > API keys"


def _messages(errors: Any) -> str:
    listed = errors if isinstance(errors, list) else [errors]
    said = [
        item.get("message") or item.get("detail") if isinstance(item, dict) else item
        for item in listed
    ]
    found = [text if isinstance(text, str) else "no reason given" for text in said[:20]]
    return "; ".join(" ".join(text[:1000].split()) for text in found)[:300].rstrip(". ")


def _refusal(message: str, where: str) -> Rejected | Unavailable:
    """Sort a GraphQL error by its words: the API gives no codes to rely on."""
    words = message.lower()
    if any(word in words for word in _PASSING):
        return Unavailable(
            f"the server failed: {message}",
            where=where,
            outcome_unknown=True,
            fix="try again later",
        )
    if "not open" in words or "round is closed" in words or "round closed" in words:
        return RoundNotOpen(f"the server says: {message}", where=where, fix="wait for the round")
    if any(word in words for word in _OF_KEYS):
        return WrongKeys(f"the server does not accept the keys: {message}", where=where, fix=_KEYS)
    return Rejected(f"the server says: {message}", where=where)


_PASSING = ("internal", "try again", "timeout", "timed out", "temporar", "overload", "too many")
_OF_KEYS = ("session", "credential", "authent", "unauthor", "token")
