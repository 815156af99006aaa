from __future__ import annotations

from typing import Any

from langchain_core.runnables import RunnableConfig

from tests.graphs.plain import Text, one_node


def tell(member: Any) -> dict[str, Any]:
    return {"identity": member.pk, "permissions": [], "email": member.email}


async def node(state: Text, config: RunnableConfig) -> Text:
    configurable = config["configurable"]
    user = configurable["langgraph_auth_user"]
    return {"text": f"{user['email']} {configurable['langgraph_auth_user_id']}"}


whoami = one_node(Text, node).compile()
