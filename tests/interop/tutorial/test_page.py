"""How the tutorial is read and compared: a page that says something else than what happens is found out."""

from pathlib import Path

import pytest

from tests.interop.tutorial.page import Block, differences, sections

ORDER = '{"data": {"id": "...", "status": "success", "lines": [{"number": "+1"}], "connection_id": null}}'


def test_answer_may_have_more_keys_and_another_id() -> None:
    seen = (
        '{"data":{"id":"7","status":"success","lines":[{"number":"+1","x":2}],"connection_id":null,"more":1},"meta":{}}'
    )

    assert differences(Block("json", ORDER), seen) == []


@pytest.mark.parametrize(
    ("seen", "found"),
    [
        (
            '{"data": {"id": "7", "status": "pending", "lines": [{"number": "+1"}], "connection_id": null}}',
            "/data/status is 'pending', not 'success'",
        ),
        ('{"data": {"id": "7", "lines": [{"number": "+1"}], "connection_id": null}}', "/data/status is missing"),
        (
            '{"data": {"id": "7", "status": "success", "lines": [], "connection_id": null}}',
            "/data/lines is [], not [{'number': '+1'}]",
        ),
        (
            '{"data": {"id": "7", "status": "success", "lines": [{"number": "+12"}], "connection_id": null}}',
            "/data/lines/0/number is '+12', not '+1'",
        ),
        (
            '{"data": {"id": "", "status": "success", "lines": [{"number": "+1"}], "connection_id": null}}',
            "/data/id is '', not '...'",
        ),
        (
            '{"data": {"id": 7, "status": "success", "lines": [{"number": "+1"}], "connection_id": false}}',
            "/data/id is 7, not '...'",
        ),
        ("curl: (7) Failed to connect", "no JSON: 'curl: (7) Failed to connect'"),
    ],
)
def test_answer_that_differs_is_named_with_its_place(seen: str, found: str) -> None:
    assert found in differences(Block("json", ORDER), seen)


def test_printed_lines_are_compared_whole_but_for_what_differs_each_time() -> None:
    said = Block("text", "success +1312555...\ngencred... eyJ...\n")

    assert differences(said, "success +13125550121\ngencredAbC eyJh.b.c\n") == []
    assert differences(said, "pending +13125550121\ngencredAbC eyJh.b.c\n") != []
    assert differences(said, "success +13125550121\n") != []


def test_page_is_read_as_sections_with_their_blocks_files_and_asides(tmp_path: Path) -> None:
    path = tmp_path / "page.md"
    path.write_text(
        "# Title\n\n## One\n\nIn another terminal:\n\n    serve 8000\n\n```sh\n    echo HOST\n```\n\n"
        "```html\n<!-- a/b.html -->\n<p>\n```\n\n## Two\n\n```python\n# c.py\n```\n"
    )

    page = sections(path, {"HOST": "localhost:1"})

    assert list(page) == ["One", "Two"]
    assert page["One"].asides() == ["serve 8000"]
    assert [(block.language, block.file) for block in page["One"].blocks()] == [("sh", None), ("html", "a/b.html")]
    assert next(page["One"].blocks()).text == "    echo localhost:1\n"
    assert [block.file for block in page["Two"].blocks()] == ["c.py"]


def test_page_about_another_host_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "page.md"
    path.write_text("# Title\n\n## One\n")

    with pytest.raises(AssertionError, match="does not name HOST"):
        sections(path, {"HOST": "localhost:1"})
