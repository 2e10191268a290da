"""The page of `trm serve` in a browser: a question from the keyboard, the server's answer, and what fails."""

import json
from collections.abc import Iterator
from importlib import resources
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import pytest

from tests.browser.chromium import ENTER, SPACE, TAB, contrast, luminance, press, requested, seen_as
from tests.serve.asking import model_file
from tests.serve.processes import ServerProcess, get, post, reply, serving
from tests.waiting import HANG
from trm_np import scenarios
from trm_np.data.schema import VOCABULARY_KEYS

PERSON = {
    "age": 35,
    "budget": 100.5,
    "relationship": "mother",
    "occasion": "birthday",
    "hobbies": ["gardening", "home_decor"],
    "preferences": ["practical"],
}
ADDRESS = (
    "#age=35&budget=100.5&relationship=mother&occasion=birthday"
    "&hobbies=gardening&hobbies=home_decor&preferences=practical"
)
HOSTILE = (
    "<img src=x onerror=alert(1)>",
    "</script><script>alert(1)</script>",
    "\u202e'\"&lt;b&gt; ${1}",
    "x" * 500,
)
# Every answer of a server that does what a test says: `fetch` is the page's only way to it.
REPLACED = """
  window.asked = [];
  window.fetch = (address, options) => new Promise((resolve, reject) => window.asked.push({
    address, options, reject,
    answer: (text, status = 200) => resolve(new Response(text, {status})),
  }));
"""


@pytest.fixture(scope="module")
def server() -> Iterator[ServerProcess]:
    with serving(model_file()) as process:
        yield process


@pytest.fixture
def browser(chromium: Any, server: ServerProcess) -> Iterator[Any]:
    """At the page, loaded; in the end the console is empty, and nothing was asked of any other server."""
    chromium.get("about:blank")
    chromium.get_log("browser"), chromium.get_log("performance")
    chromium.get(f"http://127.0.0.1:{server.port}/")
    wait_for(chromium, "No question yet.")
    yield chromium
    assert [entry for entry in chromium.get_log("browser") if " 422 " not in entry["message"]] == []
    assert {address.split("?")[0] for address in requested(chromium)} <= {
        *(f"http://127.0.0.1:{server.port}/{path}" for path in ("", "model", "recommend")),
        *("data:,", "about:blank"),
    }


def text(browser: Any, name: str) -> str:
    found: str = browser.execute_script("return document.getElementById(arguments[0]).textContent", name)
    return found


def wait_for(browser: Any, status: str) -> None:
    """Until what is said of the answer begins so."""
    from selenium.webdriver.support.ui import WebDriverWait

    said = f"the status did not become {status!r}"
    WebDriverWait(browser, HANG, 0.05).until(lambda _: text(browser, "status").startswith(status), said)


def wait_for_person(browser: Any, said: str) -> None:
    """Until the answer is one for a person of whom that is said."""
    from selenium.webdriver.support.ui import WebDriverWait

    WebDriverWait(browser, HANG, 0.05).until(lambda _: f"; {said};" in text(browser, "answer"), said)


def open_with(browser: Any, server: ServerProcess, address: str) -> None:
    browser.get("about:blank")
    browser.get(f"http://127.0.0.1:{server.port}/{address}")


def answer(server: ServerProcess, person: Any, query: str = "?top=3") -> tuple[int, Any]:
    """Reply of the server to the same question."""
    connection = server.connect()
    post(connection, person, query)
    return reply(connection)


def shown(browser: Any) -> dict[str, Any]:
    """The answer that stands on the page, by what a reader would call it."""
    found: dict[str, Any] = browser.execute_script(
        """
        const texts = (root, selector) => [...root.querySelectorAll(selector)].map((one) => one.textContent);
        const bars = (root, selector) => [...root.querySelectorAll(selector + " .bar")].map((bar) => [
          bar.children[0].textContent, bar.children[1].textContent,
          parseFloat(bar.querySelector(".fill").style.width)]);
        const part = (heading) => [...document.querySelectorAll("#answer section")]
          .find((one) => one.querySelector("h2").textContent === heading);
        return {
          gifts: [...document.querySelectorAll(".gifts > li")].map((card) => ({
            name: card.querySelector("h3").textContent, category: card.querySelector(".of").textContent,
            price: card.querySelector(".price").textContent, reasons: texts(card, ".reasons li"),
            reward: bars(card, ":scope >")[0], components: bars(card, "details"),
          })),
          warnings: texts(document, ".warnings li"),
          ran: [...document.querySelectorAll(".tools > li")].map((tool) => [
            bars(tool, ":scope")[0], tool.querySelector(".found").textContent]),
          tools: bars(part("Tools"), ":scope > .bars"), categories: bars(part("Categories"), ":scope"),
          taken: texts(part("Thinking"), ".taken"), steps: texts(part("Thinking"), ".steps li"),
          thought: texts(part("Thinking"), ".found")[0],
        };
        """
    )
    return found


def bars(named: dict[str, float], written: str, step: float) -> Any:
    """Expected bars for some values: name in words, value as text, length in per cent."""
    items = [(name.replace("_", " "), written.format(value), 100 * value) for name, value in named.items()]
    return [[name, said, pytest.approx(length, abs=step)] for name, said, length in items]


def require_same(seen: dict[str, Any], told: dict[str, Any]) -> None:
    """Require that the page shows what the server has sent."""
    for card, gift in zip(seen["gifts"], told["gifts"], strict=True):
        assert card["name"] == gift["name"]
        assert card["category"] == gift["category"].replace("_", " ")
        assert card["price"].startswith(f"${gift['paid']:,.2f}".removesuffix(".00"))
        assert (f"at {gift['offer']['seller']}; " if gift["offer"] else "list price") in card["price"]
        assert card["reasons"] == gift["reasons"]
        assert [card["reward"]] == bars({"Predicted reward": gift["predicted_reward"]}, "{:.2f}", 0.01)
        assert card["components"] == bars(gift["components"], "{:.2f}", 0.01)
    assert seen["warnings"] == told["warnings"]
    percent = {name: f"{100 * value:.0f} %" for name, value in told["tool_probabilities"].items()}
    assert [[bar[0], bar[1], found] for bar, found in seen["ran"]] == [
        [tool["name"].replace("_", " "), percent[tool["name"]], tool["found"]] for tool in told["tools"]
    ]
    ran = {tool["name"] for tool in told["tools"]}
    assert [bar[:2] for bar in seen["tools"]] == [
        [name.replace("_", " "), said] for name, said in percent.items() if name not in ran
    ]
    assert seen["categories"] == [
        [name.replace("_", " "), f"{100 * value:.0f} %", pytest.approx(100 * value, abs=0.01)]
        for name, value in told["categories"].items()
    ]
    assert (len(seen["taken"]), len(seen["steps"])) == (told["steps"], told["most_steps"])
    assert seen["thought"].startswith(f"Thought {told['steps']} of {told['most_steps']} step")


def fill_in_by_keyboard(browser: Any, vocabulary: dict[str, list[str]]) -> None:
    """The question about PERSON, from the top of the page on: text, Space and Tab."""
    press(browser, TAB, "35", TAB, "100.5", TAB, "mother", TAB, "birthday")
    for field in ("hobbies", "preferences"):
        for name in vocabulary[field]:
            press(browser, TAB, SPACE if name in PERSON[field] else "")  # type: ignore[operator]
        press(browser, TAB)  # what else there is


def test_the_keyboard_alone_asks_and_the_cards_are_the_answer_of_the_server(
    browser: Any, server: ServerProcess
) -> None:
    _, model = get(server, "/model")
    fill_in_by_keyboard(browser, model["vocabulary"])
    press(browser, ENTER)
    wait_for(browser, "3 gifts: ")
    status, told = answer(server, PERSON)
    assert status == 200
    assert told["profile"] == PERSON | {"history": []}
    require_same(shown(browser), told)
    assert text(browser, "status") == f"3 gifts: {', '.join(gift['name'] for gift in told['gifts'])}."


def test_how_many_and_in_how_many_days_are_asked_and_warnings_shown(
    browser: Any, server: ServerProcess
) -> None:
    open_with(browser, server, "#age=60&top=44&days=0")
    _, told = answer(server, {"age": 60}, "?top=44&days=0")
    wait_for(browser, f"{len(told['gifts'])} gifts: ")
    (warning,) = told["warnings"]
    warning = warning.replace("--allow sold_out,late", "“sold out” or “too late”")
    told["warnings"] = [warning.replace("--any-age", "“meant for another age”")]
    require_same(shown(browser), told)


def test_rules_are_lifted_and_gifts_left_out(browser: Any, server: ServerProcess) -> None:
    rules = "top=50&allow=late%2Cover_budget&any_age=true&exclude=pocket_poetry%2C+olive_oil_pair"
    open_with(browser, server, f"#{rules}&age=3&budget=20")
    _, told = answer(server, {"age": 3, "budget": 20}, f"?{rules.replace('+', '')}")
    wait_for(browser, "41 gifts: ")
    assert [gift["name"] for gift in shown(browser)["gifts"]] == [gift["name"] for gift in told["gifts"]]
    open_with(browser, server, "#age=3")
    wait_for(browser, "No gift found; ")
    said = "no gift here is meant for a child of 3; “meant for another age” shows what adults get"
    assert said in shown(browser)["warnings"]


def test_everyday_words_are_typed_and_the_page_says_what_they_count_as(
    browser: Any, server: ServerProcess
) -> None:
    own = {
        "relationship": "Wife",
        "occasion": "mothers_day",
        "hobbies": ["cooking", "home_decor", "dogs", "<b>stamps</b>"],
        "preferences": ["cosy"],
    }
    for name, typed in (
        ("relationship", " Wife "),
        ("occasion", "mothers day"),  # as it is suggested
        ("other hobbies", "home decor, dogs,, cooking , <b>stamps</b>"),
        ("other preferences", "cosy"),
    ):
        browser.find_element("name", name).send_keys(typed)
    browser.find_element("css selector", "#hobbies [value=cooking]").click()
    press(browser, ENTER)
    wait_for(browser, "3 gifts: ")
    _, told = answer(server, own)
    require_same(shown(browser), told)
    assert told["notes"] == ["wife counts as partner, dog as outdoor, cosy as relaxing"]
    said = [each.text for each in browser.find_elements("css selector", ".person")]
    assert said[0] == f"Understood: {told['notes'][0]}."
    assert "partner; mothers day; hobbies cooking, home decor, outdoor; preferences relaxing" in said[1]
    (warning,) = told["warnings"]
    assert warning.startswith('body: "<b>stamps</b>" is not known')
    assert browser.find_elements("css selector", "main b > b, .warnings b") == []
    before, address = shown(browser), browser.current_url
    open_with(browser, server, address[address.index("#") :])
    wait_for(browser, "3 gifts: ")
    assert shown(browser) == before and browser.current_url == address
    assert browser.find_element("name", "other hobbies").get_attribute("value") == "dogs, <b>stamps</b>"
    assert browser.find_element("name", "occasion").get_attribute("value") == "mothers day"


def test_every_name_is_suggested_where_one_is_typed(browser: Any, server: ServerProcess) -> None:
    _, model = get(server, "/model")
    for field, kind in (("relationship", "relationships"), ("occasion", "occasions")):
        suggested = browser.execute_script(
            "return [...document.getElementsByName(arguments[0])[0].list.options].map((one) => one.value)",
            field,
        )
        assert suggested == [name.replace("_", " ") for name in model["vocabulary"][kind]]


def require_error_at(browser: Any, field: str, said: str) -> None:
    """Require that the page shows an error about a number, and that its field is marked and has the focus."""
    assert text(browser, "error") == f"Error: {said}"
    assert browser.switch_to.active_element.get_attribute("name") == field
    (marked,) = browser.find_elements("css selector", "[aria-invalid=true]")
    assert marked == browser.switch_to.active_element


def test_a_number_that_the_server_refuses_is_explained_at_its_field(
    browser: Any, server: ServerProcess
) -> None:
    for field, value, said in (
        ("age", "200", "Age: “200” is not a number from 0 to 120."),
        ("age", "-1", "Age: “-1” is not a number from 0 to 120."),
        ("budget", "0", "Budget: “0” is not a number from 0.01 to 1,000,000,000."),
        ("top", "3.5", "How many gifts: “3.5” is not a whole number from 1 to 100,000."),
        ("days", "40000", "Needed in days: “40000” is not a whole number from 0 to 36,500."),
    ):
        open_with(
            browser, server, f"#age=30&{field}={value}" if field in ("top", "days") else f"#{field}={value}"
        )
        wait_for(browser, "No answer.")
        require_error_at(browser, field, said)
        assert text(browser, "answer") == ""
    refused = [entry["message"] for entry in browser.get_log("browser")]
    assert any(" 400 " in message for message in refused)
    press(browser, "\ue003" * 5, ENTER)  # back to what can be answered: days are not said
    wait_for(browser, "3 gifts: ")
    assert text(browser, "error") == ""


@pytest.mark.parametrize(
    ("field", "typed", "value"),
    [
        *(("age", typed, 34.5) for typed in ("34.5", "34,5", " 34,5 years", "+34.5", "３４．５")),
        *(("age", typed, 34) for typed in ("34", "34 y", "34 years old", "34.")),
        *(
            ("budget", typed, 120)
            for typed in ("$120", " 120 ", "120 $", "US$ 120", "120 USD", "120 dollars", "120,00")
        ),
        *(
            ("budget", typed, 1200)
            for typed in ("1,200", "1 200", "1\u202f200", "1'200", "$1,200.00", "1.200,00")
        ),
        *(("budget", typed, 1200.5) for typed in ("1.200,50", "1,200.50", "1 200,5")),
        *(("budget", typed, 1_000_000) for typed in ("1,000,000", "1.000.000", "1 000 000")),
        *(("budget", typed, 0.5) for typed in (",5", ".5", "0,50")),
        ("days", "10 days", "10"),
        ("top", "5 gifts", "5"),
    ],
)
def test_numbers_are_read_as_people_write_them(field: str, typed: str, value: Any, browser: Any) -> None:
    browser.execute_script(REPLACED)
    asked = browser.execute_script(
        "field('age').value = '3'; field(arguments[0]).value = arguments[1]; ask(); return asked.map((one) => "
        "[one.address.split('?')[1], JSON.parse(one.options.body)])",
        field,
        typed,
    )
    ((query, person),) = asked
    assert {**person, **dict(parse_qsl(query))} == {"age": 3, "top": "3", field: value}


@pytest.mark.parametrize(
    ("field", "typed", "said"),
    [
        ("age", "old", "Age: “old” is not a number in digits, such as 34."),
        ("age", "3,4,5", "Age: “3,4,5” is not a number in digits, such as 34."),
        ("budget", "a lot", "Budget: “a lot” is not a number in digits, such as 120 or 99.50."),
        ("budget", "x" * 50, f"Budget: “{'x' * 39}…” is not a number in digits, such as 120 or 99.50."),
        ("budget", "120 €", "Budget: “120 €” is not in dollars; write how many dollars, such as 120."),
        ("budget", "1.200", "Budget: “1.200” is not clear; write 1200 or 1.20."),
        ("budget", "1e3", "Budget: “1e3” is not a number in digits, such as 120 or 99.50."),
        ("days", "soon", "Needed in days: “soon” is not a number in digits, such as 10."),
        ("top", "all", "How many gifts: “all” is not a number in digits, such as 3."),
    ],
)
def test_what_is_no_number_is_explained_and_not_asked(
    field: str, typed: str, said: str, browser: Any
) -> None:
    browser.execute_script(REPLACED)
    browser.execute_script("field(arguments[0]).value = arguments[1]; ask()", field, typed)
    require_error_at(browser, field, said)
    assert browser.execute_script("return asked.length") == 0


@pytest.mark.parametrize(
    ("currency", "shown", "typed", "refused"),
    [
        ("$", "$1,234.50", ("120", "$120", "120 dollars"), ("120 €", "¥120")),
        ("¥", "¥1,234.50", ("120", "¥120", "120 yen"), ("$120", "120 usd")),
        ("€", "€1,234.50", ("120", "€ 120", "120,00 €", "120 euros"), ("$120", "£120")),
        ("CHF", "CHF 1,234.50", ("120", "CHF 120", "120 francs"), ("120 €",)),
        ("C.$", "C.$1,234.50", ("120", "C.$ 120", "120 C.$"), ("120 €", "$120")),
    ],
)
def test_sums_are_read_and_shown_in_the_currency_of_the_model(
    browser: Any, currency: str, shown: str, typed: tuple[str, ...], refused: tuple[str, ...]
) -> None:
    browser.execute_script("currency = arguments[0]", currency)
    assert browser.execute_script("return money(1234.5)") == shown
    read = "field('budget').value = arguments[0]; return numberIn('budget')"
    assert [browser.execute_script(read, each) for each in typed] == [120] * len(typed)
    for each in refused:
        said = browser.execute_script(
            f"try {{ {read} }} catch (error) {{ return error.message }}",
            each,
        )
        name = "dollars" if currency == "$" else currency
        assert said == f"Budget: “{each}” is not in {name}; write how many {name}, such as 120."
    browser.execute_script("field('budget').value = ''")


def test_a_page_of_a_model_in_another_currency_shows_it_and_what_has_no_known_price(
    chromium: Any, tmp_path: Path
) -> None:
    document = json.loads(scenarios_file("gift_catalog.json"))
    for gift in document["gifts"][::2]:
        del gift["price"], gift["offers"]
    (tmp_path / "catalogue.json").write_text(json.dumps({"currency": "¥"} | document), encoding="utf-8")
    with serving(model_file(), "--catalogue", str(tmp_path / "catalogue.json")) as process:
        open_with(
            chromium, process, "#budget=100&hobbies=cooking&top=40&any_age=true&allow=sold_out,over_budget"
        )
        wait_for(chromium, "40 gifts: ")
        assert chromium.execute_script("return byId('currency').textContent") == "in ¥"
        prices = [card["price"] for card in shown(chromium)["gifts"]]
        assert any(price == "price unknown" for price in prices)
        assert {price[0] for price in prices if price != "price unknown"} == {"¥"}
        assert "up to ¥100" in text(chromium, "answer")


def test_what_speaks_against_a_gift_has_the_mark_of_any_reason_and_no_tick(
    browser: Any, server: ServerProcess
) -> None:
    open_with(browser, server, "#age=7&budget=3&hobbies=music&top=45&any_age=true&allow=sold_out")
    wait_for(browser, "45 gifts: ")
    marks = browser.execute_script(
        "return [...document.querySelectorAll('.reasons li')].map((one) => getComputedStyle(one, '::before').content)"
    )
    assert len(marks) > 100 and len(set(marks)) == 1 and "✓" not in marks[0]


def test_an_error_leaves_the_answer_before_it_on_the_page(browser: Any, server: ServerProcess) -> None:
    open_with(browser, server, ADDRESS)
    wait_for(browser, "3 gifts: ")
    before = shown(browser)
    for typed in ("200", "old"):
        browser.execute_script("field('age').value = arguments[0]; ask()", typed)
        wait_for(browser, "No new answer. Below is the one before.")
        assert text(browser, "error").startswith(f"Error: Age: “{typed}” is not ")
        assert shown(browser) == before and "age 35;" in text(browser, "answer")
        assert browser.find_element("id", "answer").get_attribute("aria-busy") == "false"
    browser.execute_script(REPLACED)
    browser.execute_script(
        "field('age').value = '36'; ask(); asked[0].reject(new TypeError('Failed to fetch'))"
    )
    wait_for(browser, "No new answer. Below is the one before.")
    assert shown(browser) == before
    browser.execute_script("ask()")
    assert text(browser, "error") == ""


def test_nothing_said_is_an_error_and_nothing_is_asked(browser: Any) -> None:
    press(browser, TAB, ENTER)
    wait_for(browser, "No answer.")
    assert text(browser, "error").startswith(
        "Error: Nothing is said of the person: give at least one of age, "
    )
    assert not any("recommend" in address for address in requested(browser))


def test_the_address_holds_the_question(browser: Any, server: ServerProcess) -> None:
    open_with(browser, server, ADDRESS)
    wait_for(browser, "3 gifts: ")
    press(browser, TAB, "36", ENTER)
    wait_for_person(browser, "age 36")
    before, address = shown(browser), browser.current_url
    assert address.endswith("#top=3&" + ADDRESS[1:].replace("35", "36"))
    browser.get("about:blank")
    browser.get(address)
    wait_for(browser, "3 gifts: ")
    assert shown(browser) == before
    browser.execute_script("document.querySelector('button[type=reset]').click()")
    wait_for(browser, "No question yet.")
    assert "#" not in browser.current_url
    assert text(browser, "answer") == ""
    assert browser.find_elements("css selector", ":checked:not(option)") == []


def test_an_answer_to_an_older_question_is_not_shown_over_a_newer_one(
    browser: Any, server: ServerProcess
) -> None:
    _, old = answer(server, {"age": 20}, "?top=1")
    _, new = answer(server, {"age": 60}, "?top=2")
    browser.execute_script(REPLACED)
    press(browser, TAB, "20", ENTER, ENTER)
    browser.execute_script("asked[1].answer(arguments[0])", json.dumps(new))
    wait_for(browser, "2 gifts: ")
    browser.execute_script("asked[0].answer(arguments[0])", json.dumps(old))
    read = "new Response(arguments[0]).text().then(() => setTimeout(arguments[1]))"  # as the page reads an answer
    browser.execute_async_script(read, json.dumps(old))
    assert text(browser, "status").startswith("2 gifts: ")
    assert browser.execute_script(
        "return asked[0].options.signal.aborted && !asked[1].options.signal.aborted"
    )


def test_waiting_is_said_and_so_is_a_server_that_is_gone_or_answers_nonsense(browser: Any) -> None:
    browser.execute_script(REPLACED + "window.setTimeout = (told) => { window.later = told; };")
    press(browser, TAB, "20", ENTER)
    assert text(browser, "status") == "Thinking …"
    assert browser.find_element("id", "answer").get_attribute("aria-busy") == "true"
    browser.execute_script("later()")
    assert text(browser, "status") == "Thinking … It takes longer than usual."
    browser.execute_script("asked[0].reject(new TypeError('Failed to fetch'))")
    wait_for(browser, "No answer.")
    assert text(browser, "error") == "Error: The server cannot be reached. Is it running?"
    press(browser, ENTER)
    browser.execute_script("asked[1].answer('<h1>Bad Gateway</h1>', 502)")
    wait_for(browser, "No answer.")
    assert text(browser, "error").startswith("Error: The server answers 502 ")


def test_a_hostile_name_is_a_text_like_any_other(browser: Any, tmp_path: Path) -> None:
    """Names of gifts and sellers that would be elements and scripts if they were not written as text."""
    gifts = json.loads(scenarios_file("gift_catalog.json"))["gifts"][: len(HOSTILE)]
    for gift, name in zip(gifts, HOSTILE, strict=True):
        gift["name"] = name
        gift["offers"] = [{"seller": name, "price": gift["price"], "shipping_days": 1}]
        gift["stock"] = 9
    catalogue = tmp_path / "catalogue.json"
    catalogue.write_text(json.dumps({"gifts": gifts}))
    with serving(model_file(), "--catalogue", str(catalogue)) as other:
        open_with(browser, other, f"#top={len(HOSTILE)}&preferences=affordable&preferences=practical")
        wait_for(browser, f"{len(HOSTILE)} gifts: ")
        cards = shown(browser)["gifts"]
        assert {card["name"] for card in cards} == set(HOSTILE)
        assert all(card["price"].endswith(f"at {card['name']}; list price") for card in cards)
        assert browser.find_elements("css selector", "main img, main script, main b b") == []
        with seen_as(browser, 320, "light"):
            assert browser.execute_script("return document.documentElement.scrollWidth") <= 320
        assert browser.get_log("browser") == []
        requested(browser)  # of the other server, and read away


def scenarios_file(name: str) -> str:
    return resources.files(scenarios).joinpath(name).read_text(encoding="utf-8")


def other_vocabulary(browser: Any, **lists: list[str]) -> None:
    """The page as it is with the vocabulary of another model."""
    empty: dict[str, list[str]] = {name: [] for name in VOCABULARY_KEYS}
    model = {"preset": "tiny", "parameters": 1, "gifts": 1, "version": "0", "vocabulary": empty | lists}
    browser.execute_script(f"{REPLACED} start(); asked[0].answer(arguments[0]);", json.dumps(model))
    wait_for(browser, "No question yet.")


def hobbies_shown(browser: Any) -> list[str]:
    chips = browser.find_elements("css selector", "#hobbies .chips label")
    return [chip.text for chip in chips if chip.is_displayed()]


def test_of_hundreds_of_names_the_first_are_shown_and_the_others_found_by_typing(browser: Any) -> None:
    names = [f"name_{number}" for number in range(300)] + ["überlang_" + "x" * 200]
    with seen_as(browser, 320, "light"):
        other_vocabulary(browser, hobbies=names, occasions=names)
        assert browser.execute_script("return document.documentElement.scrollWidth") <= 320
        assert hobbies_shown(browser) == [f"name {number}" for number in range(40)]
        assert "261 more" in browser.find_element("css selector", "#hobbies .left-out").text
        browser.find_element("css selector", "#hobbies input[type=checkbox]").click()
        browser.find_element("css selector", "#hobbies input[type=search]").send_keys("UBERLANG x")
        assert hobbies_shown(browser) == ["name 0", names[-1].replace("_", " ")]  # what is chosen stays
        assert browser.execute_script("return document.documentElement.scrollWidth") <= 320
    assert not browser.find_element("id", "preferences").is_displayed()
    assert not browser.find_element("name", "relationship").is_displayed()


def test_probabilities_are_shown_highest_first_whatever_the_names(
    browser: Any, server: ServerProcess
) -> None:
    """JavaScript puts names that are whole numbers first in an object, in any order of the JSON."""
    _, told = answer(server, {"age": 20}, "?top=1")
    browser.execute_script(REPLACED)
    press(browser, TAB, "20", ENTER)
    told["categories"] = {"high": 0.9, "__proto__": 0.5, "7": 0.1}
    browser.execute_script("asked[0].answer(arguments[0])", json.dumps(told))
    wait_for(browser, "1 gift: ")
    assert [bar[0] for bar in shown(browser)["categories"]] == ["high", "  proto  ", "7"]


def test_every_field_has_a_name_and_every_stop_of_the_keyboard_is_seen(
    browser: Any, server: ServerProcess
) -> None:
    open_with(browser, server, ADDRESS)
    wait_for(browser, "3 gifts: ")
    browser.execute_script("document.activeElement.blur(); getSelection().collapse(document.body, 0)")
    stops = browser.execute_script(
        "return document.querySelectorAll('input:not([hidden]), select, button, summary').length"
    )
    names = []
    for _ in range(stops):
        press(browser, TAB)
        stop = browser.switch_to.active_element
        names.append(stop.accessible_name)
        outlined = "const it = document.activeElement.closest('.chips label') ?? document.activeElement;"
        assert browser.execute_script(outlined + "return getComputedStyle(it).outlineStyle") == "solid"
    assert all(names)
    assert {"Age in years", "Budget in dollars", "home decor", "Find gifts", "How many gifts"} <= set(names)
    assert names.count("How it fits: 7 measures") == 3
    assert browser.find_element("id", "error").get_attribute("role") == "alert"
    assert browser.find_element("id", "status").get_attribute("aria-live") == "polite"


def test_the_policy_forbids_other_servers_and_scripts(browser: Any) -> None:
    tried = browser.execute_async_script(
        "const done = arguments[0]; window.ran = false;"
        "document.body.append(Object.assign(document.createElement('script'), {textContent: 'ran = true'}));"
        "fetch('http://127.0.0.1:9/').then(() => done('fetched'), () => done(ran ? 'ran' : 'refused'));"
    )
    assert tried == "refused"
    refused = [entry["message"] for entry in browser.get_log("browser")]
    assert sum("Content Security Policy" in message for message in refused) >= 2
    requested(browser)


@pytest.mark.parametrize("width", [1280, 390, 320])
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_nothing_is_wider_than_the_window_and_text_stands_out(
    browser: Any, server: ServerProcess, width: int, theme: str
) -> None:
    """Contrast as WCAG 2 defines it, of every text against what is behind it, in form, answer and error."""
    with seen_as(browser, width, theme):
        open_with(browser, server, f"{ADDRESS}&top=5&days=0")
        wait_for(browser, f"{len(answer(server, PERSON, '?top=5&days=0')[1]['gifts'])} gift")
        browser.execute_script("document.querySelectorAll('details').forEach((one) => { one.open = true; })")
        require_seen(browser, width, theme)
        open_with(browser, server, "#age=200")
        wait_for(browser, "No answer.")
        require_seen(browser, width, theme)


def require_seen(browser: Any, width: int, theme: str) -> None:
    assert browser.execute_script("return document.documentElement.scrollWidth") <= width
    texts = browser.execute_script(
        """
        const digits = (channel) => Number(channel).toString(16).padStart(2, "0");
        const hex = (colour) => "#" + colour.match(/[\\d.]+/g).slice(0, 3).map(digits).join("");
        const clear = (colour) => /, 0\\)$/.test(colour);
        const behind = (one) => !one ? "rgb(255, 255, 255)" : clear(getComputedStyle(one).backgroundColor)
          ? behind(one.parentElement) : getComputedStyle(one).backgroundColor;
        const written = (one) => [...one.childNodes].some((node) => node.nodeType === 3 && node.data.trim());
        return [...document.body.querySelectorAll("*")]
          .filter((one) => one.checkVisibility() && (written(one) || one.matches("input")))
          .map((one) => [one.textContent, hex(getComputedStyle(one).color), hex(behind(one))]);
        """
    )
    assert len(texts) > 30
    assert (luminance(texts[0][2]) > 0.5) == (theme == "light")
    assert [found for found in texts if contrast(found[1], found[2]) < 4.5] == []
