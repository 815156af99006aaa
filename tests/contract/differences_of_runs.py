"""As ``differences``, of runs and their streams."""

from __future__ import annotations

from tests.contract.comparing import Difference
from tests.contract.reasons import DOCUMENTED, LENIENT, SUPERSET

OF_RUNS = (
    # --- Streams ----------------------------------------------------------------------------------------
    Difference(
        here="In `events`, a run's input has its messages as LangChain's own dicts.",
        why="They are converted before the graph gets them.",
        where="04/20",
        what="event events.data.input.messages[].*",
    ),
    Difference(
        here="In `events`, a message without an id has none before it gets into the state.",
        why="Events are written when they happen.",
        where="04/20",
        what="""
            event events.data.output.id differs
            event events.data.chunk.messages[].id differs
            event events.data.output.messages[].id differs
        """,
    ),
    # --- Runs -------------------------------------------------------------------------------------------
    Difference(
        here="A command that says nothing is none, and the run goes on where the thread stands.",
        why="The official server fails.",
        where="08/43",
        what="""
            answer.__error__ missing
            answer.* extra
        """,
    ),
    Difference(
        here=(
            "POST /threads/{id}/runs answers when the run has ended, unless `SKEINO_RUN_CREATE` is "
            "`background`."
        ),
        why=DOCUMENTED,
        where="09/2 09/3 09/4 09/5 09/6 09/7 09/8 09/9 09/11 09/39 42/8",
        what="""
            answer.status differs
            answer[].status differs
            answer[] length
            answer.values differs
            answer.values.* differs
            answer.values.log[] length
            answer.next[] length
            answer.tasks[] length
            answer.metadata.step differs
        """,
    ),
    Difference(
        here="POST /threads/{id}/runs says with `Location` where the run is.",
        why=DOCUMENTED,
        where="09/2 09/39 09b/* 10/37 10/40 10/43 11/* 19/2 19/3 19/6 19/7 19/10 19/11 19/15 19/16",
        what="header location extra",
    ),
    Difference(
        here="An unknown `status` to list runs by is 422.",
        why="It is a mistake, and no run has it.",
        where="09/10",
        what="status 200 became 422",
    ),
    Difference(
        here="A run may have a `context` and `configurable` values too.",
        why=LENIENT,
        where="09/30",
        what="status 400 became 200",
    ),
    Difference(
        here="An unknown `on_disconnect` is 422 for runs that are not streamed too.",
        why="It is the same mistake.",
        where="09/37 42/6",
        what="status 200 became 422",
    ),
    Difference(
        here="A run that makes its thread says in its metadata which graph it is of, as every run does.",
        why="The official server leaves it out here alone.",
        where="09/39 15/3 15/10 22b/7",
        what="*metadata.graph_id extra",
    ),
    Difference(
        here="A thread that a run makes does not take over the run's metadata.",
        why="They are the run's.",
        where="09/40",
        what="answer.metadata.q missing",
    ),
    Difference(
        here="`http.configurable_headers` of langgraph.json is not read.",
        why="`manage.py check` warns about it.",
        where="22/9",
        what="answer.seen.configurable.x-foo-a missing",
    ),
    Difference(
        here="A thread's values have what the finished tasks of an unfinished step wrote, as its state has.",
        why="Both are read from the same checkpoint.",
        where="23/14 23/15",
        what="answer*messages[] length",
    ),
    # --- Runs that go on, and that have ended -----------------------------------------------------------
    Difference(
        here="An unknown run and an unknown thread are 404 for those who join and stream too.",
        why="As everywhere else. Clients raise their error, where the official server's answer looks well.",
        where="09/44 09/45 09/47 09b/14 19/22",
        what="status 200 became 404",
    ),
    Difference(
        here="To join a run that waits for a person is answered as to wait for one: values and interrupts.",
        why="One shape wherever it is read.",
        where="08/24",
        what="""
            answer.text extra
            answer.__interrupt__[].response_schema extra
        """,
    ),
    Difference(
        here="The stream of a run that has ended is sent whole, resumable or not, or from after an id.",
        why="The official server sends nothing then, and a client that was late would never know.",
        where="08/25 11/7 11/14 11/26 45/9",
        what="event * extra",
    ),
    Difference(
        here="The stream of a resumable run is sent whole to those who name no event's id.",
        why="They have seen none; a stream that breaks before its first event is rejoined so.",
        where="11/3",
        what="event *",
    ),
    Difference(
        here="No two events have the same id, so none is lost when a stream goes on after one.",
        why="The official server's ids are of a millisecond, and it skips what else happened in it.",
        where="11/4",
        what="event updates extra",
    ),
    Difference(
        here="To join a run's stream after an id that is no event's is 422, as it is for a thread's.",
        why="The official server sends nothing then, and a mistake looks like the end of the run.",
        where="11/8 45/8",
        what="status 200 became 422",
    ),
    Difference(
        here="A thread's stream says with `Location` where it is.",
        why="With it the SDKs go on by themselves after a connection broke.",
        where="19/4 19/8 19/12 19/19 19/20",
        what="header location extra",
    ),
    Difference(
        here="The error that stopping a run leaves on its thread has other words.",
        why="Its `error` is what clients tell such a thread by.",
        where="09b/53 09b/77 12/11",
        what="answer.error.message differs",
    ),
    Difference(
        here="A thread is idle as soon as its active run is deleted.",
        why="The official server lets it look busy for a while.",
        where="09b/16",
        what="answer.status differs",
    ),
    # --- Runs without a thread --------------------------------------------------------------------------
    Difference(
        here="A run without a thread, and its thread, are kept for `SKEINO_STATELESS_MINUTES` after its end.",
        why="So its stream can be rejoined, and its end be told, after a connection broke.",
        where="15/5 15/6 44/4 44/5 44/6",
        what="status 404 became 200",
    ),
    Difference(
        here="The webhook of a run without a thread has its values.",
        why=SUPERSET,
        where="22b/7",
        what="webhook.values differs",
    ),
)
