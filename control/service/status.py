"""Errors as google.rpc.Status, made by the server; :mod:`control.client.failures` reads them."""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, cast

import grpc
from google.protobuf import any_pb2
from google.rpc.error_details_pb2 import BadRequest, ErrorInfo, PreconditionFailure, RetryInfo
from google.rpc.status_pb2 import Status
from grpc import aio

from control.errors import DOMAIN, ControlError
from control.metadata import DETAILS_KEY

__all__ = ["ErrorInterceptor", "status_of_error"]


def status_of_error(error: ControlError) -> Status:
    """Return an error as a status with an ErrorInfo, and a BadRequest or RetryInfo if it fits."""
    code = grpc.StatusCode[error.reason.code]
    details: list[any_pb2.Any] = []

    def add(detail: Any) -> None:
        packed = any_pb2.Any()
        packed.Pack(detail)
        details.append(packed)

    add(ErrorInfo(reason=error.reason.name, domain=DOMAIN,
                                    metadata=error.metadata))
    if error.field:
        add(BadRequest(field_violations=[
            BadRequest.FieldViolation(field=error.field,
                                                        description=error.message)]))
    if code is grpc.StatusCode.FAILED_PRECONDITION:
        add(PreconditionFailure(violations=[
            PreconditionFailure.Violation(type=error.reason.name,
                                                            description=error.message)]))
    if code is grpc.StatusCode.UNAVAILABLE:
        retry = RetryInfo()
        retry.retry_delay.FromSeconds(1)
        add(retry)
    return Status(code=_number(code), message=error.message, details=details)


def _number(code: grpc.StatusCode) -> int:
    return cast(tuple[int, str], code.value)[0]


_Behaviour = Callable[[Any, Any], Any]


class ErrorInterceptor(aio.ServerInterceptor):
    """Turn errors of this package into statuses, and any other into INTERNAL."""

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[Any]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> Any:
        """Return the handler of a call, wrapped."""
        handler = await continuation(handler_call_details)
        if handler is None:
            return None
        if handler.unary_unary is not None:
            return grpc.unary_unary_rpc_method_handler(
                _wrapped_call(handler.unary_unary),
                request_deserializer=handler.request_deserializer,
                response_serializer=handler.response_serializer)
        if handler.unary_stream is not None:
            return grpc.unary_stream_rpc_method_handler(
                _wrapped_stream(handler.unary_stream),
                request_deserializer=handler.request_deserializer,
                response_serializer=handler.response_serializer)
        return handler


def _wrapped_call(behaviour: _Behaviour) -> _Behaviour:
    async def call(request: Any, context: Any) -> Any:
        try:
            return await behaviour(request, context)
        except ControlError as error:
            await _abort(context, error)
    return call


def _wrapped_stream(behaviour: _Behaviour) -> _Behaviour:
    async def call(request: Any, context: Any) -> AsyncIterator[Any]:
        try:
            result = behaviour(request, context)
            if not hasattr(result, "__aiter__"):
                # The old form: a coroutine that writes to the context.
                await result
                return
            async for response in result:
                yield response
        except ControlError as error:
            await _abort(context, error)
    return call


async def _abort(context: Any, error: ControlError) -> None:
    status = status_of_error(error)
    await context.abort(grpc.StatusCode[error.reason.code], error.message,
                        ((DETAILS_KEY, status.SerializeToString()),))
