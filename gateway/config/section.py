"""Sections: groups of keys, as they stand in the file.

Rules: an unknown key is an error; what was read does not change.
"""

from typing import Any

from pydantic import BaseModel, ConfigDict, model_validator

from gateway.config.kinds import unfit


class Section(BaseModel):
    """A group of keys. A section without content, as commenting out its keys leaves it, has its defaults."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, hide_input_in_errors=True, use_attribute_docstrings=True
    )

    @model_validator(mode="before")
    @classmethod
    def _is_a_mapping(cls, content: Any) -> Any:
        if content is not None and not isinstance(content, dict | cls):
            raise unfit(
                "must be a mapping of keys, not {value}",
                f"write keys below it, indented: {', '.join(cls.model_fields)}",
            )
        return content or {}
