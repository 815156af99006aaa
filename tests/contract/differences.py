"""Where this server means to answer differently from the recordings: all of it, and why.

docs/compatibility.md shows this table. A difference that is not here is a defect, and one that is here and
no longer to be seen has to go.
"""

from __future__ import annotations

from tests.contract.comparing import Difference
from tests.contract.differences_of_runs import OF_RUNS
from tests.contract.reasons import DOCUMENTED, EVERYWHERE, LENIENT, SUPERSET

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
    *OF_RUNS,
)
