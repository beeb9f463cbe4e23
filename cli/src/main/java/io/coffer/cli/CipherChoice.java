package io.coffer.cli;

import io.coffer.format.gocryptfs.GocryptfsCipher;
import java.util.List;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.ITypeConverter;
import picocli.CommandLine.TypeConversionException;

/** The names of content ciphers on the command line. */
final class CipherChoice implements ITypeConverter<GocryptfsCipher> {
  /** What completion offers. */
  static final class Candidates implements Iterable<String> {
    @Override
    public java.util.Iterator<String> iterator() {
      return names().iterator();
    }
  }

  static List<String> names() {
    return Stream.of(GocryptfsCipher.values()).map(CipherChoice::name).toList();
  }

  static String name(GocryptfsCipher cipher) {
    return switch (cipher) {
      case AES_GCM -> "aes-gcm";
      case AES_SIV -> "aes-siv";
      case XCHACHA20_POLY1305 -> "xchacha20-poly1305";
    };
  }

  static @Nullable GocryptfsCipher named(String name) {
    for (GocryptfsCipher cipher : GocryptfsCipher.values()) {
      if (name(cipher).equals(name)) {
        return cipher;
      }
    }
    return null;
  }

  @Override
  public GocryptfsCipher convert(String value) {
    GocryptfsCipher cipher = named(value);
    if (cipher == null) {
      throw new TypeConversionException("'" + value + "' is none of " + String.join(", ", names()));
    }
    return cipher;
  }
}
