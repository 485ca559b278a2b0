"""Files of certificates that the gateway is to trust.

Rules: the file is read while the configuration is read, so that a wrong path or a file without certificates is told
there, with its line, and not by the first call. What is kept is the path, absolute, never the content.
"""

import ssl
from pathlib import Path
from typing import Any

from pydantic import GetCoreSchemaHandler, ValidationInfo
from pydantic_core import CoreSchema, core_schema

from gateway.config.kinds import Kind, unfit
from gateway.config.sources import Surroundings, Unreadable, read_text

LARGEST_BUNDLE = 8 * 1024 * 1024
"""Bytes; the bundle of every public authority is about a quarter of a megabyte."""


class CertificateFile(Kind):
    """The path of a PEM file. Without `Surroundings` as validation context it is taken as it is."""

    def accepts(self) -> str:
        return "the path of a PEM file"

    def read(self, value: object) -> Path:
        if not isinstance(value, str | Path) or not str(value):
            raise unfit(
                "must be the path of a PEM file, not {value}", "write one such as /etc/ssl/private-ca.pem"
            )
        return Path(value)

    def read_among(self, value: object, info: ValidationInfo) -> Path:
        path = self.read(value)
        if not isinstance(info.context, Surroundings):
            return path
        path = (info.context.directory / path).absolute()
        try:
            text = read_text(path, LARGEST_BUNDLE)
        except Unreadable as error:
            raise unfit(
                f"{{value}} {error}", "name a readable file; a relative path starts at this file"
            ) from None
        ascii_text = text.encode("ascii", "replace").decode(
            "ascii"
        )  # what is not ASCII can only be a comment
        try:
            ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cadata=ascii_text)
        except (ssl.SSLError, ValueError):
            raise unfit(
                "{value} holds no certificates", "name a PEM file with the certificates to trust"
            ) from None
        return path

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.with_info_plain_validator_function(self.read_among)
