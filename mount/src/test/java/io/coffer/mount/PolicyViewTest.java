package io.coffer.mount;

import java.io.IOException;
import java.nio.file.Path;

/** A volume with fscrypt policies behind the adapter, everything in it encrypted. */
class PolicyViewTest extends ViewBehaviour {
  @Override
  Backend open(Path store) throws IOException {
    return new PolicyBackend(store);
  }
}
