package io.coffer.mount;

import io.coffer.posix.ErrnoException;
import java.nio.file.Path;

/** A plain directory behind the adapter: what goes wrong here, the adapter does. */
class DirectViewTest extends ViewBehaviour {
  @Override
  Backend open(Path store) throws ErrnoException {
    return Backend.direct(store);
  }
}
