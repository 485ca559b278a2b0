"""The dashboard in a real browser: Debian's Chromium, without a window, looking at a real gateway.

The browser tells of every error on its console and of every breach of the content security policy; each page that
`look` opens has to end without any.
"""

import json
import socket
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, Route, expect, sync_playwright
from stage import Answer, exchange

from acceptance.command import Command

CHROMIUM = Path("/usr/bin/chromium")
FLAGS = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"]
COPY = "/v1.0/me/drive/root:/hello.txt:/copy"

Look = Callable[..., Page]


class Scene:
    """A simulator and a gateway that can be stopped and started again."""

    def __init__(self, folder: Path) -> None:
        self.simulator = Command("simulate", "--port", "0", "--monitor-port", "0")
        self.folder = folder
        self.ports = (free_port(), free_port())
        self.gateway: Command | None = None

    def start(self) -> None:
        file = self.folder / "gateway.yaml"
        graph = self._graph()
        listen, admin = self.ports
        file.write_text(
            f"listen: {{port: {listen}}}\nadmin: {{port: {admin}}}\nupstream: {{base_url: '{graph}'}}\n"
            "monitor: {allowed_hosts: [127.0.0.1], allow_private: true, allow_http: true}\n"
            "polling: {first_delay: 50ms, min_interval: 50ms, max_interval: 500ms}\n"
            "shutdown: {grace: 100ms}\n",
            "utf-8",
        )
        self.gateway = Command("run", "--config", file)
        self.gateway.event("listening")

    def stop(self) -> None:
        if self.gateway is not None:
            self.gateway.stop()
            self.gateway.__exit__(None, None, None)
            self.gateway = None

    def close(self) -> None:
        self.stop()
        self.simulator.__exit__(None, None, None)

    def _graph(self) -> str:
        if not hasattr(self, "_url"):
            self._url = self.simulator.line("Graph").split()[1].removesuffix("/v1.0")
        return self._url

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.ports[1]}/"

    def begin(self, name: str, simulate: str = "duration=100ms") -> str:
        """Start a copy; its operation's id."""
        headers = {
            "Authorization": "Bearer sim-ana",
            "Content-Type": "application/json",
            "Prefer": "respond-async",
            "Simulate": simulate,
        }
        body = json.dumps({"name": name}).encode()
        answer: Answer = exchange(("127.0.0.1", self.ports[0]), "POST", COPY, body, headers)
        assert answer.status == 202, answer
        return str(answer.header("Gateway-Operation"))


def free_port() -> int:
    with closing(socket.create_server(("127.0.0.1", 0))) as listener:
        return int(listener.getsockname()[1])


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    scene = Scene(tmp_path_factory.mktemp("dashboard"))
    try:
        scene.start()
        yield scene
    finally:
        scene.close()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    assert CHROMIUM.exists(), "this needs Debian's chromium: make tools"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def look(browser: Browser, scene: Scene) -> Iterator[Look]:
    """Opens the dashboard; at the end nothing may have been complained of but lost connections."""
    contexts: list[BrowserContext] = []
    complaints: list[str] = []

    def opened(
        *, live: bool = True, prepare: Callable[[Page], object] = lambda _: None, **wishes: Any
    ) -> Page:
        context = browser.new_context(**wishes)
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(20_000)
        page.on("console", lambda said: complaints.append(said.text) if said.type == "error" else None)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.add_init_script(
            "window.breaches = [];"
            "addEventListener('securitypolicyviolation', (e) => breaches.push(e.violatedDirective + ' ' + e.blockedURI));"
        )
        prepare(page)
        page.goto(scene.url)
        if live:
            expect(page.locator("#link")).to_have_text("Live")
        return page

    yield opened
    for context in contexts:
        for page in context.pages:
            assert page.evaluate("window.breaches") == []
        context.close()
    assert [said for said in complaints if "ERR_CONNECTION_REFUSED" not in said] == []


def row(page: Page, operation: str) -> Any:
    return page.locator(f"#rows tr[data-id='{operation}']").first


def test_an_operation_appears_progresses_and_finishes(scene: Scene, look: Look) -> None:
    page = look()
    copy = scene.begin("appears.txt", "duration=8s")
    line = row(page, copy)
    expect(line).to_contain_text("running")
    bar = line.locator("progress")
    assert bar.get_attribute("aria-label") == f"Progress of itemCopy {copy[:8]}"
    page.wait_for_function("bar => bar.value > 0 && bar.value < 100", arg=bar.element_handle())
    expect(line).to_contain_text("in about", timeout=20_000)
    expect(line).to_contain_text("succeeded", timeout=20_000)
    assert bar.evaluate("bar => bar.value") == 100
    expect(page.locator("#recent")).to_contain_text(copy[:8])
    expect(page.locator("#health li").first).to_contain_text("Ready")
    assert page.locator("#charts svg[role=img]").count() == 4
    for chart in page.locator("#charts svg").all():
        assert chart.get_attribute("aria-label")


def test_a_failed_operation_shows_graphs_code(scene: Scene, look: Look) -> None:
    page = look()
    copy = scene.begin("fails.txt", "duration=100ms; fail=quotaLimitReached")
    expect(row(page, copy)).to_contain_text("failed")
    expect(row(page, copy)).to_contain_text("quotaLimitReached")
    expect(page.locator("#recent li", has_text=copy[:8])).to_contain_text("quotaLimitReached")


def test_search_and_filters_choose(scene: Scene, look: Look) -> None:
    good, bad = scene.begin("found.txt"), scene.begin("not found.txt", "duration=50ms; fail=accessDenied")
    page = look()
    expect(row(page, bad)).to_contain_text("failed")
    expect(row(page, good)).to_contain_text("succeeded")
    page.get_by_label("Search").fill(bad[:10].upper())
    expect(page.locator("#rows tr")).to_have_count(1)
    expect(row(page, bad)).to_be_visible()
    expect(page.locator("#shown")).to_contain_text("1 of ")
    page.get_by_label("Search").fill("no such thing")
    expect(page.locator("#empty")).to_have_text("No operation is like that.")
    page.get_by_label("Search").fill("")
    page.get_by_label("State").select_option(label="failed")
    expect(row(page, good)).to_have_count(0)
    expect(row(page, bad)).to_be_visible()
    page.get_by_label("Dialect").select_option("drive")
    expect(row(page, bad)).to_be_visible()


def test_the_keyboard_is_enough(scene: Scene, look: Look) -> None:
    first, second = scene.begin("key 1.txt"), scene.begin("key 2.txt")
    page = look()
    page.keyboard.press("Tab")
    expect(page.locator(".skip")).to_be_focused()
    assert page.locator(".skip").evaluate("skip => getComputedStyle(skip).outlineStyle") == "solid"
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    expect(page.get_by_label("Search")).to_be_focused()
    expect(row(page, second)).to_contain_text("succeeded")
    page.locator(f"tr[data-id='{second}'] .open").focus()
    page.keyboard.press("Enter")
    expect(page.locator(f"tr.details[data-id='{second}']")).to_contain_text(second)
    assert page.locator(f"tr[data-id='{second}'] .open").get_attribute("aria-expanded") == "true"
    page.keyboard.press("ArrowDown")
    expect(page.locator(f"tr[data-id='{first}'] .open")).to_be_focused()
    third = scene.begin("key 3.txt")
    expect(row(page, third)).to_contain_text("succeeded")
    expect(page.locator(f"tr[data-id='{first}'] .open")).to_be_focused()  # where it was, whatever came above
    page.get_by_role("button", name="Pause").press("Enter")
    fourth = scene.begin("key 4.txt")
    expect(page.locator("#recent")).to_contain_text(fourth[:8])
    expect(row(page, fourth)).to_have_count(0)
    page.get_by_role("button", name="Paused").press("Enter")
    expect(row(page, fourth)).to_be_visible()


def test_dark_and_light_by_the_system_and_by_the_switch(look: Look) -> None:
    def brightness(page: Page) -> int:
        return int(
            page.evaluate("parseInt(getComputedStyle(document.body).backgroundColor.match(/\\d+/)[0])")
        )

    page = look(color_scheme="dark")
    assert brightness(page) < 50
    page.get_by_role("button", name="Theme: auto").click()
    assert brightness(page) > 200
    page.reload()
    expect(page.get_by_role("button", name="Theme: light")).to_be_visible()
    assert brightness(page) > 200
    page.get_by_role("button", name="Theme: light").click()
    assert brightness(page) < 50
    assert brightness(look(color_scheme="light")) > 200


CONTRAST = """() => {
  const numbers = (text) => text.match(/[\\d.]+/g).map(Number);
  const light = (rgb) => rgb.slice(0, 3).map((v) => v / 255)
    .map((v) => (v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4))
    .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
  const behind = (element) => {
    for (let each = element; each; each = each.parentElement) {
      const rgb = numbers(getComputedStyle(each).backgroundColor);
      if (rgb.length === 3 || rgb[3] > 0) return rgb;
    }
  };
  const poor = [];
  let seen = 0;
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const element = walker.currentNode.parentElement;
    if (!walker.currentNode.data.trim() || !element.checkVisibility()) continue;
    const style = getComputedStyle(element);
    const colour = element.ownerSVGElement ? style.fill : style.color;
    const [a, b] = [light(numbers(colour)), light(behind(element))].sort((x, y) => y - x);
    seen += 1;
    if ((a + 0.05) / (b + 0.05) < 4.5) poor.push(walker.currentNode.data + ": " + ((a + 0.05) / (b + 0.05)).toFixed(2));
  }
  return { seen, poor };
}"""
"""Texts whose contrast is below 4.5:1 (WCAG 2.2, 1.4.3)."""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_text_has_the_contrast_of_level_aa_and_fits_a_phone(
    scene: Scene, look: Look, scheme: str
) -> None:
    bad = scene.begin(f"contrast {scheme}.txt", "duration=50ms; fail=accessDenied")
    going = scene.begin(f"contrast {scheme} 2.txt", "duration=5s")
    page = look(color_scheme=scheme, viewport={"width": 390, "height": 844})
    expect(row(page, bad)).to_contain_text("accessDenied")
    expect(row(page, going)).to_contain_text("running")
    said = page.evaluate(CONTRAST)
    assert said["seen"] > 50
    assert said["poor"] == []
    assert page.evaluate("document.documentElement.scrollWidth") == 390


def test_ten_thousand_operations_are_shown_in_pages(look: Look) -> None:
    def many(route: Route) -> None:
        with_id = {
            "dialect": "drive",
            "operation": "itemCopy",
            "state": "running",
            "status": "inProgress",
            "percentageComplete": 5.0,
            "started": "2026-01-01T00:00:00.000Z",
            "expected_end": None,
            "ended": None,
            "age": 1.0,
            "stalled": True,
            "waiting_for_caller": False,
            "callers_waiting": 0,
            "polls": 1,
            "next_poll_in": 1.0,
            "last_trouble": None,
            "followed_here": True,
            "code": None,
            "taken_over": False,
            "delivered": False,
        }
        rows = [{**with_id, "id": f"{number:032x}"} for number in range(10_000)]
        status = page.evaluate("fetch('status').then(answer => answer.json())")
        events = [
            ("reset", {"now": "2026-01-01T00:01:00.000Z", "status": status}),
            ("rows", {"now": "2026-01-01T00:01:00.000Z", "rows": rows, "gone": [], "left": 0}),
        ]
        body = "".join(f"event: {name}\ndata: {json.dumps(said)}\n\n" for name, said in events)
        route.fulfill(content_type="text/event-stream", body=body)

    page = look()
    page.route("**/operations/events", many)
    page.reload()
    expect(page.locator("#shown")).to_have_text("10,000 operations")
    expect(page.locator("#rows tr")).to_have_count(50)
    expect(page.locator("#page")).to_have_text("Page 1 of 200")
    page.get_by_role("button", name="Next").click()
    expect(page.locator("#page")).to_have_text("Page 2 of 200")
    page.get_by_label("Search").fill("00000000000000000000000000002")
    expect(page.locator("#shown")).to_contain_text(" of 10,000 operations")
    expect(page.locator("#pager")).to_be_visible()


def test_what_is_not_from_here_does_not_run(browser: Browser, scene: Scene) -> None:
    """The control for the fixture above, which wants no breach."""
    page = browser.new_page()
    page.add_init_script("addEventListener('securitypolicyviolation', () => { window.breached = true; })")
    page.goto(scene.url)
    page.evaluate(
        "() => { const s = document.createElement('script'); s.textContent = 'window.hacked = 1'; document.body.append(s); }"
    )
    page.wait_for_function("window.breached")
    assert page.evaluate("window.hacked") is None
    page.close()


def test_a_gateway_that_is_gone_is_said_and_found_again(scene: Scene, look: Look) -> None:
    page = look()
    scene.stop()
    expect(page.locator("#banner")).to_contain_text("The gateway does not answer.")
    expect(page.locator("#link")).to_have_text("Disconnected")
    assert page.locator("#health").evaluate("list => getComputedStyle(list).filter") == "grayscale(1)"
    scene.start()
    expect(page.locator("#link")).to_have_text("Live", timeout=20_000)
    expect(page.locator("#banner")).to_be_hidden()
    assert page.locator("#health").evaluate("list => getComputedStyle(list).filter") == "none"
    copy = scene.begin("afterwards.txt")
    expect(row(page, copy)).to_contain_text("succeeded")
