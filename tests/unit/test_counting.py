"""Counters and histograms: what they count, how it is spelt, and that nobody's values make new series."""

from gateway.telemetry.counting import OTHER, Counter, Durations


def test_a_series_is_counted_by_its_labels() -> None:
    counter = Counter("name", "meaning", {"one": ("a", "b"), "two": ("c",)})
    counter.at("a", "c").value += 2
    counter.at("b", "c").value += 1
    samples = {tuple(sample.labels.values()): sample.value for sample in counter.collected().samples}
    assert samples == {("a", "c"): 2.0, ("b", "c"): 1.0}
    assert {sample.name for sample in counter.collected().samples} == {"name_total"}


def test_what_is_not_in_a_list_is_counted_as_other_and_makes_no_series() -> None:
    counter = Counter("name", "meaning", {"one": ("a",), "two": ("c",)})
    for number in range(100):
        counter.at(f"made up {number}", "c").value += 1
    assert [(values, cell.value) for values, cell in counter.series()] == [((OTHER, "c"), 100.0)]
    assert counter.bound == 4


def test_what_has_not_happened_is_seen_as_nought() -> None:
    assert [cell.value for _, cell in Counter("name", "meaning", {}).series()] == [0.0]
    by_label = Counter("name", "meaning", {"one": ("a", "b")})
    assert [values for values, _ in by_label.series()] == [("a",), ("b",)]
    assert list(Counter("name", "meaning", {"one": ("a",), "two": ("b",)}).series()) == []


def test_a_duration_is_in_every_bucket_that_it_does_not_exceed() -> None:
    durations = Durations("name", "meaning", {}, (0.1, 1.0))
    for seconds in (0.05, 0.1, 0.5, 7.0):
        durations.at().note(seconds)
    samples = durations.collected().samples
    buckets = {sample.labels["le"]: sample.value for sample in samples if sample.name == "name_bucket"}
    assert buckets == {"0.1": 2.0, "1.0": 3.0, "+Inf": 4.0}
    assert {sample.name: sample.value for sample in samples if not sample.labels} == {
        "name_count": 4.0,
        "name_sum": 7.65,
    }
