package io.coffer.cli;

import io.coffer.crypto.SecretBytes;
import io.coffer.keys.VolumeException;
import java.io.IOException;
import java.nio.file.Path;
import java.util.function.Consumer;

/**
 * Passwords of volumes from a key service, which a room behind the command line adds to it. Found
 * by {@link java.util.ServiceLoader}.
 */
public interface KeyService {
  /**
   * The password of a volume; the caller closes it.
   *
   * @param reference a file that says which key of which server, and as whom to ask
   */
  SecretBytes password(Path reference) throws VolumeException;

  /**
   * Waits, until it is closed, for the right to the key to be taken away.
   *
   * @param withdrawn is told the reason
   */
  AutoCloseable watch(Path reference, Consumer<String> withdrawn) throws IOException;
}
