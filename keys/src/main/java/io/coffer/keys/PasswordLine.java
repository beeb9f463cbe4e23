package io.coffer.keys;

import io.coffer.crypto.SecretBytes;
import io.coffer.keys.VolumeException.Problem;
import java.io.IOException;
import java.io.InputStream;
import java.util.Arrays;

/** A line being read, wiped on close. */
final class PasswordLine implements AutoCloseable {
  private final String what;
  private final byte[] bytes = new byte[PasswordSource.MAX_BYTES];
  private int length;

  PasswordLine(String what) {
    this.what = what;
  }

  void readFrom(InputStream in) throws IOException, VolumeException {
    for (int b = in.read(); b != -1 && b != '\n'; b = in.read()) {
      add((byte) b);
    }
  }

  void append(PasswordLine other) throws VolumeException {
    for (int i = 0; i < other.length; i++) {
      add(other.bytes[i]);
    }
  }

  private void add(byte b) throws VolumeException {
    if (length == PasswordSource.MAX_BYTES) {
      throw new VolumeException(
          Problem.PASSWORD_TOO_LONG,
          what + " is longer than " + PasswordSource.MAX_BYTES + " bytes");
    }
    bytes[length++] = b;
  }

  void checkNotEmpty() throws VolumeException {
    if (length == 0) {
      throw new VolumeException(Problem.PASSWORD_EMPTY, what + " is empty");
    }
  }

  SecretBytes toSecret() throws VolumeException {
    checkNotEmpty();
    return SecretBytes.take(Arrays.copyOf(bytes, length));
  }

  @Override
  public void close() {
    Arrays.fill(bytes, (byte) 0);
  }
}
