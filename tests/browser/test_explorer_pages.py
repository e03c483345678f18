"""The threshold explorer and the comparison of versions in Chromium, over real solar cells."""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Locator, Page, expect
from solar_site import Site, fill, site

SCREENSHOTS = Path(__file__).parents[2] / "build" / "screenshots"
pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(importlib.util.find_spec("elpv_dataset") is None, reason="needs elpv-dataset"),
    pytest.mark.filterwarnings("default"),  # of browser and socket libraries; the suite holds ours to none
]


@pytest.fixture(scope="module")
def solar(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """The site of solar_site, filled; each test makes its own changes and takes none for granted."""
    with site(tmp_path_factory.mktemp("solar")) as running:
        fill(running.client)
        running.client.create_bank("empty", "Nothing yet")
        yield running


@pytest.fixture
def tab(chromium: Browser) -> Iterator[Page]:
    """A window of a plain screen, in which no script fails and nothing comes from elsewhere."""
    context = chromium.new_context(viewport={"width": 1280, "height": 720}, color_scheme="light")
    page = context.new_page()
    page.set_default_timeout(15_000)
    faults: list[str] = []
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on("request", lambda request: _stays(request.url, faults))
    yield page
    context.close()
    assert faults == []


def _stays(url: str, faults: list[str]) -> None:
    if not re.match(r"(https?|wss?)://127\.0\.0\.1:|data:|blob:", url):
        faults.append(url)


def shot(page: Page, name: str) -> None:
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    page.wait_for_load_state("networkidle", timeout=60_000)
    page.screenshot(path=SCREENSHOTS / f"{name}.png", full_page=True)


def number(page: Page, name: str) -> Locator:
    """The field of a threshold."""
    return page.locator(f'input[aria-label="{name}"]')


def handle(page: Page, name: str) -> Locator:
    """What takes the keys of a slider."""
    return page.get_by_role("slider", name=name).locator("[tabindex]")


def opened(page: Page, solar: Site) -> None:
    page.goto(solar.page("banks", "cells", "thresholds"))
    expect(page.get_by_role("heading", name="Would be decided otherwise")).to_be_visible()


def figure(page: Page, name: str) -> Locator:
    return page.locator(".n-figure", has_text=name).locator(".n-figure-value")


def expect_as_explored(page: Page, solar: Site) -> None:
    """The page comes to say what the service says of the thresholds shown: keys reach it one after another."""
    for late in (*[False] * 50, True):
        review, reject = (float(number(page, f"{name} above").input_value()) for name in ("Review", "Reject"))
        asked = solar.client.explore_thresholds("cells", review_threshold=review, reject_threshold=reject)
        found, defects = figure(page, "Defects found"), f"{asked.found.count} of {asked.found.total}"
        flipped = page.get_by_text(f"{asked.flipped} inspections", exact=True)
        if late or (found.inner_text() == defects and flipped.is_visible()):
            expect(found).to_have_text(defects)
            expect(flipped).to_be_visible()
            return
        page.wait_for_timeout(200)


# Thresholds


def test_moving_a_threshold_shows_at_once_what_it_would_do(tab: Page, solar: Site) -> None:
    opened(tab, solar)
    save = tab.get_by_role("button", name="Save")
    expect(save).to_be_disabled()
    found = figure(tab, "Defects found")
    before = found.inner_text()
    for _ in range(120):
        handle(tab, "Reject above").press("ArrowRight")
    expect(save).to_be_enabled()
    for _ in range(120):
        handle(tab, "Review above").press("ArrowRight")
    expect(found).not_to_have_text(before)
    expect_as_explored(tab, solar)
    expect(tab.locator(".n-flip").first).to_be_visible()
    shot(tab, "thresholds")
    tab.get_by_role("button", name="Reset").click()
    expect(found).to_have_text(before)
    expect(save).to_be_disabled()


def test_review_never_lies_above_reject(tab: Page, solar: Site) -> None:
    opened(tab, solar)
    number(tab, "Review above").fill("60")
    expect(number(tab, "Reject above")).to_have_value("60.000")
    number(tab, "Reject above").fill("30")
    expect(number(tab, "Review above")).to_have_value("30.000")


def test_a_rate_too_low_for_the_images_is_said_and_cannot_be_saved(tab: Page, solar: Site) -> None:
    opened(tab, solar)
    tab.get_by_role("button", name="By false-reject rate").click()
    tab.get_by_label("Rejected good parts, %", exact=True).fill("0.5")
    fault = tab.get_by_role("alert").filter(has_text="199 nominal images")
    expect(fault).to_be_visible()
    expect(tab.get_by_role("button", name="Save")).to_be_disabled()
    shot(tab, "thresholds-rate-unsupported")
    tab.get_by_label("Rejected good parts, %", exact=True).fill("10")
    expect(fault).to_have_count(0)
    expect(tab.get_by_role("button", name="Save")).to_be_enabled()


def test_the_cheapest_threshold_is_found_and_tried_before_anything_is_saved(tab: Page, solar: Site) -> None:
    opened(tab, solar)
    before = solar.client.get_bank("cells").reject_threshold
    for name, value in (("A missed defect costs", "500"), ("A false reject costs", "5")):
        tab.get_by_label(name).fill(value)
    tab.get_by_role("button", name="Find the cheapest").click()
    expect(tab.get_by_text("Enter a number, such as 2.5.")).to_be_visible()
    tab.get_by_label("Defective parts, %").fill("1")
    tab.get_by_role("button", name="Find the cheapest").click()
    found = solar.client.price_thresholds("cells", missed_defect=500, false_reject=5, defect_rate=0.01)
    expect(figure(tab, "Cheapest reject threshold")).to_have_text(f"{found.best.threshold:.3f}")
    tab.get_by_role("button", name="Try this threshold").click()
    expect(number(tab, "Reject above")).to_have_value(f"{found.best.threshold:.3f}")
    shot(tab, "thresholds-by-cost")
    assert solar.client.get_bank("cells").reject_threshold == before


def test_thresholds_are_saved_with_a_note_and_stand_in_the_history(tab: Page, solar: Site) -> None:
    opened(tab, solar)
    number(tab, "Reject above").fill("41.5")
    tab.get_by_role("button", name="Save").click()
    tab.get_by_role("dialog").get_by_role("button", name="Cancel").click()
    expect(tab.get_by_role("dialog")).to_have_count(0)
    tab.get_by_role("button", name="Save").click()
    tab.get_by_label("Why (for the history)").fill("a darker lamp since Monday")
    shot(tab, "thresholds-save")
    tab.get_by_role("dialog").get_by_role("button", name="Save").click()
    expect(tab.get_by_role("cell", name="a darker lamp since Monday")).to_be_visible()
    assert solar.client.get_bank("cells").reject_threshold == 41.5
    expect(number(tab, "Reject above")).to_have_value("41.500")


def test_thresholds_that_reject_many_good_parts_are_warned_of_with_the_numbers(
    tab: Page, solar: Site
) -> None:
    solar.client.update_bank("cells", reject_threshold=None, review_threshold=None)
    opened(tab, solar)
    low = solar.client.get_calibration("cells", 1).edges[0]
    number(tab, "Reject above").fill(f"{low:.3f}".replace(".", ","))
    expect(number(tab, "Review above")).to_have_value(f"{low:.3f}")
    expect(tab.get_by_role("button", name="Save")).to_be_enabled()
    tab.get_by_role("button", name="Save").click()
    dialog = tab.get_by_role("dialog")
    expected = solar.client.explore_thresholds(
        "cells", reject_threshold=round(low, 3), review_threshold=round(low, 3)
    ).expected_reject.expected
    expect(dialog.get_by_role("alert").first).to_contain_text(f"{expected * 100:.3g}")
    shot(tab, "thresholds-warned")
    dialog.get_by_role("button", name="Cancel").click()
    assert solar.client.get_bank("cells").reject_threshold is None
    number(tab, "Reject above").fill("about 40")
    expect(tab.get_by_text("Enter a number, such as 2.5.")).to_be_visible()


def test_the_later_of_two_editors_is_told_and_overwrites_nothing_silently(tab: Page, solar: Site) -> None:
    opened(tab, solar)
    solar.client.update_bank("cells", reject_threshold=44.0, note="somebody else's")
    number(tab, "Reject above").fill("39")
    tab.get_by_role("button", name="Save").click()
    tab.get_by_role("dialog").get_by_role("button", name="Save").click()
    told = tab.get_by_role("dialog").filter(has_text="Somebody changed this bank meanwhile")
    expect(told.get_by_text("reject above 44.000")).to_be_visible()
    assert solar.client.get_bank("cells").reject_threshold == 44.0
    shot(tab, "thresholds-stale")
    told.get_by_role("button", name="Save mine over it").click()
    expect(tab.get_by_role("cell", name="reject above 39.000")).to_be_visible()
    assert solar.client.get_bank("cells").reject_threshold == 39.0
    assert [change.reject_threshold for change in solar.client.list_threshold_changes("cells")][:2] == [
        39,
        44,
    ]


def test_a_bank_without_a_version_says_what_to_do_next(tab: Page, solar: Site) -> None:
    tab.goto(solar.page("banks", "empty", "thresholds"))
    expect(tab.get_by_text("Nothing to explore yet")).to_be_visible()
    tab.goto(solar.page("banks", "empty", "compare"))
    expect(tab.get_by_text("Nothing to compare yet")).to_be_visible()
    shot(tab, "compare-nothing-yet")


# Versions compared


def test_versions_are_compared_and_the_candidate_is_activated_and_rolled_back(tab: Page, solar: Site) -> None:
    tab.goto(solar.page("banks", "cells", "compare"))
    shot(tab, "compare-start")
    tab.get_by_role("button", name="Compare", exact=True).click()
    expect(tab.get_by_text("Decided alike")).to_be_visible(timeout=90_000)
    pairs = solar.client.compare_versions("cells", 1, 2)
    unseen = [pair for pair in pairs if not pair.learnt]
    flips = sum(pair.flipped for pair in unseen)
    assert 0 < flips < len(unseen) < len(pairs)  # version 2 has learnt the false alarms of version 1
    expect(figure(tab, "Decided otherwise")).to_have_text(str(flips))
    expect(figure(tab, "Compared")).to_have_text(str(len(unseen)))
    expect(figure(tab, "Learnt, not counted")).to_have_text(str(len(pairs) - len(unseen)))
    expect(tab.locator("tbody tr")).to_have_count(min(flips, 25))
    shot(tab, "compare")
    number_2 = solar.client.get_calibration("cells", 2)
    solar.client.update_bank("cells", review_threshold=None, reject_threshold=39.0)
    tab.reload()
    tab.get_by_role("button", name="Compare", exact=True).click()
    expect(tab.get_by_text("Decided alike")).to_be_visible(timeout=90_000)
    tab.get_by_role("button", name="Activate version 2").click()
    dialog = tab.get_by_role("dialog")
    expect(dialog.get_by_text("The thresholds set by score stay with version 1")).to_be_visible()
    assert number_2.expected_reject is not None
    rate = f"at most {number_2.expected_reject.expected * 100:.3g}\N{NO-BREAK SPACE}% on average"
    expect(dialog.get_by_text(rate)).to_be_visible()
    shot(tab, "compare-activate")
    dialog.get_by_role("button", name="Activate version 2").click()
    expect(tab).to_have_url(re.compile(r"a=2&b=1$"))
    assert solar.client.get_bank("cells").active_version == 2
    assert solar.client.get_bank("cells").reject_threshold is None
    expect(tab.get_by_text("Version 2 (active)")).to_be_visible()
    assert solar.client.roll_back("cells").active_version == 1
    assert solar.client.get_bank("cells").reject_threshold == 39.0


def test_a_comparison_is_cancelled_and_what_was_compared_is_kept(tab: Page, solar: Site) -> None:
    tab.goto(solar.page("banks", "cells", "compare"))
    tab.get_by_role("button", name="Compare", exact=True).click()
    expect(
        tab.get_by_role("status").filter(has_text=re.compile(r"^[5-9] of 100|^[1-9]\d of 100"))
    ).to_be_visible()
    shot(tab, "compare-running")
    tab.get_by_role("button", name="Cancel").click()
    expect(tab.get_by_text(re.compile(r"Cancelled after \d+ of 100"))).to_be_visible()
    expect(tab.get_by_text("Decided alike")).to_be_visible()
    assert len(solar.client.compare_versions("cells", 1, 2, limit=1)) == 1  # there is room for another


def test_a_second_comparison_beside_a_running_one_is_told_to_wait(tab: Page, solar: Site) -> None:
    tab.goto(solar.page("banks", "cells", "compare"))
    with solar.held_comparison():
        tab.get_by_role("button", name="Compare", exact=True).click()
        expect(tab.get_by_text("One comparison may run at a time")).to_be_visible()
    expect(tab.get_by_text("Choose two versions and compare them")).to_be_visible()
    tab.get_by_role("button", name="Compare", exact=True).click()
    expect(tab.get_by_text("Decided alike")).to_be_visible(timeout=90_000)


def test_a_comparison_ends_when_its_page_is_left(tab: Page, solar: Site) -> None:
    tab.goto(solar.page("banks", "cells", "compare"))
    tab.get_by_role("button", name="Compare", exact=True).click()
    expect(tab.get_by_role("status").filter(has_text=" of 100")).to_be_visible()
    tab.goto("about:blank")
    assert len(solar.client.compare_versions("cells", 1, 2, limit=1)) == 1
