"""Folders, CSV and lines of JSON as rows; what is wrong names its place."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.files import BadFile, Columns, Row
from service.files import kind_of, read_examples, read_names, read_rows


def rows(tmp_path: Path, name: str, content: str | bytes, **columns: str | frozenset[str] | bool) -> list[Row]:
    path = tmp_path / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return read_examples(path, kind_of(path, None), Columns(**columns))  # type: ignore[arg-type]


def told(found: list[Row]) -> list[tuple[object, ...]]:
    return [(Path(row.where).name, row.input, row.id, row.label, row.target) for row in found]


def test_a_csv_of_vectors(tmp_path: Path) -> None:
    found = rows(tmp_path, "a.csv", "id,x,y,when\nq,1,-2e3,mon\nr,.5,4,tue\n\n", label="y", ignored=frozenset({"when"}))
    assert told(found) == [("a.csv:2", [1.0], "q", "-2e3", None), ("a.csv:3", [0.5], "r", "4", None)]
    assert told(rows(tmp_path, "b.csv", "target,x\n2,1\n")) == [("b.csv:2", [1.0], None, None, 2.0)]
    assert told(rows(tmp_path, "b.csv", "when,x\n2,1\n", target="when")) == [("b.csv:2", [1.0], None, None, 2.0)]


@pytest.mark.parametrize(("content", "said"), [("x;label\n1,5;a\n", "semicolons"), ("x\tlabel\n1\ta\n", "tabs")])
def test_a_csv_of_another_separator_is_named(content: str, said: str, tmp_path: Path) -> None:
    with pytest.raises(BadFile, match=rf"a.csv:1: the cells are separated by {said}; expected commas"):
        rows(tmp_path, "a.csv", content)


def test_cells_of_a_table(tmp_path: Path) -> None:
    found = rows(tmp_path, "a.csv", "length,colour,label\n1.5,red,a\n,7,b\nnan, ,b\n", are_cells=True)
    assert [row.input for row in found] == [[1.5, "red"], [None, 7.0], ["nan", None]]
    found = rows(tmp_path, "a.jsonl", '{"input": [1, "red", null], "label": "a"}', are_cells=True)
    assert found[0].input == [1, "red", None]


def test_a_csv_of_texts(tmp_path: Path) -> None:
    content = '\ufefftext,label,source\r\n"a, ""b""\nc",good,x\r\né,bad,y\r\n'
    found = rows(tmp_path, "a.csv", content)
    assert told(found) == [("a.csv:3", 'a, "b"\nc', None, "good", None), ("a.csv:4", "é", None, "bad", None)]


def test_lines_of_json(tmp_path: Path) -> None:
    content = (
        '{"input": [1, 2.5], "label": 7}\n\n{"input": "text", "label": "b"}\n{"input": {"image": "AAE="}, "label": "c"}'
    )
    found = told(rows(tmp_path, "a.jsonl", content))
    assert [row[:2] for row in found] == [("a.jsonl:1", [1.0, 2.5]), ("a.jsonl:3", "text"), ("a.jsonl:4", b"\x00\x01")]
    assert [row[3] for row in found] == ["7", "b", "c"]
    assert told(rows(tmp_path, "a.ndjson", '{"input": [1], "target": [1, 2]}'))[0][4] == [1.0, 2.0]


def test_several_labels_are_a_list_in_lines_of_json(tmp_path: Path) -> None:
    found = rows(tmp_path, "a.jsonl", '{"input": "x", "label": ["a", 2]}\n{"input": "y", "label": []}')
    assert [row.label for row in found] == [["a", "2"], []]
    with pytest.raises(BadFile, match=r"a.jsonl:1: expected a text as the label"):
        rows(tmp_path, "a.jsonl", '{"input": "x", "label": ["a", true]}')


def test_names_of_labels(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text('{"a": "what a means"}')
    (tmp_path / "a.csv").write_text("name,label\nwhat a means,a\n")
    assert read_names(tmp_path / "a.json") == read_names(tmp_path / "a.csv") == {"a": "what a means"}
    for name, content in (("a.json", "[]"), ("a.json", '{"a": 1}'), ("a.json", "{"), ("a.csv", "label,text\na,b\n")):
        (tmp_path / name).write_text(content)
        with pytest.raises(BadFile, match=rf"{name}: expected"):
            read_names(tmp_path / name)


def test_images_by_path(tmp_path: Path) -> None:
    (tmp_path / "x.png").write_bytes(b"x")
    assert rows(tmp_path, "a.csv", "image,label\nx.png,a\n")[0].input == tmp_path / "x.png"
    assert rows(tmp_path, "a.jsonl", '{"path": "x.png", "label": "a"}')[0].input == tmp_path / "x.png"


def test_a_folder_of_folders(tmp_path: Path) -> None:
    for name in ("b/1.png", "a/2.png", "a/.DS_Store", ".git/x", "a/deep/3.png", "README"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    found = read_examples(tmp_path, "folder", Columns())
    assert [(Path(row.where).name, row.label) for row in found] == [("2.png", "a"), ("3.png", "deep"), ("1.png", "b")]
    assert len(read_rows(tmp_path, "folder", Columns())) == 4


def test_labels_of_queries_are_left_out(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("x,label,target,y\n1,,,b\n")
    (row,) = read_rows(path, "csv", Columns(label="y", are_read=False))
    assert (row.input, row.label, row.target) == ([1.0], None, None)


BAD = [
    ("a.csv", "", "a.csv:1: expected the names"),
    ("a.csv", "1,2\n3,4\n", "a.csv:1: expected the names"),
    ("a.csv", "x,x\n", "a.csv:1: the column 'x' is there twice"),
    ("a.csv", "x,label\n", "a.csv holds no examples"),
    ("a.csv", "x,y\n1,2\n", "a.csv:2: has neither label nor target"),
    ("a.csv", "x,label\n1,a\n2\n", "a.csv:3: expected 2 cells"),
    ("a.csv", "x,label\n1,a\none,b\n", "a.csv:3: the column 'x': expected a number, got 'one'"),
    ("a.csv", "x,label\n,a\n", "a.csv:2: the column 'x'"),
    ("a.csv", "x,target\n1,high\n", "a.csv:2: the target: expected a number"),
    ("a.csv", "label\na\n", "a.csv:2: expected a text"),
    ("a.csv", 'x,label\n1,"a\n', "a.csv:2: unexpected end"),
    ("a.csv", b"x,label\n1,\xe9\n", "a.csv is not text in UTF-8"),
    ("a.csv", "image,label\nnope.png,a\n", "a.csv:2: there is no file"),
    ("a.csv", f"image,label\n{400 * chr(0x1F600)},a\n", "a.csv:2: there is no file"),
    ("a.jsonl", "", "a.jsonl holds no examples"),
    ("a.jsonl", '{"input": [1], "label": "a"}\nhello\n', "a.jsonl:2: expected an object of JSON"),
    ("a.jsonl", "[1]\n", "a.jsonl:1: expected an object"),
    ("a.jsonl", "[" * 100_000, "a.jsonl:1: expected an object"),
    ("a.jsonl", '{"label": "a"}', "a.jsonl:1: expected a text"),
    ("a.jsonl", '{"input": null, "label": "a"}', "a.jsonl:1: expected a text"),
    ("a.jsonl", '{"input": [1, null], "label": "a"}', "a.jsonl:1: number 2: expected a number"),
    ("a.jsonl", '{"input": [true], "label": "a"}', "a.jsonl:1: number 1: expected"),
    ("a.jsonl", '{"input": {"image": "%"}, "label": "a"}', "a.jsonl:1: expected an image"),
    ("a.jsonl", '{"input": [1], "label": true}', "a.jsonl:1: expected a text as the label"),
    ("a.jsonl", '{"input": [1], "label": "a"}\n{"input": [1]}', "a.jsonl:2: has neither label nor target"),
    ("a.jsonl", '{"input": [1], "label": "a"}\n{"input": [1], "target": 1}', "a.jsonl:2: has no label"),
    ("a.jsonl", '{"input": [1], "label": "a"}\n{"input": [1], "label": "a", "id": "x"}', "a.jsonl:1: has no id"),
]


@pytest.mark.parametrize(("name", "content", "message"), BAD)
def test_what_is_wrong_names_its_place(tmp_path: Path, name: str, content: str | bytes, message: str) -> None:
    with pytest.raises(BadFile) as error:
        rows(tmp_path, name, content)
    assert message in str(error.value)


def test_a_column_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(BadFile, match=r"a\.csv:1: there is no column 'y'; there are x, label"):
        rows(tmp_path, "a.csv", "x,label\n1,a\n", label="y")


def test_an_empty_folder(tmp_path: Path) -> None:
    with pytest.raises(BadFile, match="a folder of images a label"):
        read_examples(tmp_path, "folder", Columns())


@settings(deadline=None)  # of an idle machine
@given(st.sampled_from(["csv", "jsonl"]), st.binary(max_size=60) | st.text('x,label\n"{}[]:1', max_size=60))
def test_nonsense_is_told_in_a_sentence(
    tmp_path_factory: pytest.TempPathFactory, kind: str, content: str | bytes
) -> None:
    path = tmp_path_factory.getbasetemp() / "nonsense"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    try:
        read_examples(path, kind, Columns())
    except BadFile as error:
        assert str(path) in str(error)
