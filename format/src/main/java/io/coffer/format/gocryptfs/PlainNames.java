package io.coffer.format.gocryptfs;

import io.coffer.format.FormatException;
import io.coffer.format.NameCodec;

/** The codec of a volume whose names are not encrypted. */
final class PlainNames implements NameCodec {
  static final PlainNames INSTANCE = new PlainNames();

  private PlainNames() {}

  @Override
  public StoredName encode(byte[] plain) throws FormatException {
    if (isTemporary(plain)) {
      throw new FormatException("the name is reserved for entries that are being prepared");
    }
    return new StoredName(plain, null, null);
  }

  @Override
  public EntryKind kindOf(byte[] storedName) {
    return isTemporary(storedName) ? EntryKind.INTERNAL : EntryKind.PLAIN;
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
    return TemporaryNames.AMONG_PLAIN.next();
  }

  @Override
  public boolean isTemporary(byte[] storedName) {
    return TemporaryNames.AMONG_PLAIN.contains(storedName);
  }
}
