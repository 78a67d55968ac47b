"""What a request says, parsed into types: the parameters of a query, the JSON object of a body.

A resource declares what it takes as a pydantic model. Whatever does not fit the model raises a RequestError whose
sentence names the field, its value and what is allowed.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Generic, TypeVar, get_args

import orjson
from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    Strict,
    TypeAdapter,
    ValidationError,
    model_validator,
)
from pydantic_core import ErrorDetails
from starlette.requests import Request

MAX_NUMBER = 1_000_000
"""Larger than any step, layer or unit."""

MAX_BODY = 1000
"""Bytes that the body of a request may have."""

M = TypeVar("M", bound=BaseModel)


class RequestError(Exception):
    """A request that is refused, with an HTTP status and one sentence."""

    def __init__(self, status: int, sentence: str) -> None:
        super().__init__(sentence)
        self.status = status


class Query(BaseModel):
    """The parameters of a query, read from text. Parameters that are empty or not declared are ignored."""

    model_config = ConfigDict(frozen=True)

    @model_validator(mode="before")
    @classmethod
    def _without_empty(cls, query: Mapping[str, str]) -> dict[str, str]:
        return {name: value for name, value in query.items() if value}


class JsonObject(BaseModel):
    """The JSON object of a body. JSON has types, so no value is converted: true is no number."""

    model_config = ConfigDict(frozen=True, strict=True, allow_inf_nan=False)


def _flag(value: object) -> object:
    return {"0": False, "1": True}.get(str(value), value)


Flag = Annotated[bool, Strict(), BeforeValidator(_flag), Field(description="0 or 1")]
"""A yes or no in a query."""


def whole(low: int, high: int, default: Any = ...) -> Any:
    """A field for a whole number from `low` to `high`; required where no default is given."""
    return Field(default, ge=low, le=high, description=f"a whole number from {low} to {high:,}")


def real(low: float, high: float, default: Any = ...) -> Any:
    """A field for a number from `low` to `high`."""
    return Field(default, ge=low, le=high, description=f"a number from {low:g} to {high:,g}")


def text(most: int, default: Any = ...) -> Any:
    """A field for a text of at most `most` characters."""
    return Field(default, max_length=most, description=f"a text of at most {most} characters")


def read(model: type[M], values: Mapping[str, Any]) -> M:
    """A query or a JSON object as the model. Raises RequestError."""
    try:
        return model.model_validate(values)
    except ValidationError as error:
        raise _refusal(error.errors()[0], model) from error


def whole_number(name: str, value: object, low: int, high: int) -> int:
    """A whole number whose limits only the resource knows. Raises RequestError."""
    field = whole(low, high)
    try:
        return int(TypeAdapter(Annotated[int, field]).validate_python(value))
    except ValidationError as error:
        raise refusal(name, value, field.description) from error


class ActionReader(Generic[M]):
    """Reads the action in a path and the JSON object in the body as one model of a union.

    Each model of the union has a field `action` with its own name as the only value, and the default.
    """

    def __init__(self, union: Any) -> None:
        self._models: dict[str, type[M]] = {
            model.model_fields["action"].default: model for model in get_args(union)
        }
        self._adapter: TypeAdapter[M] = TypeAdapter(Annotated[union, Field(discriminator="action")])

    def read(self, action: str, values: Mapping[str, Any]) -> M:
        """The action. Raises RequestError, with status 404 for an action that does not exist."""
        if action not in self._models:
            raise RequestError(404, f"{action[:40]!r} is no action; there are {', '.join(self._models)}")
        try:
            return self._adapter.validate_python({**values, "action": action})
        except ValidationError as error:
            raise _refusal(error.errors()[0], self._models[action]) from error


async def body(request: Request, most: int) -> bytes:
    """The body, read no further than it may be long. Raises RequestError."""
    content = bytearray()
    async for chunk in request.stream():
        content += chunk
        if len(content) > most:
            raise RequestError(413, f"the request is too long; allowed are {most:,} bytes")
    return bytes(content)


async def json_object(request: Request) -> dict[str, Any]:
    """The JSON object in the body, empty if the body is empty. Raises RequestError."""
    content = await body(request, MAX_BODY)
    try:
        values = orjson.loads(content or b"{}")
    except orjson.JSONDecodeError:
        values = None
    if not isinstance(values, dict):
        raise RequestError(422, "the request is no JSON object")
    return values


def refusal(name: str, value: object, allowed: str) -> RequestError:
    """The error for a value that is not allowed."""
    shown = value[:40] if isinstance(value, str) else value
    return RequestError(422, f"{name} = {repr(shown)[:60]} is not allowed; allowed is {allowed}")


def _refusal(error: ErrorDetails, model: type[BaseModel]) -> RequestError:
    """The error for the first thing that pydantic found wrong."""
    name = next(part for part in error["loc"] if part in model.model_fields)
    allowed = model.model_fields[str(name)].description
    if error["type"] == "missing":
        return RequestError(422, f"{name} is missing; allowed is {allowed}")
    return refusal(str(name), error["input"], str(allowed))
