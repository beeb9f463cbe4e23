package io.coffer.keyserver.page;

import io.coffer.keyserver.box.ProblemException;
import io.coffer.keyserver.engine.EngineException;
import io.coffer.keyserver.json.JsonException;
import java.io.IOException;

/**
 * A page that can be looked at.
 *
 * @param path with an asterisk for each name: that of the API, with /page for /v1
 * @param action what the audit log calls it: as the API's request for the same
 * @param audited is looking at it logged? As the API does
 */
public record View(String path, String action, boolean audited, Show show) {
  /** Makes the page. */
  public interface Show {
    Document make(Visit visit) throws ProblemException, EngineException, JsonException, IOException;
  }
}
