from tests.toolboxes.toolbox_client import toolbox


async def test_gives_the_message_back() -> None:
    async with toolbox("echo") as box:
        assert await box.call("echo_tool", message="hello, wörld") == "Echo: hello, wörld"


async def test_a_missing_message_is_an_answer_for_the_model() -> None:
    async with toolbox("echo") as box:
        assert "message" in await box.refused("echo_tool")
