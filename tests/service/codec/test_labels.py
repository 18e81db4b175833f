"""Names of labels that nothing would tell apart."""

from service.codec import clashing_names


def test_second_names_and_names_of_others_are_told() -> None:
    kept = [("a", b"1"), ("b", b"2")]
    new = [("c", b"3", "x.c"), ("d", b"1", "x.d"), ("a", b"4", "x.a"), ("e", b"3", "x.e")]
    found = [(each.path, each.message) for each in clashing_names(kept, new)]
    assert [path for path, _ in found] == ["x.d", "x.a", "x.e"]
    assert "'a' already" in found[0][1] and "has a name already" in found[1][1] and "'c'" in found[2][1]
