package io.coffer.vfs;

import io.coffer.format.FormatException;
import io.coffer.format.NameCodec;
import io.coffer.format.fscrypt.FscryptStoredName;

/** The names of a directory without policy: as they are, but for temporary ones. */
final class PlainTreeNames implements NameCodec {
  static final PlainTreeNames INSTANCE = new PlainTreeNames();

  private PlainTreeNames() {}

  @Override
  public StoredName encode(byte[] plain) {
    return new StoredName(plain, null, null);
  }

  @Override
  public EntryKind kindOf(byte[] storedName) {
    return FscryptStoredName.isTemporary(storedName) ? EntryKind.INTERNAL : EntryKind.PLAIN;
  }

  @Override
  public byte[] sidecarOf(byte[] storedName) {
    throw new IllegalArgumentException("plain names have no sidecar");
  }

  @Override
  public byte[] decode(byte[] storedName) {
    return storedName;
  }

  @Override
  public byte[] decodeLong(byte[] storedName, byte[] sidecarContent) throws FormatException {
    throw new FormatException("plain names have no sidecar");
  }

  @Override
  public byte[] newTemporaryName() {
    return FscryptStoredName.newTemporary();
  }

  @Override
  public boolean isTemporary(byte[] storedName) {
    return FscryptStoredName.isTemporary(storedName);
  }
}
