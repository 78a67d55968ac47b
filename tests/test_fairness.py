"""Nobody takes it all: turns on the workers, places for training, the queue for them, and what a run may cost."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import fields, replace
from pathlib import Path

import pytest

from bnviz.experiment import Experiment
from bnviz.labs import all_labs, find
from bnviz.labs.base import Setting
from bnviz.runs import Limits, Person, RunManager, TooCostlyError
from bnviz.runs.admission import Admission
from bnviz.runs.cost import check, in_words, seconds, step_millions
from bnviz.runs.fair_queue import FairQueue
from bnviz.runs.limits import variable

README = Path(__file__).parents[1] / "README.md"
GREEDY, MODEST = Person("greedy"), Person("modest")
SMALL = Experiment(dataset="moons", hidden=(8, 8), steps=100_000, device="cpu")


def until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 240
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.005)


def taken(callers: dict[str, int], rounds: int, at_once: int = 2, workers: int = 1) -> Counter[str]:
    """The seconds that each person got of workers that are never idle, by the number of callers of each."""
    got: Counter[str] = Counter()
    queue = FairQueue(at_once)

    async def call_again_and_again(person: str, worker: str) -> None:
        while sum(got.values()) < rounds:
            async with queue.turn(worker, person, 0.0) as turn:
                await asyncio.sleep(0)
                turn.seconds = 1.0
                if sum(got.values()) < rounds:  # not those still in flight at the end
                    got[person] += 1

    async def everybody() -> None:
        async with asyncio.TaskGroup() as group:
            for person, count in callers.items():
                for place in range(count):
                    group.create_task(call_again_and_again(person, str(place % workers)))

    asyncio.run(everybody())
    assert queue.persons == 0
    return got


@pytest.mark.parametrize("workers", [1, 2])
def test_every_person_gets_the_same_however_many_callers_they_have(workers: int) -> None:
    got = taken({"a": 24, "b": 2, "c": 6}, rounds=3000, workers=workers)
    assert max(got.values()) < 1.02 * min(got.values())


def test_one_person_alone_gets_everything() -> None:
    assert taken({"a": 3}, rounds=50) == {"a": 50}


def test_who_comes_back_from_an_absence_is_ahead_by_a_moment_and_no_more() -> None:
    """Person a works 100 seconds while b is away; from then on both have calls of a second waiting."""

    async def story() -> str:
        queue, order = FairQueue(at_once=1), []

        async def call(person: str) -> None:
            async with queue.turn("w", person, 1.0):
                order.append(person)
                await asyncio.sleep(0)

        for _ in range(100):
            await call("a")
        await asyncio.gather(*(call(person) for person in "a" * 20 + "b" * 20))
        return "".join(order[100:])

    order = asyncio.run(story())
    ahead = [order[:end].count("b") - order[:end].count("a") for end in range(1, 20)]
    assert max(ahead) <= 2  # the second that an absence may earn, and the present one
    assert min(ahead) >= -1


@pytest.mark.parametrize("estimate", [0.0, 1.0, 3.0])
def test_shares_are_of_seconds_and_not_of_calls_however_well_they_were_estimated(estimate: float) -> None:
    durations = {"a": 3.0, "b": 1.0}
    got: Counter[str] = Counter()

    async def story() -> None:
        queue = FairQueue(at_once=1)

        async def measured(person: str) -> None:
            while sum(got.values()) < 600:
                async with queue.turn("w", person, estimate) as turn:
                    await asyncio.sleep(0)
                    turn.seconds = durations[person]
                    got[person] += int(durations[person])

        await asyncio.gather(*(measured(person) for person in "aabb"))

    asyncio.run(story())
    assert got["a"] == pytest.approx(got["b"], rel=0.05)


def test_a_long_call_is_charged_when_it_begins() -> None:
    """While a's call of 10 seconds runs on one worker, b's calls on the other come first."""

    async def story() -> list[str]:
        queue, order, end = FairQueue(at_once=1), [], asyncio.Event()

        async def long_call() -> None:
            async with queue.turn("other", "a", 10.0):
                await end.wait()

        async def call(person: str) -> None:
            async with queue.turn("w", person, 1.0):
                order.append(person)
                await asyncio.sleep(0)

        running = asyncio.create_task(long_call())
        await asyncio.sleep(0)
        await asyncio.gather(*(call(person) for person in "cabbbb"))
        end.set()
        await running
        return order

    assert "".join(asyncio.run(story())) == "cbbbba"


def test_a_worker_has_no_more_calls_at_a_time_than_allowed() -> None:
    async def story(at_once: int) -> int:
        queue, now, most = FairQueue(at_once), 0, 0

        async def call(person: str) -> None:
            nonlocal now, most
            async with queue.turn("w", person, 1.0):
                now += 1
                most = max(most, now)
                await asyncio.sleep(0)
                now -= 1

        await asyncio.gather(*(call(person) for person in "aaabbbccc"))
        return most

    assert [asyncio.run(story(at_once)) for at_once in (1, 2, 3)] == [1, 2, 3]


def test_a_long_call_is_settled_however_many_others_come_and_go_meanwhile() -> None:
    async def story() -> int:
        queue, end = FairQueue(at_once=1), asyncio.Event()

        async def long_call() -> None:
            async with queue.turn("other", "a", 0.0) as turn:
                await end.wait()
                turn.seconds = 50.0

        running = asyncio.create_task(long_call())
        await asyncio.sleep(0)
        for number in range(1000):
            async with queue.turn("w", f"visitor {number % 500}", 1.0):
                pass
        end.set()
        await running
        return queue.persons

    assert asyncio.run(story()) == 0


def test_who_gives_up_waiting_holds_up_nobody() -> None:
    async def story() -> None:
        queue = FairQueue(at_once=1)

        async def call(person: str) -> None:
            async with queue.turn("w", person, 1.0):
                await asyncio.sleep(0.01)

        tasks = [asyncio.create_task(call(person)) for person in "abcabc"]
        await asyncio.sleep(0)
        for task in tasks[:4]:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        assert not tasks[5].cancelled()
        assert queue.persons == 0
        await call("d")

    asyncio.run(story())


def test_the_queue_says_how_many_are_before_and_puts_first_who_has_least() -> None:
    admission = Admission(Limits(training_runs=2, training_runs_a_person=2))
    assert admission.enter("a1", Person("a")) == ""
    assert admission.enter("a2", Person("a")) == ""
    assert "You have 2 runs in training" in admission.enter("a3", Person("a"))
    assert "yours is next" in admission.enter("b1", Person("b"))
    assert "1 run is before yours" in admission.enter("b2", Person("b"))
    assert "1 run is before yours" in admission.enter("c1", Person("c"))  # b's second comes after c's first
    assert "2 runs are before yours" in admission.enter("b2", Person("b"))
    admission.leave("a1")
    assert "1 run is before yours" in admission.enter("c1", Person("c"))
    assert admission.enter("b1", Person("b")) == ""
    assert "yours is next" in admission.enter("c1", Person("c"))


def test_a_paused_run_has_its_place_again_at_once_unless_others_took_it() -> None:
    admission = Admission(Limits(training_runs=1))
    assert admission.enter("a", Person("a")) == ""
    admission.rest("a")
    assert admission.has("a")
    assert admission.enter("b", Person("b")) == ""
    assert not admission.has("a")
    assert "yours is next" in admission.enter("a", Person("a"))
    admission.rest("a")  # paused while waiting: out of the queue
    admission.leave("b")
    assert admission.enter("c", Person("c")) == ""


def test_the_run_that_rests_longest_loses_its_place_first() -> None:
    admission = Admission(Limits(training_runs=2))
    for run in "ab":
        assert admission.enter(run, Person(run)) == ""
    for run in "ab":
        admission.rest(run)
    assert admission.enter("c", Person("c")) == ""
    assert (admission.has("a"), admission.has("b"), admission.has("c")) == (False, True, True)


def test_no_more_runs_train_than_allowed_in_all_and_of_one_person() -> None:
    admission = Admission(Limits(training_runs=3, training_runs_a_person=2))
    wishes = [(f"{person}{number}", Person(person)) for person in "abcd" for number in range(3)]
    for _ in range(3):
        for run, person in wishes:
            admission.enter(run, person)
            training = [other for other, _ in wishes if admission.has(other)]
            assert len(training) <= 3
            assert max(Counter(other[0] for other in training).values()) <= 2
    assert len(training) == 3


def test_one_address_leaves_places_to_others() -> None:
    admission = Admission(Limits(training_runs=4, training_runs_an_address=2))
    classroom = [Person(str(number), "10.0.0.1") for number in range(3)]
    assert [admission.enter(person, person) for person in classroom[:2]] == ["", ""]
    assert "from your network" in admission.enter(classroom[2], classroom[2])
    assert admission.enter("elsewhere", Person("x", "10.0.0.2")) == ""
    assert admission.enter("here", Person("y")) == ""  # who sits at the server has no address


@pytest.mark.parametrize(
    ("arms", "limits", "words"),
    [
        ([SMALL], Limits(steps=1000), "steps = 100,000 is not allowed on this server; allowed is 1,000."),
        ([SMALL], Limits(layers=1), "layers = 2"),
        ([SMALL], Limits(width=4), "width = 8"),
        ([SMALL] * 3, Limits(networks=2), "3 networks; this server allows 2"),
        ([SMALL] * 3, Limits(run_steps=200_000), "300,000 steps in all"),
        ([Experiment(hidden=(1000,) * 20, batch_size=4096)], Limits(), "times the work"),
        ([Experiment(architecture="conv", hidden=(256,) * 8, batch_size=500)], Limits(), "times the work"),
    ],
)
def test_what_costs_too_much_is_refused_in_a_sentence(
    arms: list[Experiment], limits: Limits, words: str
) -> None:
    with pytest.raises(TooCostlyError, match=words.replace(".", r"\.")):
        RunManager(workers=1, limits=limits).open(arms)


def test_the_work_of_a_step_counts_the_multiplications() -> None:
    experiment = Experiment(dataset="mnist", hidden=(100, 100, 100), batch_size=60)
    assert step_millions(experiment) == pytest.approx(60 * (784 * 100 + 2 * 100 * 100 + 100 * 10) / 1e6)


@pytest.mark.parametrize("quick", [True, False])
def test_every_lab_is_within_the_limits_in_its_own_settings(quick: bool) -> None:
    for lab in all_labs().values():
        check([job.experiment for job in lab.jobs(Setting(quick=quick))], Limits())


def test_who_opens_run_after_run_loses_own_runs_and_no_others() -> None:
    manager = RunManager(workers=1, limits=Limits(open_runs=6, open_runs_a_person=3))
    other = manager.open([SMALL], person=MODEST)
    runs = [manager.open([SMALL.replace(seed=seed)], person=GREEDY) for seed in range(20)]
    assert [manager.get(run.id) for run in runs[-3:]] == runs[-3:]
    assert not any(manager.get(run.id) for run in runs[:-3])
    assert manager.get(other.id) is other
    manager.close()


@pytest.mark.slow
def test_many_runs_of_one_person_leave_anothers_single_run_its_share_and_more_wait(
    trainers: RunManager,
) -> None:
    pairs = [
        [SMALL.replace(seed=seed, normalizer=name) for name in ("none", "batch")] for seed in range(50, 55)
    ]
    many = [trainers.open(pair, person=GREEDY) for pair in pairs[:3]]
    waiting, single = trainers.open(pairs[3], person=GREEDY), trainers.open(pairs[4], person=MODEST)
    for run in (*many, single):
        run.play()
    until(lambda: all(run.step > 0 for run in (*many, single)))
    waiting.play()
    until(lambda: "You have 3 runs in training" in waiting.message)
    assert (waiting.state, waiting.step) == ("starting", 0)
    shares = []
    while (
        len(shares) < 4 and max(shares, default=0.0) <= 0.45
    ):  # what else the machine does can spoil a moment
        before = {run.id: run.step for run in (*many, single)}
        until(lambda before=before: single.step > before[single.id] + 400)
        greedy = sum(run.step - before[run.id] for run in many)
        shares.append((single.step - before[single.id]) / greedy)
    assert max(shares) > 0.45  # by runs it would be a third of what three get
    many[0].pause()
    until(lambda: waiting.step > 0)
    for run in (*many, waiting, single):
        run.stop()


def test_the_readme_names_every_limit() -> None:
    text = README.read_text(encoding="utf-8")
    assert [
        name for name in (variable(item.name) for item in fields(Limits)) if f"`{name}`" not in text
    ] == []


def test_a_labs_time_is_estimated_near_what_was_measured() -> None:
    """Both arms of Figure 1 took 35 s on two cores (docs/performance.md)."""
    jobs = find("figure-1").jobs(Setting(seeds=1))[:2]
    assert 28 <= seconds(jobs, 2) <= 42
    assert seconds(jobs, 1) == pytest.approx(2 * seconds(jobs, 2))
    assert seconds(jobs, 16) == seconds(jobs, 2)  # a network trains in one process
    twice = find("mechanism").jobs(Setting(quick=True))
    once = [replace(job, inspection_steps=0) for job in twice]
    assert seconds(once, 1) < seconds(twice, 1) < 2 * seconds(once, 1)


@pytest.mark.parametrize(
    ("duration", "words"), [(0.4, "5 s"), (37.0, "35 s"), (58.0, "1 min"), (200.0, "3 min")]
)
def test_a_time_is_told_as_roughly_as_it_is_known(duration: float, words: str) -> None:
    assert in_words(duration) == words
