"""What is printed is shown as it is, whole where it must be."""

import pytest

from service.screen import show, table, visible

TASK = "task_01KAZ0123456789ABCDEFGHJKM"


def test_no_text_is_markup(capsys: pytest.CaptureFixture[str]) -> None:
    show(table("[b]head[/b]", "other", rows=[("[/b]", "d [red]x[/red] :smile:")]), "see [/x]")
    out = capsys.readouterr().out
    assert all(text in out for text in ("[b]head[/b]", "[/b]", "d [red]x[/red] :smile:", "see [/x]"))


def test_what_steers_a_terminal_is_spelt_out() -> None:
    assert visible("a\x1b[2Jb\nc") == r"a\x1b[2Jb\nc"
    assert visible("café 日本 \u200d") == "café 日本 \u200d"


def test_a_pipe_gets_a_line_a_row(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)
    show(table("task", "name", rows=[(TASK, "long " * 100 + "end")]))
    assert capsys.readouterr().out.splitlines()[1].strip() == f"{TASK}  {'long ' * 100}end"


def test_a_narrow_terminal_folds_and_keeps_ids_whole(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "50")
    show(table("task", "name", rows=[(TASK, "x" * 60)], whole=["task"]))
    out = capsys.readouterr().out
    assert TASK in out and out.count("x") == 60 and "…" not in out
