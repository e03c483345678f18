"""The clients: one for ordinary programs and one for asyncio. Every method sends one description of this package."""

from __future__ import annotations

import asyncio
import inspect
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import AsyncExitStack, ExitStack
from dataclasses import dataclass
from functools import cache, wraps
from types import MethodType
from typing import Any, Concatenate, Generic, ParamSpec, Self, TypeVar, overload

import httpx

from nominal_client import (
    advice,
    banks,
    builds,
    checks,
    defects,
    explanations,
    inspections,
    server,
    sinks,
    sources,
)
from nominal_client.call import Call, Flow, Pages, Pause, answer, failure, options, request_of
from nominal_client.errors import DEFAULT, Attempts, ClientError, Retries
from nominal_client.streams import Sink

P = ParamSpec("P")
T = TypeVar("T")
S = TypeVar("S")
W = TypeVar("W")
N = TypeVar("N", bound="Client")
A = TypeVar("A", bound="AsyncClient")


@dataclass(frozen=True)
class _Method(Generic[P, S, W]):
    """A description as a method of both clients: it returns an ``S`` of ``Client``, a ``W`` of the other."""

    describe: Callable[P, Any]
    awaited: bool

    @overload
    def __get__(self, client: Client, owner: Any) -> Callable[P, S]: ...
    @overload
    def __get__(self, client: AsyncClient, owner: Any) -> Callable[P, W]: ...
    @overload
    def __get__(self, client: None, owner: type[N]) -> Callable[Concatenate[N, P], S]: ...
    @overload
    def __get__(self, client: None, owner: type[A]) -> Callable[Concatenate[A, P], W]: ...
    def __get__(self, client: Any, owner: Any) -> Any:
        method = _function(self.describe, self.awaited and issubclass(owner, AsyncClient))
        return method if client is None else MethodType(method, client)


def _call(describe: Callable[P, Call[T] | Flow[T]]) -> _Method[P, T, Coroutine[Any, Any, T]]:
    return _Method(describe, awaited=True)


def _list(describe: Callable[P, Pages[T]]) -> _Method[P, Iterator[T], AsyncIterator[T]]:
    return _Method(describe, awaited=False)


@cache
def _function(describe: Callable[..., Any], awaited: bool) -> Callable[..., Any]:
    """With the name, documentation and parameters of ``describe``, so that ``help`` shows them."""

    def plain(self: Any, /, *args: Any, **kwargs: Any) -> Any:
        described = describe(*args, **kwargs)
        return self.each(described) if isinstance(described, Pages) else self.run(described)

    async def waiting(self: Any, /, *args: Any, **kwargs: Any) -> Any:
        return await self.run(describe(*args, **kwargs))

    method, signature = wraps(describe)(waiting if awaited else plain), inspect.signature(describe)
    this = inspect.Parameter("self", inspect.Parameter.POSITIONAL_ONLY)
    parameters = [this, *signature.parameters.values()]
    method.__signature__ = signature.replace(  # type: ignore[attr-defined]  # inspect looks for it
        parameters=parameters, return_annotation=inspect.Signature.empty
    )
    return method


class _Calls:
    """Every description as a method."""

    list_banks = _list(banks.list_banks)
    get_bank = _call(banks.get_bank)
    create_bank = _call(banks.create_bank)
    update_bank = _call(banks.update_bank)
    delete_bank = _call(banks.delete_bank)
    list_threshold_changes = _call(banks.list_threshold_changes)
    set_mask = _call(banks.set_mask)
    get_mask = _call(banks.get_mask)
    get_mask_picture = _call(banks.get_mask_picture)
    remove_mask = _call(banks.remove_mask)

    list_images = _list(banks.list_images)
    get_image = _call(banks.get_image)
    get_thumbnail = _call(banks.get_thumbnail)
    delete_image = _call(banks.delete_image)
    upload_images = _call(banks.upload_images)

    start_build = _call(builds.start_build)
    build = _call(builds.build)
    list_jobs = _list(builds.list_jobs)
    get_job = _call(builds.get_job)
    cancel_job = _call(builds.cancel_job)
    wait_for_job = _call(builds.wait_for_job)

    start_screening = _call(builds.start_screening)
    screen = _call(builds.screen)
    get_screening = _call(builds.get_screening)
    get_version_screening = _call(builds.get_version_screening)
    get_suspect_overlay = _call(builds.get_suspect_overlay)
    get_version_suspect_overlay = _call(builds.get_version_suspect_overlay)

    start_advice = _call(advice.start_advice)
    advise = _call(advice.advise)
    get_advice = _call(advice.get_advice)

    list_check_sets = _call(checks.list_check_sets)
    get_check_set = _call(checks.get_check_set)
    delete_check_set = _call(checks.delete_check_set)
    upload_check_images = _call(checks.upload_check_images)
    list_check_images = _list(checks.list_check_images)
    get_check_image = _call(checks.get_check_image)
    get_check_thumbnail = _call(checks.get_check_thumbnail)
    delete_check_image = _call(checks.delete_check_image)
    start_check = _call(checks.start_check)
    check = _call(checks.check)
    get_check = _call(checks.get_check)
    list_checked_images = _list(checks.list_checked_images)
    get_check_overlay = _call(checks.get_check_overlay)

    list_versions = _call(builds.list_versions)
    get_version = _call(builds.get_version)
    activate_version = _call(builds.activate_version)
    roll_back = _call(builds.roll_back)
    delete_version = _call(builds.delete_version)
    download_version = _call(builds.download_version)
    import_version = _call(builds.import_version)

    inspect = _call(inspections.inspect)
    inspect_batch = _call(inspections.inspect_batch)
    list_inspections = _list(inspections.list_inspections)
    get_inspection = _call(inspections.get_inspection)
    get_inspected_image = _call(inspections.get_inspected_image)
    get_heatmap = _call(inspections.get_heatmap)
    get_overlay = _call(inspections.get_overlay)
    explain = _call(explanations.explain)
    get_explanation_picture = _call(explanations.get_explanation_picture)
    export_inspections = _call(inspections.export_inspections)
    write_inspections = _call(inspections.write_inspections)
    list_reviews = _call(inspections.list_reviews)
    review = _call(inspections.review)
    add_false_alarm = _call(inspections.add_false_alarm)

    list_similar_inspections = _call(defects.list_similar_inspections)
    list_kinds = _call(defects.list_kinds)
    rename_kind = _call(defects.rename_kind)
    get_pareto = _call(defects.get_pareto)
    export_pareto = _call(defects.export_pareto)
    get_pareto_across_banks = _call(defects.get_pareto_across_banks)
    export_pareto_across_banks = _call(defects.export_pareto_across_banks)
    save_report = _call(defects.save_report)
    start_patterns = _call(defects.start_patterns)
    mine_patterns = _call(defects.mine_patterns)
    get_patterns = _call(defects.get_patterns)

    get_calibration = _call(inspections.get_calibration)
    get_fits = _call(inspections.get_fits)
    explore_thresholds = _call(inspections.explore_thresholds)
    price_thresholds = _call(inspections.price_thresholds)
    compare_versions = _call(inspections.compare_versions)
    list_review_queue = _list(inspections.list_review_queue)
    get_agreement = _call(inspections.get_agreement)
    get_trend = _call(inspections.get_trend)

    get_live = _call(server.get_live)
    get_ready = _call(server.get_ready)
    get_health = _call(server.get_health)
    get_bank_health = _call(server.get_bank_health)
    get_version_of_service = _call(server.get_version_of_service)
    wait_until_ready = _call(server.wait_until_ready)

    list_keys = _call(server.list_keys)
    list_people = _call(server.list_people)
    sign_out_person = _call(server.sign_out_person)
    create_key = _call(server.create_key)
    limit_key = _call(server.limit_key)
    rotate_key = _call(server.rotate_key)
    revoke_key = _call(server.revoke_key)
    create_sign_in_link = _call(server.create_sign_in_link)
    list_audit = _list(server.list_audit)

    list_sinks = _call(sinks.list_sinks)
    get_sink = _call(sinks.get_sink)
    create_sink = _call(sinks.create_sink)
    update_sink = _call(sinks.update_sink)
    delete_sink = _call(sinks.delete_sink)
    send_sample = _call(sinks.send_sample)
    rotate_sink_secret = _call(sinks.rotate_sink_secret)
    list_sink_events = _list(sinks.list_sink_events)
    resend_sink_events = _call(sinks.resend_sink_events)
    list_sources = _call(sources.list_sources)
    trigger_source = _call(sources.trigger_source)


class Client(_Calls):
    """A Nominal server at ``url`` (NOMINAL_URL, else this machine's port 8000), called with ``key`` (NOMINAL_API_KEY).

    A context manager that threads may share. Errors are the tree of nominal_client.errors; a file that cannot be read
    raises OSError.
    """

    def __init__(
        self,
        url: str | None = None,
        key: str | None = None,
        *,
        retries: Retries = DEFAULT,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        """``transport`` takes the place of the network."""
        self._retries = retries
        self._http = httpx.Client(**options(url, key), transport=transport)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """Close every connection."""
        self._http.close()

    def send(self, call: Call[T]) -> T:
        """One call's answer; sent again where that is safe."""
        attempts = Attempts(self._retries, call.may_repeat, call.within)
        while True:
            try:
                return self._attempt(call)
            except ClientError as error:
                pause = attempts.pause_after(error)
                if pause is None:
                    raise
            time.sleep(pause)

    def run(self, flow: Call[T] | Flow[T]) -> T:
        """The result of a call of one step or several."""
        steps = iter(flow)
        try:
            step = next(steps)
            while True:
                try:
                    found = self._step(step)
                except ClientError as error:
                    step = steps.throw(error)
                else:
                    step = steps.send(found)
        except StopIteration as end:
            result: T = end.value
        return result

    def _step(self, step: Call[Any] | Pause) -> Any:
        return time.sleep(step.seconds) if isinstance(step, Pause) else self.send(step)

    def each(self, pages: Pages[T]) -> Iterator[T]:
        """Every item of a list; requests each page when it is needed."""
        page = self.send(pages.at(None))
        yield from page.items
        while page.next is not None:
            page = self.send(pages.at(page.next))
            yield from page.items

    def _attempt(self, call: Call[T]) -> T:
        try:
            with ExitStack() as stack:
                request = request_of(call, self._http.build_request, stack)
                response = self._http.send(request, stream=True)
                stack.callback(response.close)
                if call.sink is not None and response.is_success:
                    return self._pour(response, call.sink(response.headers), stack)
                response.read()
                return answer(call, response)
        except httpx.TransportError as error:
            raise failure(call, error, self._http.base_url) from error

    def _pour(self, response: httpx.Response, sink: Sink[T], stack: ExitStack) -> T:
        stack.callback(sink.close)
        try:
            next(sink)
            for chunk in response.iter_bytes():
                sink.send(chunk)
            sink.send(b"")
        except StopIteration as end:
            result: T = end.value
        return result


class AsyncClient(_Calls):
    """The same for asyncio: an asynchronous context manager of one event loop, with the same methods to be awaited."""

    def __init__(
        self,
        url: str | None = None,
        key: str | None = None,
        *,
        retries: Retries = DEFAULT,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        """``transport`` takes the place of the network."""
        self._retries = retries
        self._http = httpx.AsyncClient(**options(url, key), transport=transport)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Close every connection."""
        await self._http.aclose()

    async def send(self, call: Call[T]) -> T:
        """One call's answer; sent again where that is safe."""
        attempts = Attempts(self._retries, call.may_repeat, call.within)
        while True:
            try:
                return await self._attempt(call)
            except ClientError as error:
                pause = attempts.pause_after(error)
                if pause is None:
                    raise
            await asyncio.sleep(pause)

    async def run(self, flow: Call[T] | Flow[T]) -> T:
        """The result of a call of one step or several."""
        steps = iter(flow)
        try:
            step = next(steps)
            while True:
                try:
                    found = await self._step(step)
                except ClientError as error:
                    step = steps.throw(error)
                else:
                    step = steps.send(found)
        except StopIteration as end:
            result: T = end.value
        return result

    async def _step(self, step: Call[Any] | Pause) -> Any:
        return await (asyncio.sleep(step.seconds) if isinstance(step, Pause) else self.send(step))

    async def each(self, pages: Pages[T]) -> AsyncIterator[T]:
        """Every item of a list; requests each page when it is needed."""
        page = await self.send(pages.at(None))
        for item in page.items:
            yield item
        while page.next is not None:
            page = await self.send(pages.at(page.next))
            for item in page.items:
                yield item

    async def _attempt(self, call: Call[T]) -> T:
        try:
            async with AsyncExitStack() as closing:
                stack = closing.enter_context(ExitStack())
                request = request_of(call, self._http.build_request, stack)
                response = await self._http.send(request, stream=True)
                closing.push_async_callback(response.aclose)
                if call.sink is not None and response.is_success:
                    return await self._pour(response, call.sink(response.headers), stack)
                await response.aread()
                return answer(call, response)
        except httpx.TransportError as error:
            raise failure(call, error, self._http.base_url) from error

    async def _pour(self, response: httpx.Response, sink: Sink[T], stack: ExitStack) -> T:
        stack.callback(sink.close)
        try:
            next(sink)
            async for chunk in response.aiter_bytes():
                sink.send(chunk)
            sink.send(b"")
        except StopIteration as end:
            result: T = end.value
        return result
