/**
 * One turn of a chat: `chat-turn.ts PATH ID [hang]`. With `hang` it prints a line when the result
 * of the tool is stored, and never goes on.
 */
import { createRuntime } from "../../src/index.ts";
import { sqliteStore } from "../../src/sqlite.ts";
import { asked, type Chat, turn } from "../src/adapters/ai/chat.ts";

const [path = "", id = "", hang] = process.argv.slice(2);
const runtime = createRuntime({ store: sqliteStore({ path }) });
const scope = await runtime.open<Chat>("session", "chat");
await turn(scope, asked(id, "How is the weather?"), async () => {
  const [answer] = scope.state.messages?.slice(-1) ?? [];
  const isThere =
    answer?.parts.some((part) => "output" in part && part.output !== undefined) === true;
  if (hang === undefined || !isThere) return;
  console.log("the tool's result is stored");
  await new Promise(() => undefined);
});
await runtime.close();
