package io.coffer.keyserver.server;

import io.coffer.keyserver.box.ProblemException;
import io.coffer.keyserver.engine.EngineException;
import io.coffer.keyserver.json.JsonException;
import io.coffer.keyserver.seal.SealException;
import java.io.IOException;
import org.jspecify.annotations.Nullable;

/** Answers a call: JSON, other {@link Content}, or null for 204. */
interface Action {
  @Nullable Object answer(Call call)
      throws ProblemException, EngineException, JsonException, SealException, IOException;
}
