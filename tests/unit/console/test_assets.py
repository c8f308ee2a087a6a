"""The files of the console: what is read, and what the page may not hold."""

import re
from pathlib import Path

from gateway.console.assets import STATIC, load


def test_only_plain_files_of_known_types_are_read(tmp_path: Path) -> None:
    (tmp_path / "static" / "vendor").mkdir(parents=True)
    for name in ("index.html", "app.js", "vendor/telnyx-webrtc.mjs", "notes.secret"):
        (tmp_path / "static" / name).write_text(name)
    (tmp_path / "secret.txt").write_text("outside")
    (tmp_path / "static" / "link.txt").symlink_to(tmp_path / "secret.txt")

    assets = load(tmp_path / "static")

    assert sorted(assets.files) == ["app.js", "index.html", "vendor/telnyx-webrtc.mjs"]
    assert assets.is_built


def test_version_changes_with_every_file_and_stands_in_the_page(tmp_path: Path) -> None:
    (tmp_path / "index.html").write_text("/console/{{version}}/app.js")
    (tmp_path / "app.js").write_text("one")
    before = load(tmp_path)
    (tmp_path / "app.js").write_text("two")

    after = load(tmp_path)

    assert before.version != after.version
    assert after.files["index.html"].content == f"/console/{after.version}/app.js".encode()
    assert not after.is_built


def test_page_in_the_tree_has_no_inline_script_and_no_foreign_host() -> None:
    for path in STATIC.rglob("*"):
        if path.suffix in {".html", ".css", ".js"}:
            text = path.read_text()
            assert not re.search(r"<script(?![^>]*\bsrc=)[^>]*>", text), path
            assert not re.search(r"\son[a-z]+=\"|\sstyle=\"", text) or path.suffix != ".html", path
            assert not re.search(r"https?://(?!www\.w3\.org/)", text), path
