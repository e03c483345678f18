"""The client for programs on asyncio. Every method is one description of app/client's modules, sent."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AsyncExitStack, ExitStack
from functools import wraps
from typing import Any, Concatenate, ParamSpec, Self, TypeVar

import httpx

from app.client import banks, builds, health, images, insight, inspections, keys, versions
from app.client.call import Call, Flow, Pages, Pause
from app.client.connection import answer, failure, options, request_of
from app.client.errors import ClientError
from app.client.retries import DEFAULT, Attempts, Retries
from app.client.signatures import as_method

P = ParamSpec("P")
T = TypeVar("T")


def _call(
    describe: Callable[P, Call[T]],
) -> Callable[Concatenate[AsyncNominalClient, P], Coroutine[Any, Any, T]]:
    @wraps(describe)
    async def method(self: AsyncNominalClient, /, *args: P.args, **kwargs: P.kwargs) -> T:
        return await self.send(describe(*args, **kwargs))

    return as_method(method, describe)


def _flow(
    describe: Callable[P, Flow[T]],
) -> Callable[Concatenate[AsyncNominalClient, P], Coroutine[Any, Any, T]]:
    @wraps(describe)
    async def method(self: AsyncNominalClient, /, *args: P.args, **kwargs: P.kwargs) -> T:
        return await self.run(describe(*args, **kwargs))

    return as_method(method, describe)


def _pages(describe: Callable[P, Pages[T]]) -> Callable[Concatenate[AsyncNominalClient, P], AsyncIterator[T]]:
    @wraps(describe)
    def method(self: AsyncNominalClient, /, *args: P.args, **kwargs: P.kwargs) -> AsyncIterator[T]:
        return self.each(describe(*args, **kwargs))

    return as_method(method, describe)


class AsyncNominalClient:
    """A Nominal server at ``url`` (NOMINAL_URL, else this machine's port 8000), called with ``key`` (NOMINAL_API_KEY).

    An asynchronous context manager of one event loop. Errors are the tree of app/client/errors.py; files that cannot
    be read raise OSError.
    """

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
        """One call's answer, sent again where that is safe."""
        attempts = Attempts(self._retries, call.may_repeat, call.within)
        while True:
            try:
                return await self._attempt(call)
            except ClientError as error:
                pause = attempts.pause_after(error)
                if pause is None:
                    raise
            await asyncio.sleep(pause)

    async def run(self, flow: Flow[T]) -> T:
        """The end of a call of several steps."""
        try:
            step = next(flow)
            while True:
                try:
                    found = await self._step(step)
                except ClientError as error:
                    step = flow.throw(error)
                else:
                    step = flow.send(found)
        except StopIteration as end:
            value: T = end.value
            return value

    async def each(self, pages: Pages[T]) -> AsyncIterator[T]:
        """Every item of a list, asked for page by page as it is read."""
        page = await self.send(pages.at(None))
        for item in page.items:
            yield item
        while page.next is not None:
            page = await self.send(pages.at(page.next))
            for item in page.items:
                yield item

    async def _step(self, step: Call[Any] | Pause) -> Any:
        return await (asyncio.sleep(step.seconds) if isinstance(step, Pause) else self.send(step))

    async def _attempt(self, call: Call[T]) -> T:
        try:
            async with AsyncExitStack() as closing:
                stack = closing.enter_context(ExitStack())
                response = await self._http.send(
                    request_of(call, self._http.build_request, stack), stream=True
                )
                closing.push_async_callback(response.aclose)
                if call.sink is not None and response.is_success:
                    return await self._drained(call, response, stack)
                await response.aread()
                return answer(call, response)
        except httpx.TransportError as error:
            raise failure(call, error, self._http.base_url) from error

    async def _drained(self, call: Call[T], response: httpx.Response, stack: ExitStack) -> T:
        assert call.sink is not None
        sink = stack.enter_context(call.sink(response.headers))
        async for chunk in response.aiter_bytes():
            if sink.feed(chunk):
                break
        return sink.result()

    list_banks = _pages(banks.list_banks)
    get_bank = _call(banks.get_bank)
    create_bank = _call(banks.create_bank)
    update_bank = _call(banks.update_bank)
    delete_bank = _call(banks.delete_bank)
    list_threshold_changes = _call(banks.list_threshold_changes)

    list_images = _pages(images.list_images)
    get_image = _call(images.get_image)
    get_thumbnail = _call(images.get_thumbnail)
    delete_image = _call(images.delete_image)
    upload_images = _flow(images.upload_images)

    start_build = _call(builds.start_build)
    build = _flow(builds.build)
    list_jobs = _pages(builds.list_jobs)
    get_job = _call(builds.get_job)
    cancel_job = _call(builds.cancel_job)
    wait_for_job = _flow(builds.wait_for_job)

    list_versions = _call(versions.list_versions)
    get_version = _call(versions.get_version)
    activate_version = _call(versions.activate_version)
    roll_back = _flow(versions.roll_back)
    delete_version = _call(versions.delete_version)
    download_version = _call(versions.download_version)
    import_version = _call(versions.import_version)

    inspect = _call(inspections.inspect)
    inspect_batch = _call(inspections.inspect_batch)
    list_inspections = _pages(inspections.list_inspections)
    get_inspection = _call(inspections.get_inspection)
    get_inspected_image = _call(inspections.get_inspected_image)
    get_heatmap = _call(inspections.get_heatmap)
    get_overlay = _call(inspections.get_overlay)
    export_inspections = _call(inspections.export_inspections)
    write_inspections = _call(inspections.write_inspections)
    list_reviews = _call(inspections.list_reviews)
    review = _call(inspections.review)
    add_false_alarm = _call(inspections.add_false_alarm)

    get_calibration = _call(insight.get_calibration)
    explore_thresholds = _call(insight.explore_thresholds)
    compare_versions = _call(insight.compare_versions)
    list_review_queue = _pages(insight.list_review_queue)
    get_agreement = _call(insight.get_agreement)

    get_live = _call(health.get_live)
    get_ready = _call(health.get_ready)
    get_health = _call(health.get_health)
    get_bank_health = _call(health.get_bank_health)
    get_version_of_service = _call(health.get_version_of_service)
    wait_until_ready = _flow(health.wait_until_ready)

    list_keys = _call(keys.list_keys)
    create_key = _call(keys.create_key)
    rotate_key = _call(keys.rotate_key)
    revoke_key = _call(keys.revoke_key)
    list_audit = _pages(keys.list_audit)
