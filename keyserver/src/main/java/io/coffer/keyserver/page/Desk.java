package io.coffer.keyserver.page;

import io.coffer.keyserver.audit.AuditCheck;
import io.coffer.keyserver.audit.AuditLog;
import io.coffer.keyserver.box.LockBoxes;
import io.coffer.keyserver.box.ProblemException;
import io.coffer.keyserver.engine.EngineException;
import io.coffer.keyserver.json.JsonException;
import java.time.Instant;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** What pages ask of the server. */
public interface Desk {
  /** Uses the open lock boxes. */
  interface Use<R extends @Nullable Object> {
    R with(LockBoxes boxes) throws ProblemException, EngineException, JsonException;
  }

  /**
   * Uses the lock boxes.
   *
   * @throws ProblemException 503 while the server is sealed
   */
  <R extends @Nullable Object> R use(Use<R> use)
      throws ProblemException, EngineException, JsonException;

  boolean isSealed();

  /** The servers that share the store and are alive; empty for one that is alone. */
  List<String> servers() throws EngineException;

  AuditLog audit();

  AuditCheck auditCheck();

  Instant now();
}
