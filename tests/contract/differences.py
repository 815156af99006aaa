"""Where this server means to answer differently from the recordings: all of it, and why.

docs/compatibility.md shows this table. A difference that is not here is a defect, and one that is here and
no longer to be seen has to go.
"""

from __future__ import annotations

from tests.contract.comparing import Difference

EVERYWHERE = "*"

DOCUMENTED = "The documented behaviour, where the two differ."
SUPERSET = "More keys hurt nobody."
LENIENT = "What has one meaning is accepted."

DIFFERENCES = (
    # --- Everywhere -------------------------------------------------------------------------------------
    Difference(
        here="The stream's `metadata` event carries `thread_id` beside `run_id` and `attempt`.",
        why=SUPERSET,
        where=EVERYWHERE,
        what="event metadata.thread_id extra",
    ),
    Difference(
        here="An answer 422 has the errors of all fields under `errors`, beside the sentence in `detail`.",
        why=SUPERSET,
        where=EVERYWHERE,
        what="answer.errors extra",
    ),
    Difference(
        here=(
            "A thread has `error` and `interrupts` before its first run too; runs and webhooks have `error`, "
            "which may be null."
        ),
        why="A shape that does not change is easier to read.",
        where=EVERYWHERE,
        what="""
            answer.error extra
            answer.interrupts extra
            answer[].error extra
            answer[].interrupts extra
            webhook.error extra
        """,
    ),
    Difference(
        here="A copied thread shows its `values` and keeps its `config`.",
        why=SUPERSET,
        where="03/65 03/66 03/71 10/46",
        what="""
            answer*.values extra
            answer*.config.configurable extra
        """,
    ),
    Difference(
        here="An interrupt has `response_schema` in threads and states too, as it has in streams.",
        why="One shape wherever it is read.",
        where=EVERYWHERE,
        what="answer*interrupts*.response_schema extra",
    ),
    Difference(
        here=(
            "Runs show `attempt`, `error` and `usage`, and keep `checkpoint` and `on_disconnect` in `kwargs`."
        ),
        why=SUPERSET,
        where=EVERYWHERE,
        what="""
            *attempt extra
            *usage extra
            *kwargs.checkpoint extra
            *kwargs.on_disconnect extra
        """,
    ),
    Difference(
        here=(
            "A run's `kwargs` hold what the client asked for: in `config` and `context` nothing that the "
            "server adds, and no `temporary` and `checkpoint_during`. There is no `langsmith_session_name`."
        ),
        why=(
            "What the server adds stands beside `kwargs`; the two keys say what `durability` says, and "
            "whether a run has a thread of its own."
        ),
        where=EVERYWHERE,
        what="""
            *kwargs.config.configurable missing
            *kwargs.config.configurable.* missing
            *kwargs.config.metadata missing
            *kwargs.context differs
            *kwargs.temporary missing
            *kwargs.checkpoint_during missing
            *langsmith_session_name missing
        """,
    ),
    Difference(
        here=(
            "Metadata and `configurable` say nothing of the server's version, plan, host and address, nor "
            "when a request came."
        ),
        why="No client reads them.",
        where=EVERYWHERE,
        what="*.<itself> missing",
    ),
    Difference(
        here=(
            "Streams and states do not show what graphs are told of the user; graphs are not told the "
            "request's id, nor the user's under `user_id`."
        ),
        why="Who reads a shared thread need not know the permissions of who ran it.",
        where=EVERYWHERE,
        what="""
            *langgraph_auth_user missing
            *langgraph_auth_user_id missing
            *.user_id missing
            *langgraph_auth_permissions missing
            *langgraph_request_id missing
        """,
    ),
    Difference(
        here="A state's metadata names neither thread nor checkpoint nor node, and has no nulls.",
        why=(
            "LangGraph's Postgres checkpointer keeps them elsewhere; they stand in `checkpoint` and `tasks`."
        ),
        where=EVERYWHERE,
        what="""
            answer*metadata.thread_id missing
            answer*metadata.checkpoint_id missing
            answer*metadata.checkpoint_ns missing
            answer*metadata.checkpoint_map missing
            answer*metadata.langgraph_* missing
            answer*metadata.x missing
        """,
    ),
    # --- Meta -------------------------------------------------------------------------------------------
    Difference(
        here="GET /ok answers without `services`.",
        why="There are none.",
        where="01/1 01/2",
        what="answer.services missing",
    ),
    Difference(
        here="Nothing stands at /.",
        why="It belongs to the Django project.",
        where="01/3",
        what="status 200 became 404",
    ),
    Difference(
        here="/info names this server, its version and what it can do.",
        why="`status`, `name` and `version` are documented; the flags tell clients what to leave out.",
        where="01/4 01/14",
        what="""
            answer.version differs
            answer.status extra
            answer.name extra
            answer.flags.*
            answer.host.host_revision_id missing
        """,
    ),
    Difference(
        here="/api/health and /api/initial-message exist.",
        why="They are documented.",
        where="01/9 01/10",
        what="status 404 became 200",
    ),
    Difference(
        here="/openapi.json has a media type of its own.",
        why="It is OpenAPI's; clients read it as JSON.",
        where="01/8",
        what="header content-type differs",
    ),
    Difference(
        here="A wrong method is 405 on every path.",
        why="The official server has this for most paths.",
        where="01/12",
        what="status 404 became 405",
    ),
    Difference(
        here=(
            "A preflight is answered with a list of headers and methods, not with what was asked for, and "
            "says that private networks may be called only when asked."
        ),
        why="django-cors-headers does it so. The list has what the clients send.",
        where="01/13",
        what="""
            header access-control-*
            header content-type differs
        """,
    ),
    Difference(
        here="`Location` is exposed to browsers too.",
        why="Without it a client in a browser cannot rejoin a stream that broke.",
        where="01/14",
        what="header access-control-expose-headers differs",
    ),
    Difference(
        here="Every path redirects from one slash too many, to a path without a host.",
        why="The official server does so for some paths. Behind a proxy the server does not know its host.",
        where="01/16 01/18",
        what="""
            status 404 became 307
            header location differs
            header content-type extra
        """,
    ),
    Difference(
        here="/assistants/ is not found.",
        why="Assistants cannot be made here, so there is no /assistants to redirect to.",
        where="01/17",
        what="status 307 became 404",
    ),
    Difference(
        here="`Allow` names OPTIONS too.",
        why="It is answered.",
        where="01/19",
        what="header allow differs",
    ),
    # --- Assistants -------------------------------------------------------------------------------------
    Difference(
        here="No body at all is an empty one.",
        why=LENIENT,
        where="02/2 02/3 03/2",
        what="status 422 became 200",
    ),
    Difference(
        here="`x-pagination-total` of assistants counts all that were found.",
        why="The official server counts up to the page, and one more.",
        where="02/4 02/11",
        what="header x-pagination-total differs",
    ),
    Difference(
        here="Assistants are found by the name of their graph on every path.",
        why="It is documented.",
        where="02/15 02/18",
        what="status 422 became 200",
    ),
    Difference(
        here="A graph that was compiled without a name is called LangGraph in its schema and its `events`.",
        why="That is the name LangGraph gave it.",
        where="02/17 04/20 06/18 07/8 08/18",
        what="""
            answer.state_schema.title differs
            event events.name differs
        """,
    ),
    # --- Threads ----------------------------------------------------------------------------------------
    Difference(
        here="History shows ten states unless told otherwise, not one.",
        why=DOCUMENTED,
        where="03/13 03/33",
        what="answer[] length",
    ),
    Difference(
        here="A state edit on a thread without a graph uses the default assistant's.",
        why="A thread can be filled before its first run.",
        where="03/14 03/64 03/71",
        what="""
            status 201 became 200
            status 400 became 200
            answer[].status differs
            answer[].values differs
        """,
    ),
    Difference(
        here="A thread shows `ttl` whenever it is asked for, null if it has none.",
        why="A shape that does not change is easier to read.",
        where="03/18",
        what="answer.ttl extra",
    ),
    Difference(
        here="`before` of POST history may be a checkpoint and its id too.",
        why="The Python SDK sends both; the official server refuses one and fails at the other.",
        where="03/37 03/39",
        what="""
            status 500 became 200
            status 422 became 200
        """,
    ),
    Difference(
        here="The state at a checkpoint of GET names `checkpoint_ns` in `checkpoint`, as that of POST does.",
        why=SUPERSET,
        where="03/44 03/45",
        what="answer.checkpoint.checkpoint_ns extra",
    ),
    Difference(
        here="POST state/checkpoint takes a bare checkpoint too.",
        why="It is documented.",
        where="03/47",
        what="status 422 became 200",
    ),
    Difference(
        here="POST state answers with the keys of a checkpoint too.",
        why="They are documented.",
        where="03/50 03/52 03/54 03/55 03/58 03/59 03/60",
        what="""
            answer.thread_id extra
            answer.checkpoint_ns extra
            answer.checkpoint_map extra
        """,
    ),
    Difference(
        here="A list of objects as `values` of a state edit is several edits, one after another.",
        why="The SDKs' types allow it.",
        where="03/61 03/68 03/69",
        what="""
            status 400 became 200
            answer*values.text differs
            answer*metadata.step differs
            answer*checkpoint.checkpoint_id differs
        """,
    ),
    Difference(
        here=(
            "A copy has the latest state alone, and says in `forked_from` whose it is; "
            "`?history=true` copies all."
        ),
        why=DOCUMENTED,
        where="03/65 03/66 03/68 03/71 10/46",
        what="""
            answer*metadata.forked_from extra
            answer.parent_checkpoint differs
        """,
    ),
    Difference(
        here="A copy of an unknown thread is 404.",
        why="As for every other unknown thread.",
        where="03/67",
        what="status 409 became 404",
    ),
    Difference(
        here=(
            "Threads are found in the order of their creation, the newest first, not in that of their last "
            "change."
        ),
        why="Every run changes its thread; an index on that time would cost every run.",
        where="03/71 03/75",
        what="""
            answer[].thread_id differs
            answer[].metadata.*
            answer[].values.*
            answer[].config.configurable missing
        """,
    ),
    Difference(
        here="Threads are found by `values` although others have none.",
        why="The official server fails.",
        where="03/74",
        what="status 500 became 200",
    ),
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
