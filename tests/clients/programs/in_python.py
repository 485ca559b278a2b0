"""Clients for Python, as docs/clients.md shows them, driven by ../programs.py."""

import json
import sys
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import httpx
import requests

Answer = tuple[int, bytes]


# [shown: requests]
session = requests.Session()  # keeps its connection


def copy_with_requests(url: str, token: str, name: str, seconds: float) -> Answer:
    answer = session.post(
        url,
        headers={"Authorization": f"Bearer {token}"},
        json={"name": name},
        timeout=seconds,  # of silence, for each redirect anew
    )
    return answer.status_code, answer.content


# [/shown]


# [shown: httpx]
client = httpx.Client(follow_redirects=True)  # by itself it follows none


def copy_with_httpx(http: httpx.Client, url: str, token: str, name: str, seconds: float) -> Answer:
    answer = http.post(
        url,
        headers={"Authorization": f"Bearer {token}"},
        json={"name": name},
        timeout=seconds,  # of silence, for each redirect anew; by itself it gives up after five
    )
    return answer.status_code, answer.content


# [/shown]


# [shown: urllib]
def copy_with_urllib(url: str, token: str, name: str, seconds: float) -> Answer:
    call = Request(
        url,
        headers={"Authorization": f"Bearer {token}", "Content-Type": "application/json"},
        data=json.dumps({"name": name}).encode(),
    )
    try:
        with urlopen(call, timeout=seconds) as answer:  # of silence, for each redirect anew
            return answer.status, answer.read()
    except HTTPError as error:  # what Graph says is in its body
        with error:
            return error.code, error.read()


# [/shown]


def made(client_name: str, url: str, token: str, name: str, seconds: float) -> Answer:
    match client_name:
        case "requests":
            return copy_with_requests(url, token, name, seconds)
        case "httpx":
            return copy_with_httpx(client, url, token, name, seconds)
        case "httpx, following nothing":
            with httpx.Client() as plain:
                return copy_with_httpx(plain, url, token, name, seconds)
        case _:
            return copy_with_urllib(url, token, name, seconds)


def main() -> None:
    for line in sys.stdin:
        client_name, case, url, token, name, seconds = line.rstrip("\n").split("\t")
        told: dict[str, object] = {"client": client_name, "case": case}
        try:
            status, body = made(client_name, url, token, name, float(seconds))
            told |= {"status": status, "body": json.loads(body or b"null")}
        except (OSError, httpx.HTTPError) as error:
            told["error"] = repr(error)
        print(json.dumps(told), flush=True)


if __name__ == "__main__":
    main()
