"""Why an operation failed, as the error a synchronous API would have answered.

Graph tells it in the first of these places that is filled: `error`, `resultInfo` (eDiscovery), `errorCode` and
`statusDescription` (OneDrive; undocumented, OneDrive/onedrive-api-docs#1419), `statusDetail`. What stands in the
error object is kept as it stands; only a missing code or message is filled in, because SDKs need both.

The one rule about statuses: never 429, 503 or 504. SDKs answer those by sending the call again, and this operation
was accepted and has run. For the same reason never 401: clients take that for "renew the token and repeat". Codes
that would get one of these are 502 or 403 here.
"""

import json
from collections.abc import Iterator, Mapping

from gateway.dialects.document import object_of, plain, text_of
from gateway.model import Problem

_STATUSES = {
    code.casefold(): status
    for status, codes in {
        400: "badRequest childItemCountExceeded childrenOnlyNotValid invalidArgument invalidRange invalidRequest "
        "invalidResourceId notSupported pathIsTooLong",
        403: "accessDenied forbidden malwareDetected notAllowed provisioningNotAllowed unauthenticated unauthorized "
        "virusSuspicious",
        404: "itemNotFound notFound resourceNotFound",
        409: "conflict nameAlreadyExists resourceModified resyncRequired",
        413: "maxFileSizeExceeded",
        423: "fileDecryptionDeferred fileDecryptionNotSupported fileDoubleKeyEncrypted",
        502: "activityLimitReached badGateway gatewayTimeout resourceBeingProvisioned serviceNotAvailable "
        "serviceUnavailable throttledRequest timeout tooManyRequests",
        507: "insufficientStorage quotaLimitReached",
    }.items()
    for code in codes.split()
}
_OTHERWISE = 500
_UNNAMED = "generalException"
_CANCELLED = frozenset({"cancelled", "canceled"})


def problem_of(members: Mapping[str, object], word: str) -> Problem:
    """Return the problem that a failed report tells of. `word` is its status word."""
    error = dict(_told(members))
    if isinstance(error.get("code"), int):
        error["code"] = str(error["code"])
    code = text_of(error.get("code")) or _common_code(error) or text_of(members.get("errorCode")) or _UNNAMED
    message = text_of(error.get("message")) or _described(members) or _default_message(word)
    complete = {"code": code, "message": message, **error} | {"code": code, "message": message}
    return Problem(_status(complete), plain(code), _json(complete))


def _told(members: Mapping[str, object]) -> Mapping[str, object]:
    """Return the first place that tells of an error, in the shape of an error object."""
    for field in ("error", "resultInfo"):
        value = members.get(field)
        if isinstance(value, dict) and value:
            return value
        if text_of(value) is not None:
            return {"message": value}
    code = text_of(members.get("errorCode"))
    return {} if code is None else {"code": code}


def _described(members: Mapping[str, object]) -> str | None:
    return (
        text_of(members.get("statusDescription"))
        or text_of(members.get("message"))
        or text_of(members.get("statusDetail"))
        or text_of(object_of(members.get("status")).get("description"))  # printOperation
    )


def _default_message(word: str) -> str:
    if word.strip().casefold() in _CANCELLED:
        return "The operation was cancelled."
    return "The operation failed; the service gave no reason."


def _detail_codes(error: Mapping[str, object]) -> list[str]:
    details = error.get("details")
    found = [text_of(object_of(one).get("code")) for one in details] if isinstance(details, list) else []
    return [code for code in found if code is not None]


def _common_code(error: Mapping[str, object]) -> str | None:
    """Return the code that all details share.

    A copy of a folder whose files clash fails without a code of its own, and with one detail for each file
    (driveItem: copy, example 5).
    """
    codes = _detail_codes(error)
    return codes[0] if len({code.casefold() for code in codes}) == 1 else None


def _codes(error: Mapping[str, object]) -> Iterator[str]:
    """Yield the codes, the outermost first."""
    inner: object = error
    while isinstance(inner, dict) and inner:
        code = text_of(inner.get("code"))
        if code is not None:
            yield code.strip().casefold()
        inner = next((inner[key] for key in ("innerError", "innererror") if key in inner), None)


def _status(error: Mapping[str, object]) -> int:
    """Return the status of the outermost code that has one; a lock anywhere inside is a 423.

    The inner codes are consulted because the outer one is often as good as none (`generalException`), and Graph wraps
    `resourceLocked` into `notAllowed` where it answers 423 itself.
    """
    codes = list(_codes(error))
    if any(code.startswith("lock") or code.endswith("locked") for code in codes):
        return 423
    for code in codes:
        if code in _STATUSES:
            return _STATUSES[code]
        if code.startswith("accessdenied_"):
            return 403
    return _OTHERWISE


def _json(error: Mapping[str, object]) -> str:
    """Return the error's text in ASCII, so that lone surrogates survive until somebody encodes it."""
    try:
        return json.dumps(error)
    except RecursionError:
        return json.dumps({"code": error["code"], "message": error["message"]})
