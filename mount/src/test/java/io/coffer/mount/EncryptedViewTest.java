package io.coffer.mount;

import java.io.IOException;
import java.nio.file.Path;

/** An encrypted volume behind the adapter: all that a user has of it. */
class EncryptedViewTest extends ViewBehaviour {
  @Override
  Backend open(Path store) throws IOException {
    return new EncryptedBackend(store);
  }
}
