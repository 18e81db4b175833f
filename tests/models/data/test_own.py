from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from models.data.own import decoded, read_own
from models.data.pools import PoolEpisodes, split
from models.data.schema import UnusableData
from models.files import Columns
from models.types import Classes
from service.files import kind_of, read_examples


def picture(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full((8, 8), 200, np.uint8)).save(path)


def test_a_folder_a_label(tmp_path: Path) -> None:
    for name in ("a/1.png", "a/2.PNG", "b/1.jpg"):
        picture(tmp_path / name)
    (tmp_path / "a/notes.txt").write_text("not an image")
    owned = read_own(tmp_path)
    assert owned.modality == "image"
    assert {key: len(rows) for key, rows in owned.classes().items()} == {("", "a"): 2, ("", "b"): 1}


def test_folders_grouped_by_family(tmp_path: Path) -> None:
    for name in ("greek/a/1.png", "greek/b/1.png", "latin/a/1.png"):
        picture(tmp_path / name)
    assert set(read_own(tmp_path).classes()) == {("greek", "a"), ("greek", "b"), ("latin", "a")}


def test_csv_of_numbers_and_of_texts(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    path.write_text("id,width,label,height,family\n7,1.5,cat,2,x\n8,3,dog,4e1,x\n")
    owned = read_own(path)
    assert owned.modality == "vector"
    assert [(each.input, each.label, each.family) for each in owned.examples] == [
        ([1.5, 2.0], "cat", "x"),
        ([3.0, 40.0], "dog", "x"),
    ]
    path.write_text("label,text\ngreet,hello there\n")
    assert read_own(path).modality == "text"


def test_jsonl_of_numbers_and_of_texts(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text('{"label": 3, "input": [1, 2]}\n\n{"label": "b", "input": [1, 2.5], "family": "f"}\n')
    owned = read_own(path)
    assert owned.modality == "vector" and set(owned.classes()) == {("", "3"), ("f", "b")}
    path.write_text('{"label": "greet", "text": "hello"}\n')
    assert read_own(path).modality == "text"


ONE_FILE = {
    "a.csv": "id,x,label,y,family,split\n1,0.1,a,0.2,f,train\n2,3,b,4,f,test\n",
    "b.csv": "id,target,x\n1,0.5,7\n",
    "c.csv": "text,label,id,source\nwhere is it?,lost,1,mail\n",
    "d.csv": "input,label,text\nthis one,lost,not this\n",
    "e.csv": "path,label\nx.png,a\n",
    "f.csv": "label,target,x\na,,1\n",
    "g.jsonl": '{"id": 1, "label": 3, "x": 1, "family": "f", "y": 2.5}\n',
    "h.jsonl": '{"label": "a", "input": {"image": "AAE="}, "split": "val"}\n',
    "i.ndjson": '{"label": "a", "input": [1, 2], "text": "no", "slots": []}\n',
}


@pytest.mark.parametrize("name", ONE_FILE)
def test_what_is_adapted_to_and_what_is_trained_on_are_read_alike(name: str, tmp_path: Path) -> None:
    (tmp_path / "x.png").write_bytes(b"x")
    (tmp_path / name).write_text(ONE_FILE[name])
    adapted = read_examples(tmp_path / name, kind_of(tmp_path / name, None), Columns())
    trained = read_own(tmp_path / name).examples
    assert [each.input for each in trained] == [each.input for each in adapted]
    assert [(each.label, each.target) for each in trained] == [
        (each.label or "", () if each.target is None else (each.target,)) for each in adapted
    ]


def test_the_digest_is_of_the_content(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    path.write_text("label,x\na,1\nb,2\n")
    before = read_own(path).digest
    assert read_own(path).digest == before
    path.write_text("label,x\na,1\nb,3\n")
    assert read_own(path).digest != before


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.csv", "x,y\n1,2\n", "a.csv:2: has neither label nor target$"),
        ("a.csv", "label,x\na\n", "a.csv:2: expected 2 cells as in the first line, got 1"),
        ("a.csv", "label,x\na,1,2\n", "a.csv:2: expected 2 cells as in the first line, got 3"),
        ("a.csv", "label,x\na,one\n", "a.csv:2: the column 'x': expected a number, got 'one'$"),
        ("a.csv", "x,label\n1;2\n", "a.csv:2: expected 2 cells"),
        ("a.csv", "x;label\n1;2\n", "separated by semicolons"),
        ("a.csv", "x,x,label\n1,2,a\n", "the column 'x' is there twice"),
        ("a.csv", "label,x\na,inf\n", "a.csv:2: not every number is finite"),
        ("a.csv", "label,x\n,1\n", "a.csv:2: has neither label nor target"),
        ("a.csv", "label,x\n", "holds no labelled examples"),
        ("a.jsonl", "nonsense\n", "a.jsonl:1: expected an object of JSON"),
        ("a.jsonl", '{"label": "a"}\n', "a.jsonl:1: expected a text, a list of numbers or an image"),
        ("a.jsonl", '{"label": "a", "input": [1], "split": "dev"}\n', "a.jsonl:1: the split 'dev' is none of train"),
        ("a.jsonl", '{"label": "a", "target": 1, "input": [1]}\n', "a.jsonl:1: there are a label and a target"),
        ("a.jsonl", '{"target": [], "input": [1]}\n', "a.jsonl:1: the target is empty"),
        ("a.jsonl", '{"label": ["a", "b"], "input": [1]}\n', "a.jsonl:1: there are several labels"),
        ("a.jsonl", '{"target": 1, "input": [1]}\n{"label": "a", "input": [1]}\n', "mixes labels with targets"),
        ("a.csv", "target,x\nmuch,1\n", "a.csv:2: the target: expected a number"),
        ("a.jsonl", '{"label": "a", "input": [1e300]}\n', "not every number is finite"),
        ("a.jsonl", '{"label": "a", "input": [[1]]}\n', "a.jsonl:1: number 1: expected a number"),
        ("a.jsonl", '{"label": "a", "input": [1]}\n{"label": "a", "input": [1, 2]}\n', "vectors of 1 and of 2 numbers"),
        ("a.jsonl", '{"label": "a", "input": [1]}\n{"label": "a", "input": "x"}\n', "mixes texts and vectors"),
        ("a.parquet", "", "is no folder, .csv or .jsonl"),
    ],
)
def test_what_cannot_be_used_is_named_with_its_place(name: str, content: str, said: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(content)
    with pytest.raises(UnusableData, match=said):
        read_own(tmp_path / name)


def test_absent_empty_and_mixed_folders_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UnusableData, match="there is no"):
        read_own(tmp_path / "nothing")
    with pytest.raises(UnusableData, match="holds no labelled examples"):
        read_own(tmp_path)
    picture(tmp_path / "a/1.png")
    picture(tmp_path / "f/a/1.png")
    with pytest.raises(UnusableData, match="throughout"):
        read_own(tmp_path)


def test_a_damaged_image_is_named(tmp_path: Path) -> None:
    (tmp_path / "1.png").write_bytes(b"no image")
    with pytest.raises(UnusableData, match=r"1.png: the bytes are not"):
        decoded(tmp_path / "1.png")


def pool(sizes: dict[tuple[str, str], int]) -> dict[tuple[str, str], list[int]]:
    """Classes of these sizes, their rows one after another."""
    end, classes = 0, {}
    for name, size in sizes.items():
        classes[name] = list(range(end, end + size))
        end += size
    return classes


def test_labels_are_split_within_families_and_never_shared() -> None:
    classes = pool({(family, str(n)): 3 for family in "fg" for n in range(10)} | {("f", "lonely"): 1})
    trained, held = split(classes, 0.2)
    assert len(trained) == 16 and len(held) == 4
    assert not trained.keys() & held.keys()
    assert {family for family, _ in held} == {"f", "g"}
    assert split(classes, 0.2) == (trained, held)


def test_small_families_are_split_whole() -> None:
    trained, held = split(pool({(family, str(n)): 3 for family in "abcde" for n in range(2)}), 0.2)
    assert len({family for family, _ in held}) == 1 and len(held) == 2
    assert len(trained) == 8


def test_too_few_labels_are_refused() -> None:
    with pytest.raises(UnusableData, match="at least four labels"):
        split(pool({("", "a"): 5, ("", "b"): 5, ("", "c"): 5, ("", "d"): 1}), 0.2)


def test_tasks_keep_families_and_rows_apart() -> None:
    classes = pool({("f", "a"): 2, ("f", "b"): 7, ("f", "c"): 4, ("g", "d"): 3, ("g", "e"): 5})
    family_of = {row: family for (family, _), rows in classes.items() for row in rows}
    class_of = {row: name for name, rows in classes.items() for row in rows}
    episodes = PoolEpisodes(torch.arange(21).view(-1, 1).float(), classes, num_tasks=3)
    for step in range(30):
        batch = episodes(step)
        assert isinstance(batch.support.target, Classes)
        for task in range(3):
            support = batch.support.rows.values[task, :, 0].int().tolist()
            query = batch.query.values[task, :, 0].int().tolist()
            assert len(set(support + query)) == len(support + query)
            assert len({family_of[row] for row in support + query}) == 1
            names = [class_of[row] for row in support]
            labels = batch.support.target.index[task].tolist()
            assert len(set(zip(names, labels, strict=True))) == len(set(names)) == len(set(labels))


def test_a_task_depends_on_seed_step_and_number_alone() -> None:
    classes = pool({("", name): 6 for name in "abcdef"})
    rows = torch.arange(36).view(-1, 1).float()
    few, many = (PoolEpisodes(rows, classes, num_tasks=number) for number in (2, 5))
    assert torch.equal(few(7).support.rows.values, many(7).support.rows.values[:2])
    assert not torch.equal(few(7).support.rows.values[0], few(7).support.rows.values[1])
